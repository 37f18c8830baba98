import {
  createLatencyRecorder,
  LatencyCounts,
  latencyBinsMax,
  latencyQuantile,
  mergeLatency,
} from '@roost/shared/sketch/latency.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = 20261124

function recorded(values: readonly number[]): LatencyCounts {
  const recorder = createLatencyRecorder()
  for (const us of values) recorder.record(us)
  return recorder.snapshot()
}

/** Microseconds over the whole range that keeps the promise: 1 µs to 12 minutes. */
const latency = fc.double({ min: 0, max: Math.log(7.2e8), noNaN: true }).map(Math.exp)
const latencies = fc.array(latency, { minLength: 1, maxLength: 60 })

describe('latency', () => {
  test('quantiles are within one percent of the value of that rank', () => {
    fc.assert(
      fc.property(latencies, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
        const exact = values.toSorted((a, b) => a - b)[Math.floor(q * (values.length - 1))] ?? Number.NaN
        const estimate = latencyQuantile(recorded(values), q) ?? Number.NaN
        expect(Math.abs(estimate - exact) / exact).toBeLessThanOrEqual(0.01 + 1e-9)
      }),
      { seed, numRuns: 1000 },
    )
  })

  test('merging is recording in one, in any order and grouping, the sum to the last bit', () => {
    fc.assert(
      fc.property(latencies, latencies, latencies, (a, b, c) => {
        const [x, y, z] = [recorded(a), recorded(b), recorded(c)]
        const left = mergeLatency(mergeLatency(x, y), z)
        expect(mergeLatency(x, mergeLatency(z, y))).toEqual(left)
        const whole = recorded([...a, ...b, ...c])
        expect(left.bins).toEqual(whole.bins)
        expect(left.count).toBe(whole.count)
        expect(Math.abs(left.sumUs - whole.sumUs)).toBeLessThanOrEqual(3 / 1024 + 1e-12 * whole.sumUs)
      }),
      { seed, numRuns: 300 },
    )
  })

  test('stays within its bound whatever is recorded: what lies beyond is in the outer bins', () => {
    const values = [-5, 0, 1e-9, 1, 1.001, 7.5e8, 1e12, 1e15]
    const counts = recorded([...values, ...Array.from({ length: 5000 }, (_, i) => Math.exp(i / 100))])
    expect(LatencyCounts.safeParse(counts).success).toBe(true)
    expect(counts.bins.length).toBeLessThanOrEqual(latencyBinsMax)
    expect(recorded([-5, 0, 0.3, 1])).toEqual({ bins: [[0, 4]], count: 4, sumUs: 1.2998046875 })
    expect(recorded([1e12, 1e13]).bins).toEqual([[latencyBinsMax - 1, 2]])
  })

  test('a time that is no number is a fault of the caller', () => {
    const recorder = createLatencyRecorder()
    expect(() => recorder.record(Number.NaN)).toThrow(RangeError)
    expect(() => recorder.record(Number.POSITIVE_INFINITY)).toThrow(RangeError)
    expect(recorder.snapshot().count).toBe(0)
  })

  test('has no quantile of nothing, and starts anew after a reset', () => {
    const recorder = createLatencyRecorder()
    expect(latencyQuantile(recorder.snapshot(), 0.5)).toBeNull()
    recorder.record(100)
    recorder.reset()
    expect(recorder.snapshot()).toEqual({ bins: [], count: 0, sumUs: 0 })
  })

  test.each([
    ['an index below 0', [[-1, 1]]],
    ['an index beyond the last', [[1024, 1]]],
    ['an empty bin', [[3, 0]]],
    ['half an index', [[3.5, 1]]],
    ['half a count', [[3, 1.5]]],
    ['a bin of one number', [[3]]],
    ['a bin of three numbers', [[3, 1, 1]]],
    ['a bin that is no list', [3]],
    ['a hole', new Array(1)],
    ['more bins than there are', new Array(1025).fill([3, 1])],
    ['no list', {}],
  ])('the schema refuses %s', (_, bins) => {
    expect(LatencyCounts.safeParse({ bins, count: 1, sumUs: 1 }).success).toBe(false)
  })

  test('bins that a device sent twice or in disorder still add up', () => {
    const odd: LatencyCounts = {
      bins: [
        [9, 1],
        [3, 2],
        [9, 4],
      ],
      count: 7,
      sumUs: 1,
    }
    expect(mergeLatency(odd, { bins: [], count: 0, sumUs: 0 }).bins).toEqual([
      [3, 2],
      [9, 5],
    ])
  })
})
