import { binCount, ColumnCounts, ColumnScale, mergeColumns, SketchError } from '@roost/shared/sketch/column.ts'
import { createColumnRecorder, createColumnRecorders } from '@roost/shared/sketch/recorder.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = 20261124
const scale = { type: 'numeric', edges: [-1, 0, 2.5, 10] } satisfies ColumnScale
const colours = { type: 'categorical', values: ['red', 'green', 7] } satisfies ColumnScale

function counted(values: readonly number[], on: ColumnScale = scale): ColumnCounts {
  const recorder = createColumnRecorder(on)
  for (const value of values) recorder.record(value)
  return recorder.snapshot()
}

/** Whole numbers, so that sums are exact in doubles and may be compared to the bit. */
const wholeValues = fc.array(fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constant(Number.NaN)), { maxLength: 40 })

describe('a numeric column', () => {
  test.each([
    [-1.5, 0],
    [-1, 1],
    [-1e-300, 1],
    [-0, 2],
    [0, 2],
    [2.4999, 2],
    [2.5, 3],
    [9.999, 3],
    [10, 4],
    [1e308, 4],
    [-1e308, 0],
  ])('counts %s in bin %s: an edge belongs to the bin above it', (value, bin) => {
    const { bins, missing } = counted([value])
    expect(bins).toEqual([0, 1, 2, 3, 4].map((i) => (i === bin ? 1 : 0)))
    expect(missing).toBe(0)
  })

  test('counts NaN and the infinities as missing and keeps them out of the sums', () => {
    const counts = counted([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 3, 1])
    expect(counts).toEqual({ bins: [0, 0, 1, 1, 0], missing: 3, min: 1, max: 3, sum: 4, sumSquares: 10 })
  })

  test('no number makes a report that cannot be read', () => {
    const counts = counted([1e308, -1e308, 1e200, 1e155, 3])
    expect(ColumnCounts.safeParse(counts).success).toBe(true)
    expect(counts).toMatchObject({ bins: [1, 0, 0, 1, 3], min: -1e140, max: 1e140 })
  })

  test('has no least and no greatest value while nothing is present', () => {
    expect(counted([Number.NaN])).toEqual({
      bins: [0, 0, 0, 0, 0],
      missing: 1,
      min: null,
      max: null,
      sum: 0,
      sumSquares: 0,
    })
  })

  test('takes a number as a category and nothing else', () => {
    const recorder = createColumnRecorder(scale)
    for (const value of [1, '1', null]) recorder.recordCategory(value)
    expect(recorder.snapshot()).toMatchObject({ bins: [0, 0, 1, 0, 0], missing: 2 })
  })

  test('finds the bin that counting the edges finds, for any edges', () => {
    const edges = fc.uniqueArray(fc.double({ noNaN: true, min: -1e6, max: 1e6 }), {
      minLength: 1,
      maxLength: 65,
      comparator: (a, b) => a === b,
    })
    fc.assert(
      fc.property(
        edges,
        fc.array(fc.double({ noNaN: true, min: -2e6, max: 2e6 }), { minLength: 1 }),
        (unsorted, values) => {
          const rising = unsorted.sort((a, b) => a - b)
          const all = [...values, ...rising]
          const { bins } = counted(all, { type: 'numeric', edges: rising })
          const expected = new Array<number>(rising.length + 1).fill(0)
          for (const value of all) {
            const bin = rising.filter((edge) => edge <= value).length
            expected[bin] = (expected[bin] ?? 0) + 1
          }
          expect(bins).toEqual(expected)
        },
      ),
      { seed, numRuns: 300 },
    )
  })
})

describe('a categorical column', () => {
  test('counts its values, any other, and missing', () => {
    const recorder = createColumnRecorder(colours)
    for (const value of ['red', 'red', 'green', 7, '7', 'blue', null]) recorder.recordCategory(value)
    for (const value of [7, 8, Number.NaN, Number.POSITIVE_INFINITY]) recorder.record(value)
    expect(recorder.snapshot()).toEqual({ bins: [2, 1, 2, 3], missing: 3, min: null, max: null, sum: 0, sumSquares: 0 })
  })

  test('does not take an object’s own words for categories', () => {
    const recorder = createColumnRecorder({ type: 'categorical', values: ['a'] })
    for (const value of ['constructor', '__proto__', 'a']) recorder.recordCategory(value)
    expect(recorder.snapshot().bins).toEqual([1, 2])
  })
})

