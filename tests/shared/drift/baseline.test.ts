import {
  Baseline,
  type BaselineColumn,
  baselineWindowsMax,
  buildBaseline,
  type Sample,
} from '@roost/shared/drift/baseline.ts'
import { describe, expect, test } from 'vitest'
import { normals, seeded } from './streams.ts'

const dayMs = 86_400_000

function built(rows: number, over: Partial<Sample> = {}): Baseline {
  const values = Float64Array.from({ length: rows }, (_, i) => i + 0.5)
  return buildBaseline({
    columns: [{ name: 'x', kind: 'feature', values }],
    window: { rows: 100, seconds: 60 },
    ...over,
  })
}

function columnOf(values: readonly number[], name = 'x'): BaselineColumn {
  const baseline = buildBaseline({
    columns: [{ name, kind: 'output', values: Float64Array.from(values) }],
    window: { rows: 2, seconds: 60 },
  })
  const column = baseline.columns[name]
  if (column === undefined) throw new Error('no column')
  return column
}

/** Rows of each window, missing ones included. */
const sizes = (baseline: Baseline) => baseline.columns.x?.windows.map((counts) => counts.reduce((a, b) => a + b, 0))
/** The least and the greatest bin each window touches: which stretch of the rising values it holds. */
const spans = (baseline: Baseline) =>
  baseline.columns.x?.windows.map((counts) => {
    const bins = counts.slice(0, -1)
    return [bins.findIndex((count) => count > 0), bins.findLastIndex((count) => count > 0)]
  })

describe('cutting a sample into windows', () => {
  test.each<[string, number, Sample['window'], number[]]>([
    ['by rows', 300, { rows: 100, seconds: 60 }, [100, 100, 100]],
    ['and takes a rest of half a window for one', 250, { rows: 100, seconds: 60 }, [100, 100, 50]],
    ['but not a smaller one', 249, { rows: 100, seconds: 60 }, [100, 100]],
    ['nor a sample that is too small at all', 49, { rows: 100, seconds: 60 }, []],
    ['into forty where nothing says how long one is', 4000, { seconds: 60 }, new Array(40).fill(100)],
    ['of 25 rows at least', 100, { seconds: 60 }, [25, 25, 25, 25]],
    ['of nothing', 0, { rows: 10, seconds: 60 }, []],
  ])('%s', (_, rows, window, expected) => {
    const baseline = built(rows, { window })
    expect(sizes(baseline)).toEqual(expected)
    expect(baseline.rows).toBe(rows)
    expect(baseline.windowPhases).toEqual(expected.map(() => 0))
    expect(Baseline.parse(baseline)).toEqual(baseline)
  })

  test('by time: a window ends its seconds after its first row, whatever gap follows', () => {
    const times = Float64Array.of(0, 10, 59.9, 60, 100, 500, 501, 559, 561).map((s) => s * 1000)
    expect(sizes(built(9, { times, window: { seconds: 60 } }))).toEqual([3, 2, 3])
    expect(sizes(built(9, { times, window: { rows: 2, seconds: 60 } }))).toEqual([2, 2, 1, 2, 2])
  })

  test('within a device: interleaved rows of two give windows of one each, in their order', () => {
    // Device 1 has the values below 200, device 2 those above, row by row in turn.
    const values = Float64Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? i / 2 : 200 + (i - 1) / 2))
    const groups = Uint8Array.from({ length: 400 }, (_, i) => (i % 2) + 1)
    const baseline = built(400, { columns: [{ name: 'x', kind: 'feature', values }], groups })
    expect(sizes(baseline)).toEqual([100, 100, 100, 100])
    expect(spans(baseline)).toEqual([
      [1, 8],
      [9, 16],
      [17, 24],
      [25, 32],
    ])
  })

  test('keeps at most 400 windows: whole neighbours from all over the sample, none changed in length', () => {
    const baseline = built(100_000, { window: { rows: 100, seconds: 60 } })
    expect(baseline.columns.x?.windows).toHaveLength(baselineWindowsMax)
    expect(new Set(sizes(baseline))).toEqual(new Set([100]))
    const firsts = spans(baseline)?.map(([first]) => first ?? 0) ?? []
    expect(firsts[0]).toBe(1)
    expect(firsts.at(-1)).toBeGreaterThan(30)
    expect(new Set(firsts).size).toBeGreaterThan(15)
    expect(baseline.rows).toBe(100_000)
    expect(baseline.columns.x?.mean).toBe(50_000)
  })

  test('refuses columns, times or groups of another length', () => {
    expect(() => built(10, { times: new Float64Array(9) })).toThrow(RangeError)
    expect(() => built(10, { groups: [1] })).toThrow(RangeError)
    const columns = [10, 11].map((length) => ({
      name: `c${length}`,
      kind: 'feature' as const,
      values: new Float64Array(length),
    }))
    expect(() => built(10, { columns })).toThrow(RangeError)
  })
})

