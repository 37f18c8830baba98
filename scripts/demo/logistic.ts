// Logistic regression by Newton's method: no random start and no step size, so the same rows give the same weights.

/** probability = 1 / (1 + exp(-(bias + weights · x))), for x as given, not standardised. */
export type LogisticModel = { weights: number[]; bias: number }

/** Enough for 10 digits on the demo's data; each step costs rows × features². */
const newtonSteps = 40

/** Fits on standardised columns with a ridge penalty of `ridge` / 2 × |weights|², then folds the standardisation back
 *  into the weights (Bishop, Pattern Recognition and Machine Learning, 4.3.3).
 *  @throws RangeError when a column is constant or the rows leave a direction undetermined */
export function fitLogistic(rows: readonly Float64Array[], labels: readonly number[], ridge: number): LogisticModel {
  const columns = rows[0]?.length ?? 0
  const means = Array.from({ length: columns }, (_, j) => average(rows.map((row) => at(row, j))))
  const deviations = means.map((mean, j) => Math.sqrt(average(rows.map((row) => (at(row, j) - mean) ** 2))))
  if (deviations.some((deviation) => !(deviation > 0))) throw new RangeError('a column is constant')
  const standard = rows.map((row) => [...means.map((mean, j) => (at(row, j) - mean) / at(deviations, j)), 1])
  let weights = new Array<number>(columns + 1).fill(0)
  for (let step = 0; step < newtonSteps; step++) weights = newtonStep(weights, standard, labels, ridge)
  const folded = deviations.map((deviation, j) => at(weights, j) / deviation)
  const bias = folded.reduce((sum, weight, j) => sum - weight * at(means, j), at(weights, columns))
  return { weights: folded, bias }
}

export function probabilityOf({ weights, bias }: LogisticModel, row: ArrayLike<number>): number {
  return logistic(weights.reduce((sum, weight, j) => sum + weight * at(row, j), bias))
}

function newtonStep(weights: number[], rows: number[][], labels: readonly number[], ridge: number): number[] {
  const size = weights.length
  const gradient = new Array<number>(size).fill(0)
  const curvature = weights.map(() => new Array<number>(size).fill(0))
  for (const [i, row] of rows.entries()) {
    const probability = logistic(row.reduce((sum, x, j) => sum + x * at(weights, j), 0))
    const spread = probability * (1 - probability)
    for (let j = 0; j < size; j++) {
      gradient[j] = at(gradient, j) + (probability - at(labels, i)) * at(row, j)
      const line = curvature[j]
      for (let k = 0; line !== undefined && k < size; k++) line[k] = at(line, k) + spread * at(row, j) * at(row, k)
    }
  }
  // The last weight is the bias: it is not held small.
  for (let j = 0; j < size - 1; j++) {
    gradient[j] = at(gradient, j) + ridge * at(weights, j)
    const line = curvature[j]
    if (line !== undefined) line[j] = at(line, j) + ridge
  }
  const change = solve(curvature, gradient)
  return weights.map((weight, j) => weight - at(change, j))
}

/** Gauss-Jordan with partial pivoting. */
function solve(matrix: number[][], right: number[]): number[] {
  const lines = matrix.map((line, i) => [...line, at(right, i)])
  for (let column = 0; column < lines.length; column++) {
    const below = lines.slice(column).map((line) => Math.abs(at(line, column)))
    const pivotAt = column + below.indexOf(Math.max(...below))
    const pivot = lines[pivotAt]
    const here = lines[column]
    if (pivot === undefined || here === undefined || at(pivot, column) === 0) throw new RangeError('rows leave it open')
    lines[pivotAt] = here
    lines[column] = pivot.map((x) => x / at(pivot, column))
    for (const [i, line] of lines.entries()) {
      if (i !== column) lines[i] = line.map((x, k) => x - at(line, column) * at(lines[column] ?? [], k))
    }
  }
  return lines.map((line) => line.at(-1) ?? 0)
}

function logistic(z: number): number {
  return 1 / (1 + Math.exp(-z))
}

function average(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function at(values: ArrayLike<number>, index: number): number {
  const value = values[index]
  if (value === undefined) throw new RangeError(`no element ${index}`)
  return value
}
