import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compare } from '../../../../hub/rollouts/gates/compare.ts'
import {
  allOtherDraws,
  drawsPossible,
  realDraw,
  redraw,
  sumsPerDraw,
  totals,
} from '../../../../hub/rollouts/gates/redraw.ts'
import { type Level, type Scores, scoresOf } from '../../../../hub/rollouts/gates/scores.ts'
import { countBeside } from '../../../../hub/rollouts/gates/statistic.ts'
import { pValues } from '../../../../hub/rollouts/gates/tested.ts'
import { seededRandom } from '../../../../hub/seeded-random.ts'
import { normal, uniform } from './a-comparison.ts'

const seed = 7331
console.log(`redraw: seed ${seed}`)

const levels = { fail: 0.02, unchanged: 0.02, pass: 0.02, spent: 1 }

const level = fc.record({
  value: fc.oneof(
    fc.constantFrom(0, 0, 0, 0.01, 1),
    fc.double({ min: -1, max: 1, noNaN: true }),
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  ),
  before: fc.option(fc.oneof(fc.constant(0), fc.double({ min: -1, max: 1, noNaN: true }))),
  weight: fc.constantFrom(1, 5, 100, 50_000),
})

const levelsOf = (
  values: readonly { value: number; before: number | null; weight: number }[],
  isTreated: (i: number) => boolean,
  stratumOf: (i: number) => string = () => 'a',
): Level[] => values.map((one, i) => ({ ...one, device: `d-${i}`, stratum: stratumOf(i), treated: isTreated(i) }))

function someScores(levels: readonly Level[]): Scores {
  const scores = scoresOf(levels)
  if (scores === undefined) throw new Error('no stratum has canary and control')
  return scores
}

/** All ways to take `taken` of `size`. */
function subsets(size: number, taken: number): Set<number>[] {
  if (taken === 0) return [new Set()]
  if (size < taken) return []
  return [...subsets(size - 1, taken), ...subsets(size - 1, taken - 1).map((subset) => new Set([...subset, size - 1]))]
}

