// Chooses the scale of a column from the baseline's values: where the bins end, or which categories there are.

import { binsMax, type ColumnScale } from './column.ts'

/** Rising edges around at most `bins` bins that hold about equally many of the values each; NaN and infinities are left out.
 *  Edges lie half-way between neighbouring values, the outer ones just beyond the least and the greatest, so a value that
 *  a device holds as float32 falls into the same bin, and "below" and "above" stay empty over the baseline itself.
 *  Where there are no more distinct values than bins, each has its own. Values of which none is finite give the one edge 0. */
export function numericScale(values: Float64Array, bins: number = binsMax): ColumnScale {
  const sorted = values.filter(Number.isFinite).sort()
  const least = sorted[0]
  const greatest = sorted.at(-1)
  if (least === undefined || greatest === undefined) return { type: 'numeric', edges: [0] }
  const inner = innerEdges(sorted, Math.min(bins, binsMax))
  return { type: 'numeric', edges: [least - slack(least), ...inner, greatest + slack(greatest)] }
}

/** The most frequent values, at most `valuesMax` of them; ties in order of the values. Null and NaN are left out.
 *  @throws RangeError if no value is left */
export function categoricalScale(
  values: Iterable<string | number | null>,
  valuesMax: number = binsMax,
): Extract<ColumnScale, { type: 'categorical' }> {
  const counts = new Map<string | number, number>()
  for (const value of values) {
    if (value === null || Number.isNaN(value)) continue
    counts.set(value, (counts.get(value) ?? 0) + 1)
  }
  if (counts.size === 0) throw new RangeError('a categorical scale needs at least one value')
  const byFrequency = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
  return { type: 'categorical', values: byFrequency.slice(0, Math.min(valuesMax, binsMax)).map(([value]) => value) }
}

/** Half-way edges between runs of equal values, nearest to the ranks that would make the bins equal. */
function innerEdges(sorted: Float64Array, bins: number): number[] {
  const boundaries: number[] = [] // ranks at which a greater value begins
  for (let i = 1; i < sorted.length; i++) if (at(sorted, i) > at(sorted, i - 1)) boundaries.push(i)
  const chosen = boundaries.length < bins ? boundaries : nearestBoundaries(boundaries, sorted.length, bins)
  return chosen.map((rank) => between(at(sorted, rank - 1), at(sorted, rank)))
}

function nearestBoundaries(boundaries: readonly number[], length: number, bins: number): number[] {
  const chosen = new Set<number>()
  let next = 0
  for (let bin = 1; bin < bins; bin++) {
    const wanted = (bin * length) / bins
    while (
      next + 1 < boundaries.length &&
      distance(boundaries, next + 1, wanted) <= distance(boundaries, next, wanted)
    ) {
      next++
    }
    chosen.add(boundaries[next] ?? length)
  }
  return [...chosen]
}

function distance(boundaries: readonly number[], index: number, wanted: number): number {
  return Math.abs((boundaries[index] ?? Number.POSITIVE_INFINITY) - wanted)
}

/** An edge e with low < e <= high; the middle where there are doubles between them. */
function between(low: number, high: number): number {
  const middle = low / 2 + high / 2
  return middle > low ? middle : high
}

/** What a rounding to float32 may move a value by, four times over. */
function slack(value: number): number {
  return Math.max(Math.abs(value) * 2 ** -22, 1e-30)
}

function at(values: Float64Array, index: number): number {
  return values[index] ?? 0
}
