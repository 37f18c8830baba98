// A version that did well in its probation and dies again and again afterwards serves nobody: the one before it does.

import { expect, test } from 'vitest'
import { crashesMax } from '../../../agent/reconcile/plan.ts'
import { aBundle, probation, World } from './world.ts'

const crash = { reason: 'crash', detail: 'signal SIGFPE' } as const

/** All that is under way gets there, and time passes. */
async function goOn(world: World, ms: number): Promise<void> {
  for (let round = 0; round < 6; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += Math.ceil(ms / 6)
  }
}

/** Versions 1 and 2 have passed their probation one after the other; version 2 serves. */
async function aProvenDevice(mode: 'warm' | 'stop-start'): Promise<World> {
  const world = new World(mode)
  await world.start()
  world.connect()
  for (const version of [1, 2]) {
    world.wish([aBundle('a', version)])
    for (let round = 0; round < 6; round++) await goOn(world, probation.durationMs)
    expect(serves(world)).toEqual([version])
  }
  return world
}

const serves = (world: World) => world.serving()?.bundles.map(({ version }) => version)

/** Each time after it has served for so long. */
async function dies(world: World, times: number, servedMs: number): Promise<void> {
  for (let death = 0; death < times; death++) {
    while (world.serving() === undefined) await goOn(world, 3_000)
    world.now += servedMs
    world.kill(world.serving(), crash)
    await world.settle()
  }
  await goOn(world, 12_000)
}

test.each(['warm', 'stop-start'] as const)('%s: a proven version that dies in a loop is taken back', async (mode) => {
  const world = await aProvenDevice(mode)
  await dies(world, crashesMax - 1, 5_000)
  expect(serves(world)).toEqual([2])
  await dies(world, 1, 5_000)
  expect(serves(world)).toEqual([1])
  expect(world.told.at(-1)).toMatchObject({
    event: 'progress',
    manifest: aBundle('a', 2).manifest,
    state: 'rolled_back',
    reason: 'crash',
  })
  // nothing is left to go back to: what dies now is started again and again
  await dies(world, 2 * crashesMax, 5_000)
  for (let round = 0; round < 10; round++) await goOn(world, 60_000)
  expect(serves(world)).toEqual([1])
  expect(world.memory.slots.denied.map(({ manifest }) => manifest)).toEqual([aBundle('a', 2).manifest])
})

test('accidents that lie apart take nothing back', async () => {
  const world = await aProvenDevice('warm')
  await dies(world, 3 * crashesMax, 61_000)
  for (let round = 0; round < 10; round++) await goOn(world, 60_000)
  expect(serves(world)).toEqual([2])
})