describe('parts of the day', () => {
  const hourly = (days: number) =>
    Float64Array.from({ length: days * 24 * 60 }, (_, minute) => 12 * dayMs + minute * 60_000)

  test('are told apart where windows are short and several days are seen', () => {
    const times = hourly(4)
    const baseline = built(times.length, { times, window: { seconds: 3600 } })
    // 96 windows of an hour: twelve each for eight parts of the day.
    expect(baseline.phases).toBe(8)
    expect(baseline.windowPhases.slice(0, 24)).toEqual(Array.from({ length: 24 }, (_, hour) => Math.floor(hour / 3)))
    expect(built(hourly(16).length, { times: hourly(16), window: { seconds: 3600 } }).phases).toBe(24)
  })

  test.each<[string, Float64Array, number]>([
    ['two days', hourly(2), 3600],
    ['windows of a day', hourly(40), 86_400],
  ])('are not for %s', (_, times, seconds) => {
    const baseline = built(times.length, { times, window: { seconds } })
    expect(baseline.phases).toBe(1)
    expect(new Set(baseline.windowPhases)).toEqual(new Set([0]))
  })

  test('are all seen where windows had to be left out', () => {
    const times = hourly(30)
    const baseline = built(times.length, { times, window: { seconds: 600 } })
    expect(baseline.windowPhases).toHaveLength(baselineWindowsMax)
    expect(baseline.phases).toBeGreaterThanOrEqual(8)
  })

  test('are not told apart when the data leave one of them out', () => {
    const times = hourly(30).filter((ms) => ms % dayMs > dayMs / 24)
    expect(built(times.length, { times, window: { seconds: 600 } }).phases).toBeLessThan(24)
  })
})

describe('the columns of a baseline', () => {
  test('count every window on one scale, missing rows last', () => {
    const column = columnOf([0.5, Number.NaN, 1.5, 2.5, Number.NaN, Number.POSITIVE_INFINITY])
    expect(column.windows).toEqual([
      [0, 1, 0, 0, 0, 1],
      [0, 0, 1, 1, 0, 0],
      [0, 0, 0, 0, 0, 2],
    ])
    expect([column.kind, column.mean]).toEqual(['output', 1.5])
    expect(column.standardDeviation).toBeCloseTo(Math.sqrt(2 / 3), 12)
  })

  test.each<[string, number[], 'numeric' | 'categorical']>([
    ['classes', [0, 1, 2, 1, 0, Number.NaN], 'categorical'],
    ['a constant', [7, 7, 7, 7], 'numeric'],
    ['six whole numbers', [0, 1, 2, 3, 4, 5], 'numeric'],
    ['two fractions', [0.1, 0.2, 0.1, 0.2], 'numeric'],
    ['nothing', [Number.NaN, Number.NaN], 'numeric'],
  ])('%s: the scale is chosen by the values', (_, values, type) => {
    expect(columnOf(values).scale.type).toBe(type)
  })

  test('are own properties, whatever they are called', () => {
    expect(columnOf([1.5, 2.5, 3.5], '__proto__').windows).toHaveLength(2)
  })

  test('stay small enough to be sent: 64 columns of 400 windows of a thousand rows', () => {
    const random = seeded(1)
    const columns = Array.from({ length: 4 }, (_, i) => ({
      name: `c${i}`,
      kind: 'feature' as const,
      values: Float64Array.from(normals(random, 40_000)),
    }))
    const baseline = buildBaseline({ columns, window: { rows: 100, seconds: 60 } })
    expect((JSON.stringify(baseline).length / 4) * 64).toBeLessThan(4_000_000)
  })
})
