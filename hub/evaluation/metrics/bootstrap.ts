// 95 % intervals by the bootstrap: rows are drawn with replacement, the figure is computed anew, and the middle 95 % of
// what comes out is the interval (percentile method; Efron 1979, Efron and Tibshirani 1993, chapter 13). A resample is a
// weight for every row, so that whatever is compared is compared on the same rows.

import { below, type Uniform } from '../../seeded-random.ts'

/** Enough for the 2.5 % tails: about 25 resamples lie in each. */
export const resamples = 1000
const tail = 0.025
/** Where a figure has no value on more than half of the resamples, what is left says nothing of its spread. */
const definedShareMin = 0.5

export type Figure = { value: number; low: number; high: number }

/** How often each row is drawn: `rows` draws with replacement. With `clusters` (a number below `clusterCount` for each
 *  row) whole clusters are drawn, for rows that belong together, such as those of one device (Field and Welsh 2007). */
export function drawWeights(
  uniform: Uniform,
  rows: number,
  clusters?: { of: ArrayLike<number>; count: number },
): Uint16Array {
  const drawn = new Uint16Array(clusters?.count ?? rows)
  for (let draw = 0; draw < drawn.length; draw++) {
    const at = below(uniform, drawn.length)
    drawn[at] = (drawn[at] ?? 0) + 1
  }
  return clusters === undefined
    ? drawn
    : Uint16Array.from({ length: rows }, (_, row) => drawn[clusters.of[row] ?? 0] ?? 0)
}

/** The figure with its interval, from its values on the resamples (undefined where it has none there).
 *  Undefined where too few resamples give one. */
export function figureOf(value: number, values: readonly (number | undefined)[]): Figure | undefined {
  const defined = Float64Array.from(values.filter((resampled) => resampled !== undefined)).sort()
  if (defined.length === 0 || defined.length < definedShareMin * values.length) return undefined
  return { value, low: quantile(defined, tail), high: quantile(defined, 1 - tail) }
}

/** Between the two nearest order statistics, linearly (Hyndman and Fan 1996, type 7: numpy's and R's default).
 *  @param sorted ascending, not empty */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1)
  const low = Math.floor(at)
  const below = sorted[low] ?? Number.NaN
  const above = sorted[Math.min(low + 1, sorted.length - 1)] ?? Number.NaN
  return below + (at - low) * (above - below)
}
