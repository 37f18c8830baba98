import type { Baseline } from '@roost/shared/drift/baseline.ts'
import { measureCategories, measureNumber, ridit, sixteenthOf } from '@roost/shared/drift/chart-values.ts'
import { prepareCharts, scoreColumn } from '@roost/shared/drift/charts.ts'
import { initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { describe, expect, test } from 'vitest'

const numeric: ColumnScale = { type: 'numeric', edges: [0, 1, 2] }

function aBaseline(scale: ColumnScale, windows: number[][], phases = 1): Baseline {
  return {
    formatVersion: 1,
    window: { rows: 10, seconds: 60 },
    rows: windows.length * 10,
    phases,
    windowPhases: windows.map((_, i) => i % phases),
    columns: { x: { kind: 'feature', scale, mean: null, standardDeviation: null, windows } },
  }
}

const counts = (bins: number[], missing = 0): ColumnCounts => ({
  bins,
  missing,
  min: null,
  max: null,
  sum: 0,
  sumSquares: 0,
})
const repeat = (times: number, window: number[]) => Array.from({ length: times }, () => window)

function prepared(baseline: Baseline) {
  const charts = prepareCharts(baseline)
  const [column] = charts.columns
  if (column === undefined) throw new Error('no charts')
  const chart = (kind: string) => column.charts.findIndex((other) => other.kind === kind)
  return {
    charts,
    column,
    of: (kind: string) => column.charts[chart(kind)],
    score: (kind: string, window: ColumnCounts, fromMs = 0) =>
      scoreColumn(charts, column, window, fromMs)[chart(kind)] ?? null,
  }
}

describe('the values of the charts', () => {
  test('by hand: everything in a bin whose middle is at three quarters of the baseline', () => {
    const ridits = ridit([0, 2, 2, 0])
    expect(ridits).toEqual([0, 0.25, 0.75, 1])
    expect(sixteenthOf(ridits)).toEqual([0, 4, 12, 15])
    const [place, spread, shape, crowding, missing] = measureNumber(ridits, [0, 4, 12, 15], {
      bins: [0, 0, 6, 0],
      missing: 2,
    })
    expect([place, spread, shape]).toEqual([0.25, 0, -0.21875])
    expect(crowding).toBeCloseTo(Math.PI / 2, 12)
    expect(missing).toBeCloseTo(Math.PI / 6, 12)
  })

  test('are all zero over the baseline itself but for the grain of its bins', () => {
    const even = [0, ...new Array(32).fill(10), 0]
    const [place, spread, shape] = measureNumber(ridit(even), sixteenthOf(ridit(even)), { bins: even, missing: 0 })
    expect(place).toBeCloseTo(0, 12)
    expect(spread).toBeCloseTo(0, 12)
    expect(shape).toBeCloseTo(0, 12)
  })

  test('tell nothing of rows that are not there', () => {
    expect(measureNumber([0, 0.5, 1], [0, 8, 15], { bins: [0, 0, 0], missing: 4 })).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      Math.PI / 2,
    ])
    expect(measureCategories({ bins: [0, 0], missing: 0 })).toEqual([undefined, undefined, undefined])
  })
})

