import type { Baseline } from '@roost/shared/drift/baseline.ts'
import { type Charts, prepareCharts, scoreColumn } from '@roost/shared/drift/charts.ts'
import { measureColumn } from '@roost/shared/drift/measures.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { afterAll, describe, expect, test } from 'vitest'
import { type Mote, readMote } from './motes.ts'
import { baselineOf, type Columns, drifted, eventsOf, verdicts, windowsOf } from './streams.ts'

type Windows = Record<string, ColumnCounts>[]
type Feature = keyof Mote

const rows = 100
const motes = [readMote(1), readMote(2), readMote(3), readMote(4)] as const
const table: Record<string, unknown>[] = []

const choose = (mote: Mote, names: readonly Feature[], half?: 'first' | 'second'): Columns =>
  Object.fromEntries(
    names.map((name) => {
      const middle = mote[name].length >> 1
      return [
        name,
        half === undefined ? mote[name] : half === 'first' ? mote[name].slice(0, middle) : mote[name].slice(middle),
      ]
    }),
  )

/** The first halves of both indoor motes, each cut by itself: 44 windows. */
function indoors(names: readonly Feature[]): Baseline {
  const [one, two] = [choose(motes[0], names, 'first'), choose(motes[1], names, 'first')]
  const columns = Object.fromEntries(names.map((name) => [name, [...(one[name] ?? []), ...(two[name] ?? [])]]))
  const ofOne = Object.values(one)[0]?.length ?? 0
  const length = Object.values(columns)[0]?.length ?? 0
  return baselineOf(
    columns,
    rows,
    Array.from({ length }, (_, row) => (row < ofOne ? 1 : 2)),
  )
}

/** What most people's line would say: PSI > 0.2 or Jensen-Shannon > 0.1 in any column. */
function byThreshold(baseline: Baseline, windows: Windows): boolean[] {
  return windows.map((window) =>
    Object.entries(window).some(([name, counts]) => {
      const column = baseline.columns[name]
      if (column === undefined) return false
      const { psi, jensenShannon } = measureColumn(column, counts)
      return (psi ?? 0) > 0.2 || (jensenShannon ?? 0) > 0.1
    }),
  )
}

/** The other way to add up evidence that was tried: CUSUM on the same charts, allowance 1/2, limit 6. */
function byCusum(charts: Charts, windows: Windows): boolean[] {
  const [allowance, limit] = [0.5, 6]
  const sums: number[] = new Array(charts.chartCount * 2).fill(0)
  return windows.map((window) => {
    let slot = 0
    for (const column of charts.columns) {
      const counts = window[column.column]
      const scores = counts === undefined ? [] : scoreColumn(charts, column, counts, 0)
      for (const [i, { oneSided }] of column.charts.entries()) {
        const score = scores[i]
        for (const side of [1, -1]) {
          const before = sums[slot] ?? 0
          const gain = score && (side > 0 || !oneSided) ? side * score.z - score.tolerated - allowance : 0
          sums[slot++] = Math.min(2 * limit, Math.max(0, before + gain))
        }
      }
    }
    return Math.max(...sums) >= limit
  })
}

const count = (all: readonly boolean[]) => `${all.filter(Boolean).length} of ${all.length}`

function watched(stream: string, names: readonly Feature[], columns: Columns) {
  const baseline = indoors(names)
  const charts = prepareCharts(baseline)
  const windows = windowsOf(baseline, columns, rows)
  const all = verdicts(charts, windows)
  const states = drifted(all)
  const threshold = byThreshold(baseline, windows)
  table.push({
    stream,
    features: names.join(', '),
    'PSI > 0.2 or JS > 0.1': count(threshold),
    verdict: count(states),
    first: states.indexOf(true),
    events: eventsOf(all),
    CUSUM: count(byCusum(charts, windows)),
  })
  return { windows: charts.windows, all, states, threshold }
}

const levels: readonly Feature[] = ['temperature', 'humidity']
const changes: readonly Feature[] = ['difference', 'deviation']

describe('on the readings of real motes', () => {
  afterAll(() => console.table(table))

  test('the indoor mote to which nothing happens is left in peace, where the usual threshold cries', () => {
    for (const names of [levels, changes, [...levels, ...changes]]) {
      const { windows, states, threshold } = watched(
        'indoor mote 2, second half',
        names,
        choose(motes[1], names, 'second'),
      )
      expect(windows).toBe(44)
      expect(states).toHaveLength(22)
      expect(states.filter(Boolean).length).toBeLessThanOrEqual(3)
      expect(threshold.filter(Boolean).length).toBeGreaterThanOrEqual(18)
    }
  })

  test('the indoor mote with labelled events drifts in what changes', () => {
    const { states } = watched('indoor mote 1, second half', changes, choose(motes[0], changes, 'second'))
    expect(states.filter(Boolean).length).toBeGreaterThanOrEqual(8)
  })

  test.each([
    ['outdoor mote 3', motes[2]],
    ['outdoor mote 4', motes[3]],
  ])('%s drifts early, and stays drifted for most of the time', (name, mote) => {
    const byChanges = watched(name, changes, choose(mote, changes))
    expect(byChanges.states.indexOf(true)).toBeLessThanOrEqual(2)
    expect(byChanges.states.filter(Boolean).length).toBeGreaterThanOrEqual(30)
    const byLevels = watched(name, levels, choose(mote, levels))
    expect(byLevels.states.indexOf(true)).toBeLessThanOrEqual(12)
    expect(byLevels.states.filter(Boolean).length).toBeGreaterThanOrEqual(30)
    // All four: one event in the whole stream, from the first windows on.
    const { all, states } = watched(name, [...levels, ...changes], choose(mote, [...levels, ...changes]))
    expect(states.indexOf(true)).toBeLessThanOrEqual(2)
    expect(states.filter(Boolean).length).toBeGreaterThanOrEqual(45)
    expect(eventsOf(all)).toBe(1)
    expect(all.at(-1)?.movements.length).toBeGreaterThan(0)
  })
})
