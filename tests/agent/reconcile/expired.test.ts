// P2 and P9: what has expired lets nothing new in, and never stops what serves. Whoever keeps the hub's later words from a
// device can hold it where it is; they cannot make it take up a version of long ago, nor turn it off.

import { beforeEach, describe, expect, test } from 'vitest'
import { aBundle, probation, World } from './world.ts'

const [oldOne, newOne] = [aBundle('a', 1), aBundle('a', 2)]

describe.each(['warm', 'stop-start'] as const)('%s: an expired assignment', (mode) => {
  let world: World

  beforeEach(async () => {
    world = new World(mode)
    await world.start()
    world.wish([oldOne])
    await goOn()
    expect(world.memory.slots.current.bundles).toEqual([oldOne])
  })

  test('installs nothing; a fresh one does', async () => {
    world.expired = true
    world.wish([newOne])
    await goOn()
    expect(world.files.has(newOne.manifest)).toBe(false)
    expect(running()).toEqual([oldOne])
    world.expired = false
    await goOn()
    expect(running()).toEqual([newOne])
  })

  test('activates nothing, also where all of it was there and tried before it expired', async () => {
    world.wish([newOne])
    world.answer()
    await world.settle()
    world.finishFetches({ state: 'present' })
    await world.settle()
    world.finishProcesses()
    world.expired = true
    world.connect()
    await goOn()
    expect(world.memory.slots.candidate).toBeNull()
    expect(running()).toEqual([oldOne])
  })

  test('stops nothing that serves, also after a restart', async () => {
    world.expired = true
    await goOn()
    expect(running()).toEqual([oldOne])
    await world.start()
    await goOn()
    expect(running()).toEqual([oldOne])
  })

  const running = () => world.serving()?.bundles

  /** As long as a switch, its confirmation and its probation take. */
  async function goOn(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      if (!world.connected) world.connect()
      world.answer()
      world.finishFetches({ state: 'present' })
      world.finishProcesses()
      await world.settle()
      world.now += probation.durationMs / 4
    }
  }
})
