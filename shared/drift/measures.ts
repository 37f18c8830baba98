// The measures of drift that people know, one file each in measures/.
// Shown, never deciding: a window of readings is no sample of independent rows (docs/drift.md; the verdict is in verdict.ts).

import type { ColumnCounts } from '../sketch/column.ts'
import type { BaselineColumn } from './baseline.ts'
import { ridit, sum } from './chart-values.ts'
import { jensenShannon } from './measures/jensen-shannon.ts'
import { ks } from './measures/kolmogorov-smirnov.ts'
import type { Measure } from './measures/measure.ts'
import { psi } from './measures/psi.ts'
import { wasserstein } from './measures/wasserstein.ts'

/** All there are, by the names of their fields in answers. */
export const measures = { psi, jensenShannon, ks, wasserstein } as const satisfies Record<string, Measure>
export type MeasureName = keyof typeof measures
// the keys of a literal are those of its type
export const measureNames = Object.keys(measures) as MeasureName[]

/** Null where a measure does not apply (order and distance of categories) or too few rows tell. */
export type Measures = Record<MeasureName, number | null>

/** Something for each measure, under its name. */
export const eachMeasure = <T>(make: (name: MeasureName) => T): Record<MeasureName, T> =>
  // complete, because the names are
  Object.fromEntries(measureNames.map((name) => [name, make(name)])) as Record<MeasureName, T>

/** Present rows both sides must have; below, chance alone makes every measure large. */
export const measuredRowsMin = 30
/** Bins that PSI and Jensen-Shannon are taken on: by chance alone PSI is about (bins - 1) / rows. */
const measuredBinsMax = 10

/** A column's counts against the whole baseline. */
export const measureColumn = (column: BaselineColumn, counts: ColumnCounts): Measures =>
  measureAgainst(column, referenceOf(column), counts)

/** The whole baseline's counts on the scale: all its windows, without the missing. */
export const referenceOf = ({ windows }: Pick<BaselineColumn, 'windows'>): number[] => addUp(windows).slice(0, -1)

/** The counts of all windows, element by element. */
export function addUp(windows: readonly (readonly number[])[]): number[] {
  const total = new Array<number>(windows[0]?.length ?? 0).fill(0)
  for (const window of windows) for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + (window[i] ?? 0)
  return total
}

/** The same for who measures much against one baseline: `reference` is added up once. */
export function measureAgainst(
  { scale, mean, standardDeviation }: Pick<BaselineColumn, 'scale' | 'mean' | 'standardDeviation'>,
  reference: readonly number[],
  counts: ColumnCounts,
): Measures {
  const enough = reference.length === counts.bins.length && sum(reference) >= measuredRowsMin
  if (!enough || sum(counts.bins) < measuredRowsMin) return eachMeasure(() => null)
  const groups = scale.type === 'numeric' ? tenths(reference) : mostFrequent(reference)
  const merged = { reference: mergeBins(reference, groups), current: mergeBins(counts.bins, groups) }
  const compared = { scale, mean, standardDeviation, reference, current: counts.bins, merged, counts }
  return eachMeasure((name) => measures[name].of(compared))
}

/** For each bin the tenth of the baseline that its middle lies in. */
function tenths(reference: readonly number[]): number[] {
  return ridit(reference).map((middle) => Math.min(measuredBinsMax - 1, Math.floor(measuredBinsMax * middle)))
}

/** Each of the most frequent in a group of its own, the others together. */
function mostFrequent(reference: readonly number[]): number[] {
  const byFrequency = reference.map((count, i) => ({ count, i })).sort((a, b) => b.count - a.count)
  const rank = new Map(byFrequency.map(({ i }, place) => [i, Math.min(place, measuredBinsMax - 1)]))
  return reference.map((_, i) => rank.get(i) ?? measuredBinsMax - 1)
}

/** Sums of the bins of each group; groups without a bin are left out. */
function mergeBins(counts: readonly number[], groups: readonly number[]): number[] {
  const merged = new Map<number, number>()
  for (const [i, group] of groups.entries()) merged.set(group, (merged.get(group) ?? 0) + (counts[i] ?? 0))
  return [...merged.values()]
}
