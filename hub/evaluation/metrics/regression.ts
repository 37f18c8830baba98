// Errors of numbers: MAE, RMSE and R², with scikit-learn's edge cases.

import { meanOf, sumOf, type Weights } from './sum.ts'

/** Mean of |prediction - target|; undefined where no row counts. */
export function meanAbsoluteError(
  targets: Float64Array,
  predicted: Float64Array,
  weights?: Weights,
): number | undefined {
  return meanOf(targets.length, weights, (row) => Math.abs(errorOf(targets, predicted, row)))
}

/** Square root of the mean squared error; undefined where no row counts. */
export function rootMeanSquaredError(
  targets: Float64Array,
  predicted: Float64Array,
  weights?: Weights,
): number | undefined {
  const mean = meanOf(targets.length, weights, (row) => errorOf(targets, predicted, row) ** 2)
  return mean === undefined ? undefined : Math.sqrt(mean)
}

/** 1 - Σ(y - ŷ)² / Σ(y - ȳ)² (sklearn.metrics.r2_score). Where all targets are equal: 1 if every prediction is right,
 *  else 0. Undefined for less than two rows. */
export function r2Score(targets: Float64Array, predicted: Float64Array, weights?: Weights): number | undefined {
  const count = targets.length
  const weightOf = (row: number) => (weights === undefined ? 1 : (weights[row] ?? 0))
  if (sumOf(count, weightOf) < 2) return undefined
  const mean = meanOf(count, weights, (row) => targets[row] ?? Number.NaN)
  if (mean === undefined) return undefined
  const residual = sumOf(count, (row) => weightOf(row) * errorOf(targets, predicted, row) ** 2)
  const total = sumOf(count, (row) => weightOf(row) * ((targets[row] ?? Number.NaN) - mean) ** 2)
  if (total === 0) return residual === 0 ? 1 : 0
  return 1 - residual / total
}

const errorOf = (targets: Float64Array, predicted: Float64Array, row: number): number =>
  (predicted[row] ?? Number.NaN) - (targets[row] ?? Number.NaN)
