// The draw: the share that was asked for, whatever rhythm the inputs have, and the same again for the same seed.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createDraw } from '../../../../agent/runtime/shadow/draw.ts'

const seed = 20_261_126
const draws = 4_000

test('draws its share, of all inputs and of those of any rhythm', () => {
  const inputs = fc.record({
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    start: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    period: fc.integer({ min: 1, max: 40 }),
  })
  fc.assert(
    fc.property(inputs, ({ share, start, period }) => {
      const draw = createDraw(share, start)
      let drawn = 0
      for (let i = 0; i < draws * period; i++) {
        const isDrawn = draw()
        if (i % period === 0 && isDrawn) drawn += 1
      }
      // Six standard deviations, and one for shares next to 0 and 1.
      expect(Math.abs(drawn - share * draws)).toBeLessThan(6 * Math.sqrt(share * (1 - share) * draws) + 2)
    }),
    { seed, numRuns: 100 },
  )
})

test('draws all, none, and the same again', () => {
  const list = (share: number, start: number) => {
    const draw = createDraw(share, start)
    return Array.from({ length: 1_000 }, draw)
  }
  expect(list(1, 7)).not.toContain(false)
  expect(list(0, 7)).not.toContain(true)
  expect(list(0.3, 7)).toEqual(list(0.3, 7))
  expect(list(0.3, 7)).not.toEqual(list(0.3, 8))
})
