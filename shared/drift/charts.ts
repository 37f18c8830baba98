// Control charts on counts: what of a column is looked at, and what the baseline's own windows say it may differ by.
// A window of real readings is no sample of independent rows, so the yardstick is how much healthy windows differ.
// Formulas and sources: docs/drift.md.

import type { ColumnCounts } from '../sketch/column.ts'
import type { Baseline, BaselineColumn } from './baseline.ts'
import {
  chanceDeviation,
  measureCategories,
  measureNumber,
  numericCharts,
  ridit,
  sixteenthOf,
  sum,
  type Window,
} from './chart-values.ts'
import { phaseOf } from './stretches.ts'
import type { Movement } from './verdict.ts'

/** Fewer windows than this say too little about how healthy ones differ. */
export const baselineWindowsMin = 20

/** One quantity of a column, followed from window to window. */
export type Chart = {
  kind: Movement['chart']
  /** The value whose share a category chart follows; null for any other value. */
  category: string | number | null
  /** Only a rise is evidence. */
  oneSided: boolean
  /** What it is in the baseline's windows of each phase, on average. */
  means: number[]
  /** Deviation between healthy windows of usual size. */
  sigma: number
  /** Degrees of freedom `sigma` was estimated with. */
  degrees: number
  /** How far the baseline's windows strayed up and down, the furthest first, twenty of each at most. */
  strayed: { up: number[]; down: number[] }
  /** How much longer neighbouring windows make one another's evidence look, from their correlation; 1 when independent. */
  inflation: number
}

export type ColumnCharts = {
  column: string
  /** How many bins its counts have. */
  bins: number
  mean: number | null
  standardDeviation: number | null
  /** Mid-ridits of the bins for each phase; null for categories. */
  ridits: number[][] | null
  /** Which sixteenth of the baseline each bin belongs to. */
  sixteenths: number[]
  /** Present rows and all rows of the middle baseline window. */
  presentUsual: number
  rowsUsual: number
  charts: Chart[]
}

/** The yardstick of a baseline, plain data. No columns where it is too short for a verdict. */
export type Charts = {
  windows: number
  phases: number
  /** Baseline windows of each phase. */
  phaseWindows: number[]
  columns: ColumnCharts[]
  chartCount: number
}

export type Score = {
  /** How far a chart stands from the baseline: standard normal while healthy, less what neighbours share. */
  z: number
  /** What of it is borne: what the baseline may be wrong by, and effects too small to matter. */
  tolerated: number
  /** How large the departure is: place in standard deviations of the baseline, else in the chart's sigma. */
  size: number
}

/** Works out the yardstick once per baseline. */
export function prepareCharts(baseline: Baseline): Charts {
  const windows = baseline.windowPhases.length
  const phaseWindows = Array.from(
    { length: baseline.phases },
    (_, phase) => baseline.windowPhases.filter((other) => other === phase).length,
  )
  const enough = windows >= baselineWindowsMin
  const columns = enough
    ? Object.entries(baseline.columns).map(([name, column]) => prepareColumn(name, column, baseline, phaseWindows))
    : []
  const chartCount = columns.reduce((count, { charts }) => count + charts.length, 0)
  return { windows, phases: baseline.phases, phaseWindows, columns, chartCount }
}

