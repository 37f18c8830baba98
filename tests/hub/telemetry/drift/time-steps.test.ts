// Steps of a heat map: they cover their stretch, and what they count adds up to what the whole of it counts.

import { measureAgainst } from '@roost/shared/drift/measures.ts'
import type { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  pooled,
  stepAt,
  stepFor,
  stepsOver,
  stepsWanted,
  windowsByStep,
} from '../../../../hub/telemetry/drift/time-steps.ts'

const seed = 20261126
const runs = { seed, numRuns: 300 }
const bins = 6
const scale: ColumnScale = { type: 'numeric', edges: [0, 1, 2, 3, 4] }

const moment = fc.integer({ min: 0, max: 4_000_000_000_000 })
const range = fc.tuple(moment, fc.integer({ min: 1, max: 400_000_000_000 })).map(([fromMs, lengthMs]) => ({
  fromMs,
  toMs: fromMs + lengthMs,
}))

test('steps cover the stretch, are as many as wanted at most, and hold a whole window', () => {
  fc.assert(
    fc.property(range, fc.integer({ min: 0, max: 7 * 86_400_000 }), ({ fromMs, toMs }, windowMs) => {
      const stepMs = stepFor({ fromMs, toMs }, windowMs)
      const steps = stepsOver({ fromMs, toMs }, stepMs)
      expect(stepMs).toBeGreaterThanOrEqual(windowMs)
      expect(steps.count).toBeLessThanOrEqual(stepsWanted)
      expect(steps.fromMs).toBeLessThanOrEqual(fromMs)
      expect(steps.fromMs + steps.count * stepMs).toBeGreaterThanOrEqual(toMs)
      // no step lies outside of the stretch
      expect(steps.fromMs + stepMs).toBeGreaterThan(fromMs)
      expect(steps.fromMs + (steps.count - 1) * stepMs).toBeLessThan(toMs)
      expect(stepAt(steps, fromMs)).toBe(0)
      expect(stepAt(steps, toMs - 1)).toBe(steps.count - 1)
      expect(stepAt(steps, steps.fromMs - 1)).toBeUndefined()
      expect(stepAt(steps, steps.fromMs + steps.count * stepMs)).toBeUndefined()
    }),
    runs,
  )
})

// whole numbers, as sums of doubles depend on their order in the last bits
const counts: fc.Arbitrary<ColumnCounts> = fc.record({
  bins: fc.array(fc.nat({ max: 1_000 }), { minLength: bins, maxLength: bins }),
  missing: fc.nat({ max: 50 }),
  min: fc.option(fc.integer({ min: -9, max: 2 })),
  max: fc.option(fc.integer({ min: 2, max: 9 })),
  sum: fc.integer({ min: -1_000, max: 5_000 }),
  sumSquares: fc.nat({ max: 50_000 }),
})
const window = fc.record({
  fromMs: fc.integer({ min: 1_000, max: 99_999 }),
  // some windows lack a column, as those of devices that cannot measure it; a name may be one of Object's
  columns: fc.dictionary(fc.constantFrom('temperature', 'humidity', '__proto__', 'constructor'), counts),
})
const stretch = { fromMs: 1_000, toMs: 100_000 }

test('the windows of all steps together are one window over the whole stretch, however it is cut and in whatever order', () => {
  fc.assert(
    fc.property(
      fc.array(window, { maxLength: 40 }),
      fc.integer({ min: 700, max: 40_000 }),
      fc.nat(),
      (windows, stepMs, turn) => {
        const parts = windowsByStep(windows, stepsOver(stretch, stepMs)).map((ofStep) => ({
          fromMs: 0,
          columns: Object.fromEntries(pooled(ofStep)),
        }))
        expect(parts.flatMap(({ columns }) => Object.keys(columns)).length).toBeGreaterThanOrEqual(pooled(windows).size)
        const turned =
          windows.length === 0
            ? []
            : [...windows.slice(turn % windows.length), ...windows.slice(0, turn % windows.length)]
        const whole = pooled(turned)
        const merged = pooled(parts)
        expect(merged).toEqual(whole)
        const reference = [100, 300, 300, 300, 200, 90]
        const column = { scale, mean: 1, standardDeviation: 2 }
        for (const [name, counted] of whole) {
          const other = merged.get(name)
          expect(other && measureAgainst(column, reference, other)).toEqual(measureAgainst(column, reference, counted))
        }
      },
    ),
    runs,
  )
})

test('a window belongs to the step it begins in, and to no other', () => {
  fc.assert(
    fc.property(fc.array(window, { maxLength: 30 }), fc.integer({ min: 700, max: 40_000 }), (windows, stepMs) => {
      const steps = stepsOver(stretch, stepMs)
      const cut = windowsByStep(windows, steps)
      expect(cut.flat()).toHaveLength(windows.length)
      for (const [n, ofStep] of cut.entries())
        for (const { fromMs } of ofStep) {
          expect(fromMs).toBeGreaterThanOrEqual(steps.fromMs + n * stepMs)
          expect(fromMs).toBeLessThan(steps.fromMs + (n + 1) * stepMs)
        }
    }),
    runs,
  )
})
