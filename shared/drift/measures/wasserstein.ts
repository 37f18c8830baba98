// The Wasserstein distance.

import type { ColumnCounts } from '../../sketch/column.ts'
import { sum } from '../chart-values.ts'
import { type Measure, shares } from './measure.ts'

/** Between the distribution functions drawn straight across each bin, in standard deviations of the baseline; the bins
 *  below and above reach to the least and the greatest value seen. Never less than the shift of the mean, which no distance
 *  of distributions is, and which the sums tell exactly. Categories have no distance. */
export const wasserstein: Measure = {
  title: 'Wasserstein',
  unit: 'sd',
  shades: [0.1, 0.3, 1, 2],
  of: ({ scale, reference, counts, mean, standardDeviation }) => {
    if (scale.type === 'categorical' || standardDeviation === null || standardDeviation === 0) return null
    const area = distanceOfCounts(scale.edges, reference, counts)
    const shift = Math.abs(counts.sum / sum(counts.bins) - (mean ?? 0))
    return Math.max(area, shift) / standardDeviation
  },
}

/** Area between the distribution functions, in the unit of the values; values lie evenly within their bin. */
function distanceOfCounts(edges: readonly number[], reference: readonly number[], counts: ColumnCounts): number {
  const first = edges[0] ?? 0
  const last = edges.at(-1) ?? first
  const bounds = [Math.min(first, counts.min ?? first), ...edges, Math.max(last, counts.max ?? last)]
  const p = shares(reference)
  const q = shares(counts.bins)
  let before = 0
  let area = 0
  for (let i = 0; i < p.length; i++) {
    const after = before + (p[i] ?? 0) - (q[i] ?? 0)
    const width = (bounds[i + 1] ?? last) - (bounds[i] ?? last)
    area += width * meanHeight(before, after)
    before = after
  }
  return area
}

/** The mean of |a straight line from `from` to `to`|. */
function meanHeight(from: number, to: number): number {
  if (from * to >= 0) return (Math.abs(from) + Math.abs(to)) / 2
  return (from * from + to * to) / (2 * (Math.abs(from) + Math.abs(to)))
}
