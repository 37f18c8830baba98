// What a measure of drift is: a figure for people between the counts of a column and its baseline's. It decides nothing.
// A new one is a file beside this, and a line in ../measures.ts.

import type { ColumnCounts, ColumnScale } from '../../sketch/column.ts'

export type Measure = {
  /** As people call it. */
  title: string
  /** What its figures are in; absent where they have no unit. */
  unit?: string
  /** Where shades of a picture begin, rising. They only order what is seen: no line between good and bad. */
  shades: readonly [number, number, number, number]
  /** Null where it does not apply to such a column. */
  of: (compared: Compared) => number | null
}

/** A column's counts and its baseline's, enough rows of both. */
export type Compared = {
  scale: ColumnScale
  /** Counts on the scale's own bins. */
  reference: readonly number[]
  current: readonly number[]
  /** The same on at most ten bins: tenths of the baseline, or its nine most frequent categories and the rest. */
  merged: { reference: readonly number[]; current: readonly number[] }
  /** Of the baseline; null for categories. */
  mean: number | null
  standardDeviation: number | null
  counts: ColumnCounts
}

export function shares(counts: readonly number[]): number[] {
  let total = 0
  for (const count of counts) total += count
  return counts.map((count) => count / total)
}
