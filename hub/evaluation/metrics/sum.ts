// Sums and means that do not lose what is small beside what is large.

/** Weights of rows: how often each counts. Without them every row counts once. */
export type Weights = ArrayLike<number> | undefined

/** Sum of `count` terms, compensated (Neumaier 1974, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher
 *  Summen"): the error does not grow with the number of terms. Infinities and NaN come out as a plain sum gives them. */
export function sumOf(count: number, term: (row: number) => number): number {
  let sum = 0
  let lost = 0
  for (let row = 0; row < count; row++) {
    const value = term(row)
    const next = sum + value
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
    sum = next
  }
  return Number.isFinite(sum) ? sum + lost : sum
}

/** Weighted mean of a value of each row; undefined where no row counts. */
export function meanOf(count: number, weights: Weights, value: (row: number) => number): number | undefined {
  const total = weights === undefined ? count : sumOf(count, (row) => weights[row] ?? 0)
  if (total === 0) return undefined
  if (weights === undefined) return sumOf(count, value) / total
  // a row that does not count must not bring its infinity or NaN
  return sumOf(count, (row) => (weights[row] ? (weights[row] ?? 0) * value(row) : 0)) / total
}

/** `meanOf` of values that are computed already, for resamples: weights are whole numbers, so that their sum is exact. */
export function weightedMean(values: Float64Array, weights: Weights): number | undefined {
  if (weights === undefined) return meanOf(values.length, weights, (row) => values[row] ?? 0)
  let total = 0
  let sum = 0
  let lost = 0
  for (let row = 0; row < values.length; row++) {
    const weight = weights[row] ?? 0
    // a row that does not count must not bring its infinity or NaN
    if (weight === 0) continue
    total += weight
    const value = weight * (values[row] ?? 0)
    const next = sum + value
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum
    sum = next
  }
  return total === 0 ? undefined : (Number.isFinite(sum) ? sum + lost : sum) / total
}
