// Attribution of one prediction by sampled Shapley values (Strumbelj and Kononenko 2014, algorithm 1; Castro et al.
// 2009): in a random order, the inputs of a random row of the dataset are replaced by those of the row that is explained,
// one after the other, and each gets the change it makes. The mean over samples is unbiased; its standard error says how
// far it may still be off.

import { below, permutation, type Uniform } from '../../seeded-random.ts'

/** One walk from a row of the background to the row that is explained. */
export type Walk = { background: number; order: Uint32Array }

export type Attribution = {
  /** What the input adds to the prediction, compared with the background. */
  value: number
  /** Of the sampling: the standard deviation over the walks divided by the square root of their number. */
  standardError: number
}

export function drawWalks(uniform: Uniform, walks: number, inputs: number, backgroundRows: number): Walk[] {
  return Array.from({ length: walks }, () => ({
    background: below(uniform, backgroundRows),
    order: permutation(uniform, inputs),
  }))
}

/** The rows to run the model on, `inputs + 1` for each walk: the background row, then one more input replaced each time.
 *  @param groups the columns of each input */
export function* walkRows(
  row: Float64Array,
  background: (row: number) => Float64Array,
  groups: readonly (readonly number[])[],
  walks: readonly Walk[],
): Generator<Float64Array, void, undefined> {
  for (const walk of walks) {
    const mixed = Float64Array.from(background(walk.background))
    yield mixed.slice()
    for (const input of walk.order) {
      for (const column of groups[input] ?? []) mixed[column] = row[column] ?? Number.NaN
      yield mixed.slice()
    }
  }
}

/** @param values what the model gave for each row of `walkRows`
 *  @returns one attribution an input, and of the background's prediction: they add up to the prediction */
export function readWalks(
  values: Float64Array,
  walks: readonly Walk[],
  inputs: number,
): { inputs: Attribution[]; background: Attribution } {
  const steps = Array.from({ length: inputs }, () => new Float64Array(walks.length))
  const starts = new Float64Array(walks.length)
  for (const [walk, { order }] of walks.entries()) {
    const at = walk * (inputs + 1)
    starts[walk] = values[at] ?? Number.NaN
    for (const [step, input] of order.entries()) {
      const of = steps[input]
      if (of !== undefined) of[walk] = (values[at + step + 1] ?? Number.NaN) - (values[at + step] ?? Number.NaN)
    }
  }
  return { inputs: steps.map(meanWithError), background: meanWithError(starts) }
}

function meanWithError(values: Float64Array): Attribution {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, count - 1)
  return { value: mean, standardError: Math.sqrt(variance / count) }
}