describe('the recorders of a window', () => {
  test('share their buffers without touching one another', () => {
    const scales: ColumnScale[] = [scale, colours, { type: 'numeric', edges: [5] }, scale]
    const together = createColumnRecorders(scales)
    const alone = scales.map((one) => createColumnRecorder(one))
    for (let i = 0; i < 200; i++) {
      const value = ((i * 37) % 31) - 9
      together[i % 4]?.record(value)
      alone[i % 4]?.record(value)
    }
    expect(together.map((recorder) => recorder.snapshot())).toEqual(alone.map((recorder) => recorder.snapshot()))
    together[1]?.reset()
    alone[1]?.reset()
    expect(together.map((recorder) => recorder.snapshot())).toEqual(alone.map((recorder) => recorder.snapshot()))
    together[0]?.reset()
    expect(together[0]?.snapshot()).toEqual(counted([]))
    expect(together[3]?.snapshot()).toEqual(alone[3]?.snapshot())
  })

  test('give snapshots that later values do not change and that fit the schema', () => {
    const recorder = createColumnRecorder(scale)
    recorder.record(1)
    const before = recorder.snapshot()
    recorder.record(1)
    expect(before.bins).toEqual([0, 0, 1, 0, 0])
    expect(ColumnCounts.parse(before)).toEqual(before)
    expect(before.bins).toHaveLength(binCount(scale))
  })
})

describe('the schema of counts', () => {
  const counts = counted([1, 2])

  test.each<[string, unknown]>([
    ['a single bin', [1]],
    ['more bins than a scale can have', new Array(67).fill(0)],
    ['a count below 0', [1, -1, 0, 0, 0]],
    ['half a row', [1, 0.5, 0, 0, 0]],
    ['a text', [1, '1', 0, 0, 0]],
    ['a missing count', [1, null, 0, 0, 0]],
    // biome-ignore lint/suspicious/noSparseArray: structured clone brings holes from a runtime that lies
    ['a hole', [1, , 0, 0, 0]],
    ['more than a double can count', [2 ** 53, 0, 0, 0, 0]],
    ['bytes', new Uint8Array(5)],
    ['nothing', undefined],
  ])('refuses %s', (_, bins) => {
    expect(ColumnCounts.safeParse({ ...counts, bins }).success).toBe(false)
  })

  test('takes the fewest and the most bins', () => {
    for (const bins of [[0, 0], new Array(66).fill(1)]) {
      expect(ColumnCounts.safeParse({ ...counts, bins }).success).toBe(true)
    }
  })
})

describe('merging columns', () => {
  test('is the same as recording all values in one, in any order and grouping', () => {
    fc.assert(
      fc.property(
        wholeValues,
        wholeValues,
        wholeValues,
        fc.constantFrom<ColumnScale>(scale, { type: 'categorical', values: [0, 1, 2] }),
        (a, b, c, on) => {
          const [x, y, z] = [counted(a, on), counted(b, on), counted(c, on)]
          const whole = counted([...a, ...b, ...c], on)
          expect(mergeColumns(mergeColumns(x, y), z)).toEqual(whole)
          expect(mergeColumns(x, mergeColumns(y, z))).toEqual(whole)
          expect(mergeColumns(z, mergeColumns(y, x))).toEqual(whole)
        },
      ),
      { seed, numRuns: 300 },
    )
  })

  test('adds sums of any doubles to within their rounding', () => {
    const values = fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 })
    fc.assert(
      fc.property(values, values, (a, b) => {
        const whole = counted([...a, ...b])
        const merged = mergeColumns(counted(a), counted(b))
        const reach = [...a, ...b].reduce((sum, value) => sum + Math.abs(value), 0)
        expect(Math.abs(merged.sum - whole.sum)).toBeLessThanOrEqual(1e-14 * reach * (a.length + b.length))
      }),
      { seed, numRuns: 100 },
    )
  })

  test('refuses counts of different scales', () => {
    const merge = () => mergeColumns(counted([1]), counted([1], { type: 'numeric', edges: [0] }))
    expect(merge).toThrow(SketchError)
    expect(merge).toThrow(expect.objectContaining({ code: 'scale-mismatch' }))
  })
})

describe('the schema of a scale', () => {
  test.each([
    ['edges that fall', { type: 'numeric', edges: [1, 0] }],
    ['an edge twice', { type: 'numeric', edges: [0, 0, 1] }],
    ['no edge', { type: 'numeric', edges: [] }],
    ['an edge at infinity', { type: 'numeric', edges: [0, Number.POSITIVE_INFINITY] }],
    ['66 edges', { type: 'numeric', edges: Array.from({ length: 66 }, (_, i) => i) }],
    ['a category twice', { type: 'categorical', values: ['a', 'a'] }],
    ['65 categories', { type: 'categorical', values: Array.from({ length: 65 }, (_, i) => i) }],
  ])('refuses %s', (_, bad) => {
    expect(ColumnScale.safeParse(bad).success).toBe(false)
  })
})
