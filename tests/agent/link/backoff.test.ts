// When a device tries again: never later than it may, spread so that a fleet does not return as one.

import { type Backoff, backoffMs, ceilingMs, unitOf } from '@roost/agent/link/backoff.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seeded } from '../download/builders.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20_261_125)
const limits: fc.Arbitrary<Backoff> = fc
  .tuple(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 0, max: 3_600_000 }))
  .map(([minMs, more]) => ({ minMs, maxMs: minMs + more }))
const attempt = fc.integer({ min: 0, max: 100_000 })
const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

test('waits a whole number of milliseconds between nothing and the ceiling, whatever the attempt', () => {
  const property = fc.property(attempt, limits, unit, (n, backoff, u) => {
    const waitMs = backoffMs(n, backoff, u)
    expect(Number.isInteger(waitMs)).toBe(true)
    expect(waitMs).toBeGreaterThanOrEqual(0)
    expect(waitMs).toBeLessThanOrEqual(ceilingMs(n, backoff))
  })
  fc.assert(property, { seed, numRuns: 2_000 })
})

test('the ceiling doubles from the shortest to the longest wait and stays there', () => {
  const property = fc.property(attempt, limits, (n, backoff) => {
    const [here, next] = [ceilingMs(n, backoff), ceilingMs(n + 1, backoff)]
    expect(ceilingMs(0, backoff)).toBe(backoff.minMs)
    expect(next).toBe(here === backoff.maxMs ? here : Math.min(backoff.maxMs, 2 * here))
    expect(ceilingMs(1_000, backoff)).toBe(backoff.maxMs)
  })
  fc.assert(property, { seed, numRuns: 2_000 })
})

test('five thousand devices that lost their hub at one moment return evenly over the ceiling', () => {
  const chance = seeded(seed)
  const backoff = { minMs: 1_000, maxMs: 60_000 }
  const perSecond = new Array<number>(60).fill(0)
  for (let device = 0; device < 5_000; device++) {
    const second = Math.floor(backoffMs(10, backoff, chance()) / 1_000)
    perSecond[second] = (perSecond[second] ?? 0) + 1
  }
  // 83 a second in the mean, with a deviation of 9: six of them either way
  for (const returning of perSecond) {
    expect(returning).toBeGreaterThan(29)
    expect(returning).toBeLessThan(138)
  }
})

test('any four bytes give a number from 0 to below 1, in the order of the bytes', () => {
  const of = (...bytes: number[]) => unitOf(() => Uint8Array.from(bytes))
  expect([of(0, 0, 0, 0), of(128, 0, 0, 0), of(255, 255, 255, 255)]).toEqual([0, 0.5, 1 - 2 ** -32])
  // also where the bytes are a part of a larger buffer
  expect(unitOf(() => Buffer.from([9, 9, 64, 0, 0, 0, 9]).subarray(2, 6))).toBe(0.25)
})
