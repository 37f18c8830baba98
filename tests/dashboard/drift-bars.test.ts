// Bars of two distributions: no row is lost or made up by taking bins together, and a figure has one shade.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { barsOf, binsShownMax, shareOf, shortNumber } from '../../hub/dashboard/page/drift/bars.ts'
import { shadeNames, shadeOf } from '../../hub/dashboard/page/drift/words.ts'
import { measureNames, measures } from '../../shared/drift/measures.ts'

const runs = { seed: 20261126, numRuns: 300 }
const count = fc.nat({ max: 10_000 })
const counted = fc.integer({ min: 2, max: 66 }).chain((bins) =>
  fc.record({
    bins: fc.array(count, { minLength: bins, maxLength: bins }),
    baseline: fc.array(count, { minLength: bins + 1, maxLength: bins + 1 }),
    missing: count,
    isNumeric: fc.boolean(),
  }),
)
const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)

test('all bars together hold every row, missing and out of range among them, and are few enough to be seen', () => {
  fc.assert(
    fc.property(counted, ({ bins, baseline, missing, isNumeric }) => {
      const places = Array.from({ length: bins.length - 1 }, (_, n) => n)
      const scale = isNumeric
        ? { type: 'numeric' as const, edges: places }
        : { type: 'categorical' as const, values: places }
      const bars = barsOf(scale, baseline, bins, missing)
      expect(total(bars.map((bar) => bar.current))).toBe(total(bins) + missing)
      expect(total(bars.map((bar) => bar.baseline))).toBe(total(baseline))
      expect(bars.at(-1)).toMatchObject({ kind: 'missing', current: missing, baseline: baseline.at(-1) })
      expect(new Set(bars.map(({ name }) => name)).size).toBe(bars.length)
      if (isNumeric) {
        expect(bars.length).toBeLessThanOrEqual(binsShownMax + 3)
        expect(bars[0]).toMatchObject({ kind: 'below', current: bins[0] })
        expect(bars.at(-2)).toMatchObject({ kind: 'above', current: bins.at(-1) })
      } else expect(bars.at(-2)).toMatchObject({ kind: 'other', current: bins.at(-1) })
      const sum = total(shareOf(bars, 'current'))
      expect(total(bins) + missing === 0 ? sum : Math.abs(sum - 1)).toBeLessThan(1e-9)
    }),
    runs,
  )
})

test('every measure has five shades that rise with its figure', () => {
  for (const name of measureNames) {
    const { shades } = measures[name]
    expect([...shades]).toEqual(shades.toSorted((a, b) => a - b))
    expect(shadeNames(shades)).toHaveLength(5)
    expect(shadeOf(0, shades)).toBe(0)
    for (const [n, line] of shades.entries()) {
      expect(shadeOf(line, shades)).toBe(n + 1)
      expect(shadeOf(line * (1 - 1e-9), shades)).toBe(n)
    }
  }
})

test('a number under a bar is short, and what it says', () => {
  expect([0, -25.314, 0.00000222, -0.0000030031, 1_234_567_890].map(shortNumber)).toEqual([
    '0',
    '-25.31',
    '2.22e-6',
    '-3.003e-6',
    '1.235e+9',
  ])
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e99, max: 1e99 }), (value) => {
      expect(shortNumber(value).length).toBeLessThanOrEqual(11)
      expect(Math.abs(Number(shortNumber(value)) - value)).toBeLessThanOrEqual(Math.abs(value) * 5.1e-4 + 1e-300)
    }),
    runs,
  )
})
