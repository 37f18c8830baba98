// What the disk lost of a version that had proved itself is fetched again: the version did nothing wrong.

import { expect, test } from 'vitest'
import { aBundle, probation, World } from './world.ts'

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

test.each(['warm', 'stop-start'] as const)('%s: the only version comes back, without blame', async (mode) => {
  const only = aBundle('a', 1)
  const world = new World(mode)
  await world.start()
  world.wish([only])
  await goOn(world)
  world.now += probation.durationMs
  await goOn(world)
  await world.stopCleanly()
  world.files.delete(only.manifest)
  await world.start()
  await goOn(world)
  await goOn(world)
  expect(world.memory.slots.denied).toEqual([])
  expect(world.serving()?.bundles).toEqual([only])
})

test.each(['warm', 'stop-start'] as const)(
  '%s: meanwhile the version before serves, for as long as there is no hub',
  async (mode) => {
    const [before, lost] = [aBundle('a', 1), aBundle('a', 4)]
    const world = new World(mode)
    await world.start()
    for (const bundle of [before, lost]) {
      world.wish([bundle])
      await goOn(world)
      world.now += probation.durationMs
      await goOn(world)
    }
    expect(world.serving()?.bundles).toEqual([lost])
    await world.stopCleanly()
    world.files.delete(lost.manifest)
    world.connected = false
    await world.start()
    for (let round = 0; round < 6; round++) {
      world.finishProcesses()
      await world.settle()
      world.now += 5_000
    }
    expect(world.serving()?.bundles).toEqual([before])
    expect(world.memory.slots).toMatchObject({ current: { bundles: [lost] }, denied: [] })
    await goOn(world)
    await goOn(world)
    expect(world.serving()?.bundles).toEqual([lost])
    expect(world.memory.slots.denied).toEqual([])
  },
)
