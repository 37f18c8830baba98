import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { flip } from '../../../../hub/rollouts/gates/flips.ts'
import { againstOwnPast, pairedOf } from '../../../../hub/rollouts/gates/paired.ts'
import { intervalOf, pValues } from '../../../../hub/rollouts/gates/tested.ts'
import { seededRandom } from '../../../../hub/seeded-random.ts'

const seed = 1618
console.log(`flips: seed ${seed}`)

const differences = (least: number, most: number) =>
  fc.array(
    fc.record({
      difference: fc.integer({ min: -1_000, max: 1_000 }).map((thousandths) => thousandths / 1_000),
      weight: fc.constantFrom(0.5, 1, 2),
    }),
    { minLength: least, maxLength: most },
  )

// never certain before the end: all flips are made
const levels = { fail: 1, unchanged: 1, pass: 0.01, spent: 0.5 }
const exact = (given: { difference: number; weight: number }[]) => flip(given, 0, levels, seededRandom('x'))

describe('flipped signs', () => {
  test('of all signs of the same sizes, at most a share alpha has a p-value of at most alpha', () => {
    fc.assert(
      fc.property(differences(5, 7), (given) => {
        const patterns = 2 ** given.length
        const seen = Array.from({ length: patterns }, (_, bits) =>
          pValues(
            exact(given.map((one, i) => ({ ...one, difference: bits & (1 << i) ? -one.difference : one.difference }))),
            0,
          ),
        )
        for (const alpha of [1 / 32, 0.05, 0.1, 0.25]) {
          expect(seen.filter(({ bad }) => bad <= alpha).length / patterns).toBeLessThanOrEqual(alpha)
          expect(seen.filter(({ good }) => good <= alpha).length / patterns).toBeLessThanOrEqual(alpha)
        }
      }),
      { seed, numRuns: 60 },
    )
  })

  test('counts what trying every sign by hand counts', () => {
    fc.assert(
      fc.property(differences(1, 8), fc.constantFrom(0, 0.1, -0.25, 0.333), (given, margin) => {
        const sum = (bits: number) =>
          given.reduce(
            (total, { difference, weight }, i) => total + (bits & (1 << i) ? -1 : 1) * weight * (difference - margin),
            0,
          )
        const others = Array.from({ length: 2 ** given.length - 1 }, (_, i) => sum(i + 1))
        const { beside, draws } = exact(given)
        expect(draws).toBe(others.length)
        expect(beside(margin)).toEqual({
          asBad: others.filter((other) => other >= sum(0) - 1e-9).length,
          asGood: others.filter((other) => other <= sum(0) + 1e-9).length,
        })
      }),
      { seed, numRuns: 200 },
    )
  })

  test('random signs tend to what all signs give', () => {
    const given = Array.from({ length: 13 }, (_, i) => ({ difference: Math.sin(i * 2.3) + 0.25, weight: 1 }))
    const every = exact(given)
    // the same thirteen, and one without weight, are too many to try all
    const some = exact([...given, { difference: 0, weight: 0 }])
    expect(some.draws).toBe(9_999)
    expect(Math.abs(pValues(every, 0).bad - pValues(some, 0).bad)).toBeLessThan(0.02)
  })

  test('the interval moves with the data and holds what is neither too bad nor too good', () => {
    fc.assert(
      fc.property(differences(9, 12), fc.double({ min: -2, max: 2, noNaN: true }), (given, shift) => {
        const levels = { fail: 0.05, unchanged: 0.05, pass: 0.05, spent: 1 }
        const at = intervalOf(exact(given), 0, levels)
        const moved = intervalOf(
          exact(given.map((one) => ({ ...one, difference: one.difference + shift }))),
          shift,
          levels,
        )
        expect((moved.low ?? 0) - shift).toBeCloseTo(at.low ?? 0, 1)
        expect((moved.high ?? 0) - shift).toBeCloseTo(at.high ?? 0, 1)
        expect(at.low).toBeLessThanOrEqual(at.high ?? 0)
      }),
      { seed, numRuns: 60 },
    )
  })

  test('from eight devices on each is flipped as one; fewer are cut into stretches of time', () => {
    const pairs = (devices: number) =>
      Array.from({ length: devices * 100 }, (_, i) => ({
        device: `d-${i % devices}`,
        block: i,
        candidate: 0.1,
        primary: 0.05,
        weight: 10,
      }))
    expect(pairedOf(pairs(9))?.differences).toHaveLength(9)
    expect(pairedOf(pairs(2))?.differences).toHaveLength(24)
    expect(pairedOf(pairs(5))?.differences).toHaveLength(20)
    expect(pairedOf([])).toBeUndefined()
  })

  test('one device that lies cannot make its own past look worse for all', () => {
    const levels = Array.from({ length: 12 }, (_, i) => ({
      device: `d-${i}`,
      stratum: '',
      treated: true,
      value: i === 0 ? 1e6 : 0.02 + 0.001 * Math.sin(i),
      before: 0.02,
      weight: 100,
    }))
    const paired = againstOwnPast(levels)
    expect(paired?.withoutWorst).toBeLessThan(0.01)
    expect(Math.max(...(paired?.differences ?? []).map(({ difference }) => difference))).toBeLessThan(0.01)
  })
})
