// The measures of drift that people know: PSI, Jensen-Shannon distance, Kolmogorov-Smirnov, Wasserstein.
// Shown, never deciding: a window of readings is no sample of independent rows (docs/drift.md; the verdict is in verdict.ts).

import type { ColumnCounts } from '../sketch/column.ts'
import type { BaselineColumn } from './baseline.ts'
import { ridit, sum } from './chart-values.ts'

/** Null where the measure does not apply (order and distance of categories) or too few rows tell. */
export type Measures = {
  psi: number | null
  jensenShannon: number | null
  ks: number | null
  wasserstein: number | null
}

/** Present rows both sides must have; below, chance alone makes every measure large. */
export const measuredRowsMin = 30
/** Bins that PSI and Jensen-Shannon are taken on: by chance alone PSI is about (bins - 1) / rows. */
const measuredBinsMax = 10

/** A column's counts against the whole baseline.
 *  - psi and jensenShannon: on at most ten bins of about equal share of the baseline, merged from the scale's; for categories the
 *    nine most frequent and the rest.
 *  - ks: the largest difference of the distribution functions at the scale's edges. What lies inside a bin is not seen, so it is
 *    at most the largest bin's share below the samples' own.
 *  - wasserstein: between the distribution functions drawn straight across each bin, in standard deviations of the baseline; the
 *    bins below and above reach to the least and the greatest value seen. Never less than the shift of the mean, which no
 *    distance of distributions is, and which the sums tell exactly. */
export function measureColumn(column: BaselineColumn, counts: ColumnCounts): Measures {
  const reference = column.windows.reduce<number[]>((total, window) => {
    return window.slice(0, -1).map((count, i) => count + (total[i] ?? 0))
  }, [])
  const enough = reference.length === counts.bins.length && sum(reference) >= measuredRowsMin
  if (!enough || sum(counts.bins) < measuredRowsMin)
    return { psi: null, jensenShannon: null, ks: null, wasserstein: null }
  const groups = column.scale.type === 'numeric' ? tenths(reference) : mostFrequent(reference)
  const merged = mergeBins(reference, groups)
  const current = mergeBins(counts.bins, groups)
  const shown = {
    psi: populationStabilityIndex(merged, current),
    jensenShannon: jensenShannonDistance(merged, current),
  }
  if (column.scale.type === 'categorical') return { ...shown, ks: null, wasserstein: null }
  const deviation = column.standardDeviation ?? 0
  const area = distanceOfCounts(column.scale.edges, reference, counts)
  const shift = Math.abs(counts.sum / sum(counts.bins) - (column.mean ?? 0))
  const wasserstein = deviation > 0 ? Math.max(area, shift) / deviation : null
  return { ...shown, ks: ksOfCounts(reference, counts.bins), wasserstein }
}

/** PSI: sum of (p - q) ln(p / q) over the shares p of the reference and q of the current counts, same bins.
 *  An empty bin counts as a share of 0.0001, or a millionth of the least share where that is no greater; nothing is
 *  normalised again (as Evidently 0.7 does). Symmetric; 0 for equal shares. */
export function populationStabilityIndex(reference: readonly number[], current: readonly number[]): number {
  const p = filledShares(reference)
  const q = filledShares(current)
  return p.reduce((total, share, i) => total + (share - (q[i] ?? 0)) * Math.log(share / (q[i] ?? 0)), 0)
}

/** The root of the Jensen-Shannon divergence to base 2: a metric from 0 (equal) to 1 (nothing in common). No smoothing.
 *  As scipy.spatial.distance.jensenshannon(p, q, 2); to base e it is this times sqrt(ln 2). */
export function jensenShannonDistance(reference: readonly number[], current: readonly number[]): number {
  const p = shares(reference)
  const q = shares(current)
  const divergence = p.reduce((total, a, i) => {
    const b = q[i] ?? 0
    return total + (towardsMiddle(a, b) + towardsMiddle(b, a)) / 2
  }, 0)
  // Rounding may leave it a hair outside of its bounds.
  return Math.sqrt(Math.min(1, Math.max(0, divergence)))
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

function towardsMiddle(a: number, b: number): number {
  return a === 0 ? 0 : a * Math.log2((2 * a) / (a + b))
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

function shares(counts: readonly number[]): number[] {
  const total = sum(counts)
  return counts.map((count) => count / total)
}

function filledShares(counts: readonly number[]): number[] {
  const plain = shares(counts)
  const least = Math.min(...plain.filter((share) => share > 0))
  const filling = least > 1e-4 ? 1e-4 : least / 1e6
  return plain.map((share) => (share === 0 ? filling : share))
}