describe('the yardstick', () => {
  // Ten windows of one kind, then ten of its mirror image: place -0.158 and +0.158, each measured against the other nineteen.
  const [low, high] = [
    [0, 8, 2, 0, 0],
    [0, 2, 8, 0, 0],
  ]
  const place = 0.5 - 0.8 * (46 / 190) - 0.2 * (141 / 190)
  const { charts, of, score } = prepared(aBaseline(numeric, [...repeat(10, low), ...repeat(10, high)]))

  test('is the deviation between the baseline’s windows, each against the others', () => {
    expect(of('place')?.means[0]).toBeCloseTo(0, 12)
    expect(of('place')?.sigma).toBeCloseTo(place * Math.sqrt(20 / 19), 12)
    expect(of('place')?.degrees).toBe(19)
  })

  test('knows that neighbours resemble each other', () => {
    const correlation = 17 / 20 - 1 / Math.sqrt(20)
    expect(of('place')?.inflation).toBeCloseTo(Math.sqrt((1 + correlation) / (1 - correlation)), 12)
    const inTurn = prepared(
      aBaseline(
        numeric,
        repeat(10, low).flatMap((window) => [window, high]),
      ),
    )
    expect(inTurn.of('place')?.inflation).toBe(1)
  })

  test('is never less than chance, and then counts as known ten times better', () => {
    const same = prepared(aBaseline(numeric, repeat(20, [0, 5, 5, 0, 0])))
    expect(same.of('place')).toMatchObject({ sigma: Math.sqrt(1 / 120), degrees: 190, inflation: 1 })
    expect(same.of('shape')?.sigma).toBeCloseTo(Math.sqrt(1 / 70) / 2, 12)
    expect(same.of('missing')?.sigma).toBeCloseTo(0.5 / Math.sqrt(10), 12)
  })

  test('scores a window by its departure in deviations, as a normal score, over what neighbours share', () => {
    const sigma = place * Math.sqrt(20 / 19)
    const t = -0.25 / sigma / Math.sqrt(1 + 1 / 20)
    const normal = -((8 * 19 + 1) / (8 * 19 + 3)) * Math.sqrt(19 * Math.log(1 + (t * t) / 19))
    const got = score('place', counts([0, 10, 0, 0]))
    expect(got?.z).toBeCloseTo(normal / (of('place')?.inflation ?? Number.NaN), 9)
    expect(got?.tolerated).toBeCloseTo(1 / Math.sqrt(20) + 0.01 / sigma, 9)
  })

  test('scores what half of the baseline’s windows did as nothing', () => {
    expect(score('place', counts([0, 8, 2, 0]))?.z).toBeCloseTo(0, 9)
    expect(score('place', counts([0, 2, 8, 0]))?.z).toBeCloseTo(0, 9)
  })

  test('says nothing of fewer than five rows, and of crowding in much shorter windows', () => {
    expect(score('place', counts([0, 4, 0, 0]))).toBeNull()
    expect(score('crowding', counts([0, 5, 0, 0]))).not.toBeNull()
    const long = prepared(aBaseline(numeric, repeat(20, [0, 50, 50, 0, 0])))
    expect(long.score('crowding', counts([0, 49, 0, 0]))).toBeNull()
    expect(long.score('place', counts([0, 49, 0, 0]))).not.toBeNull()
    expect(charts.chartCount).toBe(5)
  })
})

describe('parts of the day', () => {
  const halfDayMs = 43_200_000
  const scale: ColumnScale = { type: 'categorical', values: ['on'] }
  // On by half in the first half of the day, by all in the second.
  const { score } = prepared(
    aBaseline(
      scale,
      repeat(20, [5, 5, 0]).flatMap((window) => [window, [10, 0, 0]]),
      2,
    ),
  )

  test('have a mean of their own', () => {
    expect(score('category', counts([5, 5]), 0)?.z).toBeCloseTo(0, 9)
    expect(score('category', counts([10, 0]), halfDayMs)?.z).toBeCloseTo(0, 9)
    expect(score('category', counts([5, 5]), halfDayMs)?.z).toBeLessThan(-2)
    expect(score('category', counts([10, 0]), 7 * 2 * halfDayMs)?.z).toBeGreaterThan(2)
  })
})

describe('evidence', () => {
  const { charts } = prepared(aBaseline(numeric, repeat(20, [0, 9, 1, 0, 0])))
  const withBets = (bet: number) => ({
    charts: initialDrift(charts).charts.map((chart) => ({ ...chart, bets: chart.bets.map(() => bet) })),
    running: { since: 7, quietWindows: 0, movements: [] },
  })
  /** The states of five windows that tell nothing, so that the evidence stays at what it is. */
  function afterwards(bet: number): string[] {
    let state: ReturnType<typeof stepDrift>['state'] = withBets(bet)
    return Array.from({ length: 5 }, (_, i) => {
      const step = stepDrift(charts, state, {}, i)
      state = step.state
      return step.verdict.state
    })
  }

  test('of less than a tenth of the limit ends a drift after three windows, more does not', () => {
    expect(afterwards(99)).toEqual(['drifted', 'drifted', 'healthy', 'healthy', 'healthy'])
    expect(afterwards(101)).toEqual(new Array(5).fill('drifted'))
  })

  test('is not found in readings that crowd less than they did', () => {
    const { state } = stepDrift(charts, initialDrift(charts), { x: counts([0, 5, 5, 0]) }, 0)
    const crowding = state.charts[3]
    expect(crowding?.bets.slice(3)).toEqual([0, 0, 0])
    expect(Math.max(...(crowding?.bets ?? []))).toBeLessThan(1)
  })
})
