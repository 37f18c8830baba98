// The drift verdict: how a window differs from what the baseline's own windows differ among themselves.
// Evidence adds up over windows (e-detectors, Shin, Ramdas, Rinaldo 2022), so it may be looked at after every one.
// The same code on device and hub, pure: the caller keeps the state. Why this method: docs/decisions/drift-verdict.md.

import { z } from 'zod'
import type { ColumnCounts } from '../sketch/column.ts'
import { type Chart, type Charts, type Score, scoreColumn } from './charts.ts'

/** One feature that moved, in words an operator reads. */
export const Movement = z.object({
  column: z.string(),
  chart: z.enum(['place', 'spread', 'shape', 'crowding', 'missing', 'category']),
  /** Of a category chart: whose share moved; absent for the values that the baseline does not name. */
  category: z.union([z.string(), z.number()]).optional(),
  direction: z.enum(['up', 'down']),
  /** Size in standard deviations of the baseline for the place of a number, else in the chart's own sigma. */
  size: z.number().nonnegative(),
  /** The share of the evidence this column contributes, 0 … 1. */
  share: z.number(),
})
export type Movement = z.infer<typeof Movement>

export const movementsMax = 16

export const DriftVerdict = z.object({
  state: z.enum(['healthy', 'drifted', 'baseline_too_short']),
  /** Start of the window after which this was said, device milliseconds; of two verdicts the greater is the later. */
  at: z.number().int().nonnegative(),
  /** Mean of e-detectors over all charts; drift at 1,000. */
  evidence: z.number().nonnegative(),
  /** When the running drift began (start of the first window of it), device milliseconds; null while healthy. */
  since: z.number().int().nonnegative().nullable(),
  /** The columns that carry the evidence, strongest first, each with its charts that moved; empty while healthy. */
  movements: z.array(Movement).max(movementsMax),
})
export type DriftVerdict = z.infer<typeof DriftVerdict>

/** What is remembered of one chart: six bets, and since when they have been winning, with the sizes seen since. */
const ChartState = z.object({
  /** Up with stakes 1, 2, 3, then down. */
  bets: z.array(z.number().nonnegative()).length(6),
  risen: z.object({ since: z.number().int(), sizes: z.number(), windows: z.number().int().positive() }).nullable(),
})
type ChartState = z.infer<typeof ChartState>

/** Plain data, to be kept between windows by whoever steps; of the charts it was made for. */
export const DriftState = z.object({
  charts: z.array(ChartState),
  running: z
    .object({ since: z.number().int(), quietWindows: z.number().int(), movements: z.array(Movement).max(movementsMax) })
    .nullable(),
})
export type DriftState = z.infer<typeof DriftState>

/** Drift at this evidence: in healthy operation a thousand windows pass, on average, before it is reached. */
export const evidenceLimit = 1000
/** A drift ends after three windows in a row with less than a tenth of that, so that one drift is one event. */
const quietLimit = evidenceLimit / 10
const quietWindowsMin = 3
const stakes = [1, 2, 3]
/** A chart counts as moving from here on; while healthy its bets hover around one half. */
const risenLimit = 2
/** Columns with less than this share of the strongest column's evidence are not named, nor such charts of a column. */
const namedShare = 0.1

/** The state before the first window. */
export function initialDrift(charts: Charts): DriftState {
  return {
    charts: Array.from({ length: charts.chartCount }, () => ({ bets: [0, 0, 0, 0, 0, 0], risen: null })),
    running: null,
  }
}

/** Adds one window to the evidence. `window`: counts by column name; a column that is absent, or counted on another scale,
 *  leaves its charts as they are. `fromMs`: the window's start. Changes neither `charts` nor `state`.
 *  @throws RangeError for a state of other charts */
export function stepDrift(
  charts: Charts,
  state: DriftState,
  window: Record<string, ColumnCounts>,
  fromMs: number,
): { state: DriftState; verdict: DriftVerdict } {
  const verdict = { at: fromMs, evidence: 0, since: null, movements: [] }
  if (charts.chartCount === 0) return { state, verdict: { ...verdict, state: 'baseline_too_short' } }
  if (state.charts.length !== charts.chartCount) throw new RangeError('a drift state of other charts')

  const betMax = 12 * evidenceLimit * charts.chartCount
  const moved: Moved[] = []
  const stepped: ChartState[] = []
  for (const column of charts.columns) {
    const counts = Object.hasOwn(window, column.column) ? window[column.column] : undefined
    const scores = counts?.bins.length === column.bins ? scoreColumn(charts, column, counts, fromMs) : []
    for (const [i, chart] of column.charts.entries()) {
      const before = state.charts[stepped.length] ?? { bets: [], risen: null }
      const score = scores[i] ?? null
      const after = score === null ? before : stepChart(before, chart, score, betMax, fromMs)
      moved.push({ column: column.column, chart, state: after })
      stepped.push(after)
    }
  }
  const evidence = moved.reduce((sum, chart) => sum + evidenceOf(chart.state), 0) / charts.chartCount
  const running = stepRunning(state.running, moved, evidence, fromMs)
  return {
    state: { charts: stepped, running },
    verdict:
      running === null
        ? { ...verdict, state: 'healthy', evidence }
        : { ...verdict, state: 'drifted', evidence, since: running.since, movements: running.movements },
  }
}

