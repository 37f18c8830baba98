// The Kolmogorov-Smirnov statistic.

import { type Measure, shares } from './measure.ts'

/** At the scale's edges: what lies inside a bin is not seen, so it is at most the largest bin's share below the samples'
 *  own. Categories have no order. */
export const ks: Measure = {
  title: 'KS',
  shades: [0.1, 0.2, 0.4, 0.6],
  of: ({ scale, reference, current }) => (scale.type === 'numeric' ? ksOfCounts(reference, current) : null),
}

/** The largest difference of two distribution functions that are known at the bins' edges. */
export function ksOfCounts(reference: readonly number[], current: readonly number[]): number {
  const p = shares(reference)
  const q = shares(current)
  let ahead = 0
  let largest = 0
  for (let i = 0; i < p.length; i++) {
    ahead += (p[i] ?? 0) - (q[i] ?? 0)
    largest = Math.max(largest, Math.abs(ahead))
  }
  return Math.min(1, largest)
}
