import { ColumnScale } from '@roost/shared/sketch/column.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import { categoricalScale, numericScale } from '@roost/shared/sketch/scale.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = 20261124

function binsOf(values: readonly number[], scale: ColumnScale): number[] {
  const recorder = createColumnRecorder(scale)
  for (const value of values) recorder.record(value)
  return recorder.snapshot().bins
}

function edgesOf(values: readonly number[], bins?: number): number[] {
  const scale = numericScale(Float64Array.from(values), bins)
  return scale.type === 'numeric' ? scale.edges : []
}

describe('numericScale', () => {
  test('puts equally many of distinct values into each bin', () => {
    const values = Array.from({ length: 640 }, (_, i) => Math.sin(i) * 100 + i / 7)
    const bins = binsOf(values, numericScale(Float64Array.from(values), 32))
    expect(bins).toEqual([0, ...new Array(32).fill(20), 0])
  })

  test('gives every value its own bin where there are few', () => {
    const values = [3, 1, 2, 2, 2, 2, 2, 5]
    expect(binsOf(values, numericScale(Float64Array.from(values), 32))).toEqual([0, 1, 5, 1, 1, 0])
  })

  test.each([
    ['a constant', [4.2, 4.2, 4.2]],
    ['zero alone', [0]],
    ['a value far from zero', [1e15, 1e15]],
    ['neighbouring doubles', [1, 1 + Number.EPSILON]],
    ['the ends of the doubles', [-1.7e308, 1.7e308, 0]],
  ])('works for %s: nothing of the baseline lies below or above', (_, values) => {
    const scale = numericScale(Float64Array.from(values), 32)
    expect(ColumnScale.safeParse(scale).success).toBe(true)
    const bins = binsOf(values, scale)
    expect([bins[0], bins.at(-1)]).toEqual([0, 0])
    expect(bins.slice(1, -1).every((count) => count > 0)).toBe(true)
  })

  test('has one edge where no value is finite', () => {
    expect(edgesOf([Number.NaN, Number.POSITIVE_INFINITY])).toEqual([0])
    expect(edgesOf([])).toEqual([0])
  })

  test('gives strictly rising edges, at most as many bins as asked, none of them empty or under, for any values with ties', () => {
    const value = fc.oneof(
      fc.double({ noNaN: true, min: -1e300, max: 1e300 }),
      fc.integer({ min: -3, max: 3 }),
      fc.constant(0),
    )
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 300 }),
        fc.integer({ min: 1, max: 64 }),
        (values, wanted) => {
          const scale = numericScale(Float64Array.from(values), wanted)
          expect(ColumnScale.safeParse(scale).success).toBe(true)
          const bins = binsOf(values, scale)
          expect(bins.length - 2).toBeLessThanOrEqual(wanted)
          expect([bins[0], bins.at(-1)]).toEqual([0, 0])
          expect(Math.min(...bins.slice(1, -1))).toBeGreaterThan(0)
        },
      ),
      { seed, numRuns: 500 },
    )
  })

  test('puts a value as float32 into the bin it is in as float64', () => {
    const values = Array.from({ length: 500 }, (_, i) => Math.round(Math.sin(i) * 300) / 100)
    const scale = numericScale(Float64Array.from(values), 32)
    expect(binsOf(values.map(Math.fround), scale)).toEqual(binsOf(values, scale))
  })

  test('keeps a heavy tie together and the rest even', () => {
    const values = [...new Array<number>(500).fill(0), ...Array.from({ length: 500 }, (_, i) => i + 1)]
    const bins = binsOf(values, numericScale(Float64Array.from(values), 10)).slice(1, -1)
    expect(bins[0]).toBe(500)
    expect(Math.max(...bins.slice(1))).toBeLessThanOrEqual(101)
  })
})

describe('categoricalScale', () => {
  test('names the most frequent values, the most frequent first, ties in order', () => {
    const values = ['b', 'b', 'c', 'a', 'a', 'd', null, Number.NaN]
    expect(categoricalScale(values, 3)).toEqual({ type: 'categorical', values: ['a', 'b', 'c'] })
  })

  test('refuses a column without a value', () => {
    expect(() => categoricalScale([null, Number.NaN])).toThrow(RangeError)
  })
})
