// Permutation importance: how much worse a figure becomes when one input is shuffled among the rows, so that it says
// nothing any more (Breiman 2001; model-agnostic as in Fisher, Rudin and Dominici 2019, and as
// sklearn.inspection.permutation_importance reports it: the mean over repeats, with their standard deviation).

import { permutation, type Uniform } from '../../seeded-random.ts'

/** scikit-learn's default. */
export const importanceRepeats = 5

export type Importance = {
  input: string
  /** Mean loss of the figure over the repeats; near 0, or below it by chance, where the input does not matter. */
  mean: number
  /** Population standard deviation over the repeats. */
  deviation: number
}

/** Which row each row takes its value of an input from: for every input `importanceRepeats` permutations. */
export function drawPermutations(uniform: Uniform, inputs: number, rows: number): Uint32Array[][] {
  return Array.from({ length: inputs }, () =>
    Array.from({ length: importanceRepeats }, () => permutation(uniform, rows)),
  )
}

/** @param whole the figure on the rows as they are; higher is better
 *  @param shuffled the figure in each repeat */
export function importanceOf(input: string, whole: number, shuffled: readonly number[]): Importance {
  const losses = shuffled.map((value) => whole - value)
  const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
  const variance = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / losses.length
  return { input, mean, deviation: Math.sqrt(variance) }
}
