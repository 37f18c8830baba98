// Counts on one version's scale brought onto another's: every baseline has edges of its own, and two distributions can
// only be compared on the same. Between edges the values are taken to lie evenly.

import type { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'

/** The counts on the scale `to`, in fractions where edges differ; undefined where they cannot be brought there (one
 *  numeric, one categorical; another number of bins than the scale has). */
export function rescale(counts: ColumnCounts, from: ColumnScale, to: ColumnScale): ColumnCounts | undefined {
  if (from.type === 'categorical' && to.type === 'categorical') {
    if (counts.bins.length !== from.values.length + 1) return undefined
    return { ...counts, bins: recategorise(counts.bins, from.values, to.values) }
  }
  if (from.type !== 'numeric' || to.type !== 'numeric' || counts.bins.length !== from.edges.length + 1) return undefined
  if (sameEdges(from.edges, to.edges)) return counts
  return { ...counts, bins: rebin(counts, from.edges, to.edges) }
}

const sameEdges = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((edge, i) => edge === b[i])

/** A value that the one scale does not name counts as any other. */
function recategorise(
  bins: readonly number[],
  from: readonly (string | number)[],
  to: readonly (string | number)[],
): number[] {
  const moved = to.map(() => 0)
  let other = bins.at(-1) ?? 0
  for (const [i, value] of from.entries()) {
    const place = to.indexOf(value)
    if (place < 0) other += bins[i] ?? 0
    else moved[place] = (moved[place] ?? 0) + (bins[i] ?? 0)
  }
  return [...moved, other]
}

function rebin(counts: ColumnCounts, from: readonly number[], to: readonly number[]): number[] {
  const total = counts.bins.reduce((sum, count) => sum + count, 0)
  const below = to.map((edge) => countBelow(counts, from, edge))
  return [...below, total].map((count, i) => Math.max(0, count - (below[i - 1] ?? 0)))
}

/** How many values lie below `edge`. The bins at both ends reach to the least and the greatest value seen. */
function countBelow({ bins, min, max }: ColumnCounts, edges: readonly number[], edge: number): number {
  let below = 0
  for (const [i, count] of bins.entries()) {
    const low = i === 0 ? Math.min(min ?? Number.NEGATIVE_INFINITY, edges[0] ?? 0) : (edges[i - 1] ?? 0)
    const high = edges[i] ?? Math.max(max ?? Number.POSITIVE_INFINITY, edges.at(-1) ?? 0)
    if (edge >= high) below += count
    else if (edge > low && Number.isFinite(low) && Number.isFinite(high)) below += (count * (edge - low)) / (high - low)
  }
  return below
}