/** Scores a window's counts of one column on its charts, in their order; null where too few rows tell of a chart. */
export function scoreColumn(
  charts: Charts,
  column: ColumnCharts,
  counts: ColumnCounts,
  fromMs: number,
): (Score | null)[] {
  const phase = charts.phases === 1 ? 0 : phaseOf(fromMs, charts.phases)
  const window = { bins: counts.bins, missing: counts.missing }
  const measured =
    column.ridits === null
      ? measureCategories(window)
      : measureNumber(column.ridits[phase] ?? [], column.sixteenths, window)
  const present = sum(counts.bins)
  return column.charts.map((chart, i) => {
    const value = measured[i]
    const rows = chart.kind === 'missing' ? present + counts.missing : present
    const usual = chart.kind === 'missing' ? column.rowsUsual : column.presentUsual
    if (value === undefined || rows < rowsMin) return null
    // The largest of sixteen shares is larger in a short window, by chance alone.
    if (chart.kind === 'crowding' && rows * 2 < usual) return null
    // A shorter window varies more: by the root of the rows at most, which is exact for independent ones.
    const scaled = chart.sigma * Math.sqrt(Math.max(1, usual / rows))
    const sigma = Math.max(scaled, chanceDeviation(chart.kind, rows))
    const deviation = value - (chart.means[phase] ?? 0)
    const t = deviation / sigma / Math.sqrt(1 + 1 / Math.max(1, charts.phaseWindows[phase] ?? 1))
    const seen = seenScore(chart, (deviation * chart.sigma) / sigma, charts.windows)
    const z = clip(normalScore(t, chart.degrees), Math.min(scoreMax, seen)) / chart.inflation
    const tolerated = Math.min(3, 1 / Math.sqrt(charts.windows) + effectMin / sigma)
    const size = chart.kind === 'place' ? shift(charts, column, counts, deviation) : deviation / chart.sigma
    return { z, tolerated, size }
  })
}

/** Rows a chart needs in a window to be looked at. */
const rowsMin = 5
const scoreMax = 8
/** An effect too small to matter: 0.01 of a ridit is a shift of about 0.035 standard deviations. */
const effectMin = 0.01
const correlationMax = 0.8
const strayedMax = 20

/** Shift in standard deviations: of the means, where they tell what the ridits tell; else what the ridits would be in normal
 *  data, where a shift of d moves the place by d / (2 sqrt(pi)). */
function shift(charts: Charts, column: ColumnCharts, counts: ColumnCounts, deviation: number): number {
  const { mean: before, standardDeviation } = column
  if (charts.phases === 1 && before !== null && standardDeviation !== null && standardDeviation > 0) {
    const ofMeans = (counts.sum / sum(counts.bins) - before) / standardDeviation
    if (Math.sign(ofMeans) === Math.sign(deviation)) return ofMeans
  }
  return deviation * 2 * Math.sqrt(Math.PI)
}

function prepareColumn(
  name: string,
  column: BaselineColumn,
  { phases, windowPhases }: Baseline,
  phaseWindows: readonly number[],
): ColumnCharts {
  const windows = column.windows.map((counts): Window => ({ bins: counts.slice(0, -1), missing: counts.at(-1) ?? 0 }))
  const presents = windows.map(({ bins }) => sum(bins))
  const presentUsual = median(presents)
  const rowsUsual = median(windows.map(({ missing }, i) => missing + (presents[i] ?? 0)))
  const pooled = poolPhases(windows, phases, windowPhases, presentUsual)
  const numeric = column.scale.type === 'numeric'
  const whole = ridit(addAll(windows.map(({ bins }) => bins)))
  const prepared: ColumnCharts = {
    column: name,
    bins: whole.length,
    mean: column.mean,
    standardDeviation: column.standardDeviation,
    ridits: numeric ? pooled.map(ridit) : null,
    sixteenths: numeric ? sixteenthOf(whole) : [],
    presentUsual,
    rowsUsual,
    charts: [],
  }
  // A baseline window is measured against the others, as a new one will be.
  const measured = windows.map((window, i) => {
    if (!numeric) return measureCategories(window)
    const others = pooled[windowPhases[i] ?? 0]?.map((count, bin) => count - (window.bins[bin] ?? 0)) ?? []
    return measureNumber(ridit(others), prepared.sixteenths, window)
  })
  prepared.charts = chartKinds(column).map((kind, i) => ({
    ...kind,
    ...yardstick(
      measured.map((values) => values[i]),
      windowPhases,
      phaseWindows,
      chanceDeviation(kind.kind, kind.kind === 'missing' ? rowsUsual : presentUsual),
    ),
  }))
  return prepared
}

function chartKinds({ scale }: BaselineColumn): Pick<Chart, 'kind' | 'category' | 'oneSided'>[] {
  if (scale.type === 'categorical') {
    const categories = [...scale.values, null].map((category) => ({
      kind: 'category' as const,
      category,
      oneSided: false,
    }))
    return [...categories, { kind: 'missing', category: null, oneSided: false }]
  }
  return numericCharts.map((kind) => ({
    kind,
    category: null,
    oneSided: kind === 'crowding',
  }))
}

