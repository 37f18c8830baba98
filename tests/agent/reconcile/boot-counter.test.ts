// A version that takes the whole agent down with it cannot say so itself: the counter on disk does.

import { describe, expect, test } from 'vitest'
import { type Bundle, keyOf } from '../../../agent/reconcile/bundle-set.ts'
import { interruptedStartsMax } from '../../../agent/reconcile/slots.ts'
import { aBundle, probation, World } from './world.ts'

const good = aBundle('a', 1)
const wished = aBundle('a', 2)

/** Three seconds of a device on which everything works. */
async function goOn(world: World): Promise<void> {
  if (!world.connected) world.connect()
  for (let round = 0; round < 6; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 500
  }
}

async function aProvenWorld(mode: 'warm' | 'stop-start'): Promise<World> {
  const world = new World(mode)
  await world.start()
  world.wish([good])
  await goOn(world)
  world.now += probation.durationMs
  await goOn(world)
  expect(stateOf(world, good)).toBe('succeeded')
  return world
}

const stateOf = (world: World, { manifest }: Bundle) =>
  world.told.filter((event) => event.event === 'progress').findLast((event) => event.manifest === manifest)?.state
const reasonOf = (world: World, { manifest }: Bundle) =>
  world.told.filter((event) => event.event === 'progress').findLast((event) => event.manifest === manifest)?.reason
const serves = (world: World) => world.serving()?.bundles.map(({ version }) => version)

describe.each(['warm', 'stop-start'] as const)('%s', (mode) => {
  test('a probation that is cut short again and again ends with the version before, and is not tried again', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    expect(serves(world)).toEqual([2])
    for (let cut = 1; cut <= interruptedStartsMax; cut++) {
      await world.start()
      await goOn(world)
      expect(serves(world), `after restart ${cut}`).toEqual([2])
      expect(world.disk.candidate).toMatchObject({ starts: cut, phase: 'probation' })
    }
    await world.start()
    expect(world.disk.candidate).toBeNull()
    await goOn(world)
    expect(serves(world)).toEqual([1])
    expect([stateOf(world, wished), reasonOf(world, wished)]).toEqual(['rolled_back', 'boot_loop'])
    const startsBefore = world.starts.get('a 2 1')
    for (let more = 0; more < 5; more++) {
      await world.start()
      await goOn(world)
    }
    expect(serves(world)).toEqual([1])
    expect(world.starts.get('a 2 1')).toBe(startsBefore)
  })

  test('it does so without the hub, too', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    for (let cut = 0; cut <= interruptedStartsMax; cut++) await world.start()
    world.finishProcesses()
    await world.settle()
    expect(world.connected).toBe(false)
    expect(serves(world)).toEqual([1])
  })

  test('a start that is cut before the version serves counts as well', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    for (let cut = 0; cut <= interruptedStartsMax; cut++) {
      expect(world.disk.candidate === null ? '' : keyOf(world.disk.candidate)).toBe(
        keyOf({ ...world.disk.current, bundles: [wished] }),
      )
      await world.start()
    }
    expect(world.disk.candidate).toBeNull()
  })

  test('clean restarts are nobody’s fault, and cuts between them still add up', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    for (let restart = 0; restart < 10; restart++) {
      await world.stopCleanly()
      await goOn(world)
      expect(world.disk.candidate?.starts).toBe(0)
    }
    await world.start()
    await world.stopCleanly()
    await world.start()
    expect(world.disk.candidate?.starts).toBe(2)
    await world.stopCleanly()
    await goOn(world)
    expect(serves(world)).toEqual([2])
    await world.start()
    expect(world.disk.candidate).toBeNull()
  })

  test('a version that outlives its probation has no counter any more', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    for (let cut = 0; cut < interruptedStartsMax; cut++) await world.start()
    await goOn(world)
    world.now += probation.durationMs
    await goOn(world)
    expect(stateOf(world, wished)).toBe('succeeded')
    for (let cut = 0; cut < 10; cut++) {
      await world.start()
      await goOn(world)
      expect(serves(world)).toEqual([2])
    }
  })

  test('where the counter cannot be written the version does not run', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    const startsBefore = world.starts.get('a 2 1')
    world.diskFull = true
    await world.start()
    await goOn(world)
    expect(serves(world)).toEqual([1])
    expect(world.starts.get('a 2 1')).toBe(startsBefore)
    world.diskFull = false
    world.now += 10_000
    await goOn(world)
    expect([stateOf(world, wished), reasonOf(world, wished)]).toEqual(['rolled_back', 'no_space'])
  })

  test('a new attempt of the hub starts the count anew', async () => {
    const world = await aProvenWorld(mode)
    world.wish([wished])
    await goOn(world)
    for (let cut = 0; cut <= interruptedStartsMax; cut++) await world.start()
    await goOn(world)
    expect(serves(world)).toEqual([1])
    const again = { ...wished, attempt: 2 }
    world.wish([again])
    world.now += 70_000
    await goOn(world)
    expect(world.disk.candidate).toMatchObject({ starts: 0, bundles: [again] })
    world.now += probation.durationMs
    await goOn(world)
    expect(stateOf(world, wished)).toBe('succeeded')
    expect(world.disk.denied).toEqual([])
  })
})
