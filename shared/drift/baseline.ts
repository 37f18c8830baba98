// What the training data looked like, kept window by window, on scales that devices record on.
// The windows are the yardstick: how much they differ from one another is what a healthy device may differ.

import { z } from 'zod'
import { ColumnScale } from '../sketch/column.ts'
import { createColumnRecorders } from '../sketch/recorder.ts'
import { categoricalScale, numericScale } from '../sketch/scale.ts'
import { cutWindows } from './stretches.ts'

/** A window ends at `rows` inferences or after `seconds`, whichever comes first. */
export const WindowSpec = z.object({
  rows: z.number().int().positive().optional(),
  seconds: z.number().positive().max(86_400),
})
export type WindowSpec = z.infer<typeof WindowSpec>

export const baselineWindowsMax = 400

export const BaselineColumn = z.object({
  kind: z.enum(['feature', 'output']),
  scale: ColumnScale,
  mean: z.number().nullable(),
  standardDeviation: z.number().nonnegative().nullable(),
  /** Per baseline window, in their order: counts on the scale (as ColumnCounts.bins), then missing as last element. */
  windows: z.array(z.array(z.number().int().nonnegative())).max(baselineWindowsMax),
})
export type BaselineColumn = z.infer<typeof BaselineColumn>

export const Baseline = z.object({
  formatVersion: z.literal(1),
  window: WindowSpec,
  rows: z.number().int().nonnegative(),
  /** Parts of the day that windows are told apart by; 1 where they are not. */
  phases: z.number().int().positive().max(24),
  windowPhases: z.array(z.number().int().nonnegative()).max(baselineWindowsMax),
  columns: z.record(z.string(), BaselineColumn),
})
export type Baseline = z.infer<typeof Baseline>

/** Bins a numeric column is watched on. 32, where the format allows 64: ridits lose a thousandth of their efficiency,
 *  a column's recorder stays within 600 bytes, and a report is half as long. */
export const baselineBins = 32

/** Columns of at most this many distinct values, whole numbers all of them, are categories (as Evidently's rule). */
const categoriesMax = 5

export type Sample = {
  /** Values in the order of the rows; NaN is missing. All columns have the same number of rows. */
  columns: readonly { name: string; kind: 'feature' | 'output'; values: Float64Array }[]
  /** When each row was, milliseconds since 1970. */
  times?: Float64Array
  /** Which device (or other source) each row is of, any numbers; without it all rows are one stretch. */
  groups?: ArrayLike<number>
  window: WindowSpec
}

/** The baseline of a sample of training data: a scale for every column, and the counts of every window on it.
 *  Windows are cut as stretches.ts says. Windows beyond 400 are left out evenly, their rows still shape the scales.
 *  @throws RangeError if columns, times and groups differ in length */
export function buildBaseline(sample: Sample): Baseline {
  const rows = sample.columns[0]?.values.length ?? 0
  const lengths = [...sample.columns.map(({ values }) => values), sample.times, sample.groups].map(
    (a) => a?.length ?? rows,
  )
  if (lengths.some((length) => length !== rows)) throw new RangeError('columns, times and groups differ in length')

  const { windows, phases, windowPhases } = cutWindows(rows, sample, baselineWindowsMax)
  const scales = sample.columns.map(({ values }) => chooseScale(values))
  const counts = countWindows(sample.columns, scales, windows)
  const columns = sample.columns.map(({ name, kind, values }, i): [string, BaselineColumn] => {
    const scale = scales[i] ?? numericScale(values, baselineBins)
    return [name, { kind, scale, ...moments(values, scale), windows: counts[i] ?? [] }]
  })
  const { window } = sample
  return { formatVersion: 1, window, rows, phases, windowPhases, columns: Object.fromEntries(columns) }
}

/** Categories where the values are few and whole; else bins. Whole, because 0.1 is another number in float32. */
export function chooseScale(values: Float64Array): ColumnScale {
  const distinct = new Set<number>()
  for (const value of values) {
    if (Number.isNaN(value)) continue
    if (!Number.isInteger(value)) return numericScale(values, baselineBins)
    distinct.add(value)
    if (distinct.size > categoriesMax) return numericScale(values, baselineBins)
  }
  // A column that never changes keeps its place on a scale: a number that leaves it has a direction.
  return distinct.size < 2 ? numericScale(values, baselineBins) : categoricalScale(distinct)
}

/** Per column, per window: the counts on its scale, missing last. */
function countWindows(
  columns: Sample['columns'],
  scales: readonly ColumnScale[],
  windows: readonly Uint32Array[],
): number[][][] {
  const recorders = createColumnRecorders(scales)
  return columns.map(({ values }, i) => {
    const recorder = recorders[i]
    if (recorder === undefined) return []
    return windows.map((rows) => {
      recorder.reset()
      for (const row of rows) recorder.record(values[row] ?? Number.NaN)
      const { bins, missing } = recorder.snapshot()
      return [...bins, missing]
    })
  })
}

/** Mean and population deviation of the finite values, in two passes; null for categories and where there are none. */
function moments(values: Float64Array, scale: ColumnScale): { mean: number | null; standardDeviation: number | null } {
  const present = values.filter(Number.isFinite)
  if (scale.type === 'categorical' || present.length === 0) return { mean: null, standardDeviation: null }
  const mean = present.reduce((sum, value) => sum + value, 0) / present.length
  const variance = present.reduce((sum, value) => sum + (value - mean) ** 2, 0) / present.length
  return { mean, standardDeviation: Math.sqrt(variance) }
}