/** Mean of each phase, and from the residuals the deviation and the correlation of neighbours. */
function yardstick(
  values: readonly (number | undefined)[],
  windowPhases: readonly number[],
  phaseWindows: readonly number[],
  chance: number,
): Pick<Chart, 'means' | 'sigma' | 'degrees' | 'strayed' | 'inflation'> {
  const means = phaseWindows.map((_, phase) => mean(values.filter((_value, i) => windowPhases[i] === phase)))
  const residuals = values.map((value, i) =>
    value === undefined ? undefined : value - (means[windowPhases[i] ?? 0] ?? 0),
  )
  const squares = sum(residuals.map((residual) => (residual ?? 0) ** 2))
  const degrees = Math.max(1, residuals.filter((residual) => residual !== undefined).length - phaseWindows.length)
  const observed = Math.sqrt(squares / degrees)
  const products = residuals.slice(1).map((residual, i) => (residual ?? 0) * (residuals[i] ?? 0))
  const correlation = squares === 0 ? 0 : sum(products) / squares - 1 / Math.sqrt(values.length)
  const clipped = Math.min(correlationMax, Math.max(0, correlation))
  return {
    means,
    sigma: Math.max(observed, chance),
    degrees: observed < chance ? degrees * 10 : degrees,
    strayed: { up: furthest(residuals), down: furthest(residuals.map((residual) => -(residual ?? 0))) },
    inflation: Math.sqrt((1 + clipped) / (1 - clipped)),
  }
}

function furthest(residuals: readonly (number | undefined)[]): number[] {
  const positive = residuals.filter((residual) => residual !== undefined).filter((residual) => residual > 0)
  return positive.sort((a, b) => b - a).slice(0, strayedMax)
}

/** Counts of each phase's windows; with several phases each gets one window's worth of the whole day besides. */
function poolPhases(windows: readonly Window[], phases: number, windowPhases: readonly number[], rowsUsual: number) {
  const whole = addAll(windows.map(({ bins }) => bins))
  const total = Math.max(1, sum(whole))
  return Array.from({ length: phases }, (_, phase) => {
    const ofPhase = windows.filter((_window, i) => windowPhases[i] === phase).map(({ bins }) => bins)
    if (phases === 1) return whole
    return addAll([...ofPhase, whole.map((count) => (count / total) * rowsUsual)])
  })
}

/** The most a deviation can score when healthy windows strayed as far: the normal score of its conformal p-value (ties at half;
 *  Vovk), by Tukey's lambda. A chart may have a wall or a long tail; what the baseline itself did is no news. */
function seenScore({ strayed }: Chart, deviation: number, windows: number): number {
  const side = deviation > 0 ? strayed.up : strayed.down
  const rank = side.filter((other) => other >= Math.abs(deviation) * (1 - 1e-9)).length
  if (rank === 0) return scoreMax
  const beyond = (rank + 0.5) / (windows + 1)
  return Math.max(0, 4.91 * ((1 - beyond) ** 0.14 - beyond ** 0.14))
}

/** The standard normal score as far out as `t` of Student's distribution (Wallace 1959); within 1 % for 10 degrees and more. */
export function normalScore(t: number, degrees: number): number {
  const score = ((8 * degrees + 1) / (8 * degrees + 3)) * Math.sqrt(degrees * Math.log1p((t * t) / degrees))
  return Math.sign(t) * score
}

function clip(value: number, max: number): number {
  return Math.max(-max, Math.min(max, value))
}

function mean(values: readonly (number | undefined)[]): number {
  const present = values.filter((value) => value !== undefined)
  return present.length === 0 ? 0 : sum(present) / present.length
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0
}

function addAll(vectors: readonly (readonly number[])[]): number[] {
  const total: number[] = []
  for (const vector of vectors) for (let i = 0; i < vector.length; i++) total[i] = (total[i] ?? 0) + (vector[i] ?? 0)
  return total
}
