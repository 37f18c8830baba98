// Percentiles of how long inferences took.

import type { Weights } from './sum.ts'

/** Row numbers, shortest time first. */
export const ascendingOrder = (values: Float64Array): Uint32Array =>
  Uint32Array.from(values.keys()).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))

/** The p-quantile of the values for each of `ps` (rising), each value as often as its weight (a whole number) says;
 *  between order statistics linearly, as `quantile` in bootstrap.ts. Undefined where no row counts.
 *  @param order of `values`, ascending */
export function weightedQuantiles(
  values: Float64Array,
  order: Uint32Array,
  ps: readonly number[],
  weights?: Weights,
): (number | undefined)[] {
  let total = 0
  for (let row = 0; row < values.length; row++) total += weights === undefined ? 1 : (weights[row] ?? 0)
  if (total === 0) return ps.map(() => undefined)
  /** Rows before `at` weigh `passed`. */
  let at = 0
  let passed = 0
  return ps.map((p) => {
    const place = p * (total - 1)
    const low = Math.floor(place)
    const next = () => {
      const row = order[at] ?? 0
      return passed + (weights === undefined ? 1 : (weights[row] ?? 0))
    }
    let reached = next()
    while (reached <= low) {
      passed = reached
      at += 1
      reached = next()
    }
    const lower = values[order[at] ?? 0] ?? Number.NaN
    if (reached > low + 1 || reached === total) return lower
    let above = at + 1
    while (weights !== undefined && weights[order[above] ?? 0] === 0) above += 1
    return lower + (place - low) * ((values[order[above] ?? 0] ?? Number.NaN) - lower)
  })
}