type Moved = { column: string; chart: Chart; state: ChartState }

/** Shiryaev-Roberts: each bet takes a new stake of 1 and multiplies by what the window is worth against healthy.
 *  The bound lets the evidence of a drift that has ended fall below the limit within a few windows. */
function stepChart(before: ChartState, chart: Chart, score: Score, betMax: number, fromMs: number): ChartState {
  const bets = before.bets.map((bet, i) => {
    const side = i < stakes.length ? 1 : -1
    if (chart.oneSided && side < 0) return 0
    const stake = stakes[i % stakes.length] ?? 1
    const worth = Math.exp(stake * (side * score.z - score.tolerated) - stake ** 2 / 2)
    return Math.min((bet + 1) * worth, betMax)
  })
  const after: ChartState = { bets, risen: null }
  if (evidenceOf(after) < risenLimit) return after
  const { since, sizes, windows } = before.risen ?? { since: fromMs, sizes: 0, windows: 0 }
  return { bets, risen: { since, sizes: sizes + score.size, windows: windows + 1 } }
}

/** A chart's evidence: the mean of its bets, those on the side that is no evidence included. */
function evidenceOf({ bets }: ChartState): number {
  return sum(bets) / (2 * stakes.length)
}

/** Whether a drift begins, goes on or ends, and what moves in it. While it fades its last description stays. */
function stepRunning(
  before: DriftState['running'],
  moved: readonly Moved[],
  evidence: number,
  fromMs: number,
): DriftState['running'] {
  if (before === null && evidence < evidenceLimit) return null
  const quietWindows = evidence < quietLimit ? (before?.quietWindows ?? 0) + 1 : 0
  if (quietWindows >= quietWindowsMin) return null
  const strongest = moved.reduce((a, b) => (evidenceOf(b.state) > evidenceOf(a.state) ? b : a))
  return {
    since: before?.since ?? strongest.state.risen?.since ?? fromMs,
    quietWindows,
    movements: before !== null && quietWindows > 0 ? before.movements : nameMovements(moved),
  }
}

/** Columns that carry the evidence, strongest first; of each the charts that do, and its place where that moves too, which
 *  people read best. Where many columns move, fewer charts of each are named, so that all columns are. */
function nameMovements(moved: readonly Moved[]): Movement[] {
  const total = moved.reduce((whole, chart) => whole + evidenceOf(chart.state), 0)
  const columns = [...Map.groupBy(moved, ({ column }) => column).values()].map((charts) => ({
    charts,
    evidence: charts.reduce((whole, chart) => whole + evidenceOf(chart.state), 0),
  }))
  const most = Math.max(...columns.map(({ evidence }) => evidence))
  const named = columns.filter(({ evidence }) => evidence >= most * namedShare).sort((a, b) => b.evidence - a.evidence)
  const chartsMax = Math.max(1, Math.floor(movementsMax / named.length))
  return named
    .flatMap(({ charts, evidence }) =>
      strongestCharts(charts)
        .slice(0, chartsMax)
        .map((chart) => describe(chart, evidence / total)),
    )
    .slice(0, movementsMax)
}

/** The charts of one column that moved, strongest first. At the bound of their bets they are equal, and keep their order. */
function strongestCharts(charts: readonly Moved[]): Moved[] {
  const most = Math.max(...charts.map(({ state }) => evidenceOf(state)))
  return charts
    .filter(
      ({ chart, state }) => evidenceOf(state) >= most * namedShare || (chart.kind === 'place' && state.risen !== null),
    )
    .sort((a, b) => evidenceOf(b.state) - evidenceOf(a.state))
}

function describe({ column, chart, state }: Moved, share: number): Movement {
  const up = sum(state.bets.slice(0, stakes.length)) >= sum(state.bets.slice(stakes.length))
  const size = state.risen === null ? 0 : Math.abs(state.risen.sizes / state.risen.windows)
  const category = chart.category === null ? {} : { category: chart.category }
  return { column, chart: chart.kind, ...category, direction: up ? 'up' : 'down', size, share }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
