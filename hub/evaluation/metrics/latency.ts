// Percentiles of how long inferences took.

import type { Weights } from './sum.ts'

/** Row numbers, shortest time first. */
export const ascendingOrder = (values: Float64Array): Uint32Array =>
  Uint32Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))

/** The p-quantile of the values, each as often as its weight (a whole number) says; between order statistics linearly, as
 *  `quantile` in bootstrap.ts. Undefined where no row counts.
 *  @param order of `values`, ascending */
export function weightedQuantile(
  values: Float64Array,
  order: Uint32Array,
  p: number,
  weights?: Weights,
): number | undefined {
  let total = 0
  for (const row of order) total += weights === undefined ? 1 : (weights[row] ?? 0)
  if (total === 0) return undefined
  const at = p * (total - 1)
  const low = Math.floor(at)
  let passed = 0
  let lower: number | undefined
  for (const row of order) {
    passed += weights === undefined ? 1 : (weights[row] ?? 0)
    if (passed <= low) continue
    const value = values[row] ?? Number.NaN
    lower ??= value
    if (passed > low + 1 || passed === total) return lower + (at - low) * (value - lower)
  }
  return lower
}
