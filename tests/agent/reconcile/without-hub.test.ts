// P9: a device that never reaches its hub again serves what it served, after however many starts.

import { expect, test } from 'vitest'
import { aBundle, World } from './world.ts'

const good = aBundle('a', 1)
const startsAlone = 5

test.each(['warm', 'stop-start'] as const)(
  '%s: it serves again after every start, with no hub to ask',
  async (mode) => {
    const world = new World(mode)
    await world.start()
    world.wish([good])
    world.connect()
    await goOn(world)
    expect(world.serving()?.bundles).toEqual([good])
    for (let start = 0; start < startsAlone; start++) {
      await (start % 2 === 0 ? world.start() : world.stopCleanly())
      await goOn(world)
      expect(world.connected).toBe(false)
      expect(world.serving()?.bundles).toEqual([good])
    }
  },
)

/** Where there is no connection, nothing answers. */
async function goOn(world: World): Promise<void> {
  for (let round = 0; round < 20; round++) {
    world.answer()
    world.finishFetches({ state: 'present' })
    world.finishProcesses()
    await world.settle()
    world.now += 2_500
  }
}
