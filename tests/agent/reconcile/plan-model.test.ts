// Any sequence of wishes, failures, kills and full disks: what serves is good in the end, and no promise breaks on the way.
// The promises themselves are asserted in world.ts, where they would be broken.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf } from '../../../agent/reconcile/bundle-set.ts'
import { targetOf } from '../../../agent/reconcile/target.ts'
import { aBundle, probation, qualityOf, World } from './world.ts'

const seed = 20_261_124
const numRuns = 1_000

const deployment = fc.constantFrom('a', 'b')
const version = fc.integer({ min: 1, max: 29 })

type Move = (world: World) => void | Promise<void>

const moves: fc.Arbitrary<[string, Move]> = fc.oneof(
  fc
    .array(fc.tuple(deployment, version, fc.integer({ min: 1, max: 2 })), { maxLength: 2 })
    .map((wished): [string, Move] => [
      `wish ${wished.join(' ')}`,
      (world) => {
        const bundles = new Map(wished.map(([name, number, attempt]) => [name, aBundle(name, number, attempt)]))
        world.wish([...bundles.values()])
      },
    ]),
  { weight: 4, arbitrary: named('things go on', goOn) },
  named('answer', (world) => world.answer()),
  named('connect', (world) => world.connect()),
  named('disconnect', (world) => {
    world.connected = false
  }),
  named('fetched', (world) => world.finishFetches({ state: 'present' })),
  named('fetch fails', (world) =>
    world.finishFetches({ state: 'failed', failure: { reason: 'download', detail: 'wrong digest' } }),
  ),
  named('loaded', (world) => world.finishProcesses()),
  fc
    .integer({ min: 0, max: 3 })
    .map((at): [string, Move] => [
      `runtime ${at} dies`,
      (world) => world.kill(world.processes[at], { reason: 'crash', detail: 'killed by the test' }),
    ]),
  fc.constantFrom(100, 3_000, probation.durationMs, 70_000).map((ms): [string, Move] => [
    `${ms} ms pass`,
    (world) => {
      world.now += ms
    },
  ]),
  fc.integer({ min: 0, max: 12 }).map((steps): [string, Move] => [
    `kill -9 within ${steps} steps`,
    (world) => {
      world.killIn = steps
    },
  ]),
  named('kill -9', (world) => world.start()),
  named('restart', (world) => world.stopCleanly()),
  named('disk full', (world) => {
    world.diskFull = true
  }),
  named('disk free', (world) => {
    world.diskFull = false
  }),
  deployment.map((name): [string, Move] => [
    `files of ${name} rot`,
    (world) => {
      const damaged = world.memory.slots.current.bundles.find((bundle) => bundle.deployment === name)
      if (damaged !== undefined) world.files.set(damaged.manifest, { state: 'missing' })
    },
  ]),
  deployment.map((name): [string, Move] => [
    `what runs in ${name} does not load any more`,
    async (world) => {
      const current = world.memory.slots.current.bundles.find((bundle) => bundle.deployment === name)
      if (current === undefined) return
      world.noLongerLoad.add(current.manifest)
      await world.start()
      for (let round = 0; round < 4; round++) {
        world.finishProcesses()
        await world.settle()
        world.now += 3_000
      }
    },
  ]),
)

function named(name: string, move: Move): fc.Arbitrary<[string, Move]> {
  return fc.constant([name, move])
}

/** A few seconds in which nothing is in the way. */
async function goOn(world: World): Promise<void> {
  if (!world.connected) world.connect()
  for (let round = 0; round < 3; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 1_500
  }
}

/** The faults are over: time passes, the hub answers, what loads gets loaded. */
async function calm(world: World): Promise<void> {
  world.killIn = undefined
  world.diskFull = false
  world.noLongerLoad.clear()
  if (!world.connected) world.connect()
  for (let round = 0; round < 80; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 2_500
  }
}

test.each(['warm', 'stop-start'] as const)('%s: a good version serves after any sequence of faults', async (mode) => {
  const counted = { activate: 0, 'end-probation': 0, 'roll-back': 0, 'roll-back-late': 0, withdraw: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(moves, { minLength: 10, maxLength: 150, size: 'max' }), async (list) => {
      const world = new World(mode)
      await world.start()
      for (const [, move] of list) {
        await move(world)
        await world.settle()
      }
      await calm(world)
      for (const kind of world.steps) if (kind in counted) counted[kind as keyof typeof counted]++
      const { slots, wish, unsaved } = world.memory
      expect(unsaved).toBe(false)
      expect(slots.candidate).toBeNull()
      expect(slots.rollingBack).toBeNull()
      expect(slots.unreported).toEqual([])
      expect(slots.current.bundles.filter(({ version: number }) => qualityOf(number) !== 'good')).toEqual([])
      expect(world.serving()?.key).toBe(keyOf(slots.current))
      if (wish !== undefined) expect(keyOf(slots.current)).toBe(keyOf(targetOf(wish, slots)))
    }),
    { seed, numRuns, verbose: 1 },
  )
  // A model that never gets anywhere would hold every promise.
  expect(counted.activate).toBeGreaterThan(numRuns)
  expect(counted['end-probation']).toBeGreaterThan(numRuns / 2)
  expect(counted['roll-back']).toBeGreaterThan(numRuns / 4)
  expect(counted['roll-back-late']).toBeGreaterThan(0)
  expect(counted.withdraw).toBeGreaterThan(0)
})
