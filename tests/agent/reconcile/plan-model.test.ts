// Any sequence of wishes, failures, kills and full disks: what serves is good in the end, and no promise breaks on the way.
// The promises themselves are asserted in world.ts, where they would be broken.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf } from '../../../agent/reconcile/bundle-set.ts'
import { targetOf } from '../../../agent/reconcile/target.ts'
import { aBundle, aShadow, probation, qualityOf, World } from './world.ts'

const seed = 20_261_124
const numRuns = 1_000

const deployment = fc.constantFrom('a', 'b')
const version = fc.integer({ min: 1, max: 29 })

const wishes = fc.array(fc.tuple(deployment, version, fc.integer({ min: 1, max: 2 })), { maxLength: 2 })

type Move = (world: World) => void | Promise<void>

const moves: fc.Arbitrary<[string, Move]> = fc.oneof(
  fc.tuple(wishes, wishes).map(([wished, beside]): [string, Move] => [
    `wish ${wished.join(' ')} beside it ${beside.join(' ')}`,
    (world) => {
      const bundles = new Map(wished.map(([name, number, attempt]) => [name, aBundle(name, number, attempt)]))
      const shadows = new Map(beside.map(([name, number, attempt]) => [name, aShadow(name, number, attempt)]))
      world.wish([...bundles.values()], [...shadows.values()])
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

/** What shadows is wished, good, and told so; what is not, or failed, has no process. */
function expectShadows({ memory, processes, shadows: wished, told }: World): void {
  const running = processes.flatMap(({ shadows = [] }) => shadows)
  for (const one of running) {
    expect(wished.some(({ deployment, manifest }) => deployment === one.deployment && manifest === one.manifest)).toBe(
      true,
    )
    expect(qualityOf(one.version)).toBe('good')
    expect(
      memory.slots.current.bundles.some(
        ({ deployment, manifest }) => deployment === one.deployment && manifest !== one.manifest,
      ),
    ).toBe(true)
  }
  for (const one of memory.wish?.shadows ?? []) {
    const state = memory.slots.progress.find(
      ({ deployment, role }) => role === 'shadow' && deployment === one.deployment,
    )?.state
    const isRunning = running.some(({ deployment }) => deployment === one.deployment)
    if (state === 'failed' || state === 'rejected') expect(isRunning).toBe(false)
    if (isRunning) expect(state).toBe('shadowing')
    const served = memory.slots.current.bundles.find(({ deployment }) => deployment === one.deployment)
    const isSettled = memory.wish?.bundles.some(
      ({ deployment, manifest }) => deployment === one.deployment && manifest === served?.manifest,
    )
    const isFit = state !== 'failed' && state !== 'rejected' && served?.manifest !== one.manifest
    if (isSettled && isFit) expect(isRunning).toBe(true)
    const isTold = told.some(
      (event) =>
        event.event === 'progress' &&
        event.role === 'shadow' &&
        event.manifest === one.manifest &&
        event.state === state,
    )
    expect(isTold).toBe(true)
  }
}

test.each(['warm', 'stop-start'] as const)('%s: a good version serves after any sequence of faults', async (mode) => {
  const counted = {
    activate: 0,
    'end-probation': 0,
    'roll-back': 0,
    'roll-back-late': 0,
    withdraw: 0,
    'start-shadow': 0,
    'fail-shadow': 0,
  }
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
      expectShadows(world)
    }),
    { seed, numRuns, verbose: 1 },
  )
  // A model that never gets anywhere would hold every promise.
  expect(counted.activate).toBeGreaterThan(numRuns)
  expect(counted['end-probation']).toBeGreaterThan(numRuns / 2)
  expect(counted['roll-back']).toBeGreaterThan(numRuns / 4)
  expect(counted['roll-back-late']).toBeGreaterThan(0)
  expect(counted.withdraw).toBeGreaterThan(0)
  if (mode === 'warm') {
    expect(counted['start-shadow']).toBeGreaterThan(numRuns / 8)
    expect(counted['fail-shadow']).toBeGreaterThan(numRuns / 40)
  } else expect(counted['start-shadow'] + counted['fail-shadow']).toBe(0)
})