describe('the redraw test', () => {
  test('over all draws of a small fleet, at most a share alpha of them has a p-value of at most alpha', () => {
    fc.assert(
      fc.property(fc.array(level, { minLength: 7, maxLength: 9 }), fc.integer({ min: 1, max: 4 }), (values, canary) => {
        const draws = subsets(values.length, canary)
        const pairs = draws.map((drawn) => {
          const scores = someScores(levelsOf(values, (i) => drawn.has(i)))
          return pValues(compare(scores, 0, levels, seededRandom('x')), 0)
        })
        for (const alpha of [0.03, 0.05, 0.1, 0.2]) {
          for (const side of ['bad', 'good'] as const) {
            const rejected = pairs.filter((p) => p[side] <= alpha + 1e-12).length
            expect(rejected / draws.length).toBeLessThanOrEqual(alpha + 1e-12)
          }
        }
      }),
      { seed, numRuns: 40 },
    )
  })

  test('in fleets with heavy tails, zeros and unequal devices, p-values are uniform or larger', () => {
    const random = seededRandom('validity')
    const fleets = 600
    const bad: number[] = []
    const good: number[] = []
    for (let k = 0; k < fleets; k++) {
      const kind = k % 3
      const values = Array.from({ length: 60 }, () => {
        const usual = kind === 0 ? 0 : Math.exp(1.5 * normal(random))
        const value =
          kind === 0 ? (uniform(random) < 0.15 ? uniform(random) : 0) : usual * Math.exp(0.5 * normal(random))
        return {
          value,
          before: kind === 2 && uniform(random) < 0.7 ? usual : null,
          weight: 1 + 5_000 * uniform(random) ** 4,
        }
      })
      const order = values.map((_, i) => ({ i, key: uniform(random) })).sort((a, b) => a.key - b.key)
      const drawn = new Set(order.slice(0, 8).map(({ i }) => i))
      const scores = someScores(
        levelsOf(
          values,
          (i) => drawn.has(i),
          (i) => `s-${i % 2}`,
        ),
      )
      // enough draws for what is asked below
      const p = pValues(compare(scores, 0, { ...levels, fail: 0 }, seededRandom(String(k))), 0)
      bad.push(p.bad)
      good.push(p.good)
    }
    for (const alpha of [0.01, 0.05, 0.2]) {
      const bound = alpha + 3.5 * Math.sqrt((alpha * (1 - alpha)) / fleets)
      expect(bad.filter((p) => p <= alpha).length / fleets).toBeLessThanOrEqual(bound)
      expect(good.filter((p) => p <= alpha).length / fleets).toBeLessThanOrEqual(bound)
    }
  })

  test('random draws tend to what all draws give', () => {
    fc.assert(
      fc.property(
        fc.array(level, { minLength: 10, maxLength: 12 }),
        fc.integer({ min: 2, max: 6 }),
        (values, canary) => {
          // first in its stratum is control, last is canary: both have both
          const scores = someScores(
            levelsOf(
              values,
              (i) => i >= values.length - canary,
              (i) => (i % 3 === 0 ? 'a' : 'b'),
            ),
          )
          const sides = { treated: scores.treatedCount, control: scores.controlCount, totals: totals(scores) }
          const real = realDraw(scores)
          const every = allOtherDraws(scores)
          expect(every.count).toBe(drawsPossible(scores.strata) - 1)
          const many = 20_000
          const sums = new Float64Array(many * sumsPerDraw)
          redraw(
            scores,
            Int32Array.from(scores.u, (_, i) => i),
            seededRandom('many'),
            sums,
            0,
            many,
          )
          for (const margin of [0, 0.3]) {
            const exact = countBeside(real, every.sums, 0, every.count, margin, sides)
            const drawn = countBeside(real, sums, 0, many, margin, sides)
            for (const side of ['asBad', 'asGood'] as const) {
              const share = (exact[side] + 1) / (every.count + 1)
              expect(Math.abs(drawn[side] / many - share)).toBeLessThan(
                4.5 * Math.sqrt((share * (1 - share)) / many) + 1e-9,
              )
            }
          }
        },
      ),
      { seed, numRuns: 25 },
    )
  })

  test('devices in strata without canary or without control are left out and counted', () => {
    const values = Array.from({ length: 12 }, (_, i) => ({ value: i, before: null, weight: 1 }))
    const strata = ['canary only', 'control only', 'both', 'both']
    const scores = someScores(
      levelsOf(
        values,
        (i) => strata[i % 4] === 'canary only' || (strata[i % 4] === 'both' && i < 4),
        (i) => strata[i % 4] ?? '',
      ),
    )
    expect(scores.leftOut).toEqual({ devices: 6, strata: 2 })
    expect([scores.treatedCount, scores.controlCount]).toEqual([2, 4])
    expect(scoresOf(levelsOf(values, () => true))).toBeUndefined()
  })

  test('what the past explains is no difference: a canary of devices that were always bad is not worse', () => {
    const random = seededRandom('past')
    const values = Array.from({ length: 80 }, (_, i) => {
      const usual = i < 12 ? 0.2 + 0.01 * normal(random) : 0.02 + 0.2 * uniform(random)
      return { value: usual + 0.001 * normal(random), before: usual, weight: 100 }
    })
    const withPast = compare(someScores(levelsOf(values, (i) => i < 12)), 0, levels, seededRandom('a'))
    const without = compare(
      someScores(
        levelsOf(
          values.map((one) => ({ ...one, before: null })),
          (i) => i < 12,
        ),
      ),
      0,
      levels,
      seededRandom('a'),
    )
    expect(Math.abs(withPast.difference)).toBeLessThan(0.002)
    expect(without.difference).toBeGreaterThan(0.05)
    expect(pValues(without, 0).bad).toBeLessThan(0.001)
  })
})
