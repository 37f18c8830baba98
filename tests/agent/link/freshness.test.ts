// P3 as arithmetic: whatever happens in whatever order, a device asks often enough and never too often, and calls
// itself stale exactly while its last fresh answer is too long ago.

import {
  afterAnswer,
  afterHello,
  type Freshness,
  type FreshnessLimits,
  helloDueAt,
  isStale,
  newFreshness,
} from '@roost/agent/link/freshness.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20_261_125)

const limits: fc.Arbitrary<FreshnessLimits> = fc
  .record({
    helloRetryMs: fc.integer({ min: 100, max: 60_000 }),
    longer: fc.integer({ min: 1, max: 500 }),
    staleAfterMs: fc.integer({ min: 1_000, max: 10_000_000 }),
  })
  .map(({ helloRetryMs, longer, staleAfterMs }) => ({
    helloRetryMs,
    helloIntervalMs: helloRetryMs * longer,
    staleAfterMs,
  }))

type Happening = { afterMs: number; what: 'look' | 'answer' | 'reconnect' }
const happenings = fc.array(
  fc.record({
    afterMs: fc.integer({ min: 0, max: 500_000 }),
    what: fc.constantFrom<Happening['what']>('look', 'look', 'look', 'answer', 'reconnect'),
  }),
  { maxLength: 60 },
)

describe('any run of looks, answers and reconnects', () => {
  test('keeps the next hello within the interval, and stale is what the clock says', () => {
    const property = fc.property(
      limits,
      happenings,
      fc.integer({ min: 0, max: 10_000_000 }),
      (bounds, run, without) => {
        let now = 1_000
        let freshness = newFreshness(now, without)
        let answeredAt = now - without
        for (const { afterMs, what } of run) {
          now += afterMs
          if (what === 'answer') {
            freshness = afterAnswer(freshness, now)
            answeredAt = now
          }
          if (what === 'reconnect' || now >= helloDueAt(freshness, bounds)) {
            const before = freshness
            freshness = afterHello(freshness, now)
            expect(freshness.count).toBe(before.count + 1)
            // asking alone makes nothing fresh
            expect(freshness.freshAt).toBe(before.freshAt)
          }
          const due = helloDueAt(freshness, bounds)
          expect(due - freshness.sentAt).toBeGreaterThanOrEqual(Math.min(bounds.helloRetryMs, bounds.helloIntervalMs))
          expect(due - freshness.sentAt).toBeLessThanOrEqual(bounds.helloIntervalMs)
          expect(isStale(freshness, bounds, now)).toBe(now - answeredAt >= bounds.staleAfterMs)
        }
      },
    )
    fc.assert(property, { seed, numRuns: 1_000 })
  })
})

describe('a hub that never answers', () => {
  test('is asked again at twice the distance each time, then once an interval for ever', () => {
    const property = fc.property(limits, (bounds) => {
      let freshness: Freshness = afterHello(newFreshness(0, 0), 0)
      let distance = bounds.helloRetryMs
      for (let asked = 0; asked < 40; asked++) {
        const due = helloDueAt(freshness, bounds)
        expect(due - freshness.sentAt).toBe(Math.min(distance, bounds.helloIntervalMs))
        freshness = afterHello(freshness, due)
        distance *= 2
      }
    })
    fc.assert(property, { seed, numRuns: 300 })
  })

  test('makes the device stale at the limit, not a millisecond before, and one answer makes it fresh', () => {
    const bounds = { helloIntervalMs: 10, helloRetryMs: 1, staleAfterMs: 1_000 }
    const silent = newFreshness(5_000, 0)
    expect([5_999, 6_000, 6_001].map((now) => isStale(silent, bounds, now))).toEqual([false, true, true])
    const answered = afterAnswer(silent, 7_000)
    expect([7_000, 7_999, 8_000].map((now) => isStale(answered, bounds, now))).toEqual([false, false, true])
  })

  test('is not forgotten by a restart: the time before it counts', () => {
    const bounds = { helloIntervalMs: 10, helloRetryMs: 1, staleAfterMs: 1_000 }
    expect(isStale(newFreshness(0, 999), bounds, 0)).toBe(false)
    expect(isStale(newFreshness(0, 999), bounds, 1)).toBe(true)
    expect(isStale(newFreshness(0, 1_000), bounds, 0)).toBe(true)
  })
})
