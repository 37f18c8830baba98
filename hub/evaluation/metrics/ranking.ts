// The area under the ROC curve: how often a positive row is ranked above a negative one, ties counted as half
// (the Mann-Whitney form; Hanley and McNeil 1982). The same as the trapezoids under the curve of sklearn.metrics.

import type { Weights } from './sum.ts'

/** Row numbers, highest score first. Sorted once, it serves every resample. */
export function descendingOrder(scores: Float64Array): Uint32Array {
  return Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
}

/** @param order of `scores`, from `descendingOrder`
 *  @returns undefined where the rows that count are all of one class */
export function rocAuc(
  scores: Float64Array,
  order: Uint32Array,
  isPositive: (row: number) => boolean,
  weights?: Weights,
): number | undefined {
  let positives = 0
  let negatives = 0
  // weight of pairs in which the positive one is ahead, a tie half
  let won = 0
  for (let at = 0; at < order.length; ) {
    const score = scores[order[at] ?? 0]
    let tiedPositives = 0
    let tiedNegatives = 0
    for (; at < order.length; at++) {
      const row = order[at] ?? 0
      if (scores[row] !== score) break
      const weight = weights === undefined ? 1 : (weights[row] ?? 0)
      if (isPositive(row)) tiedPositives += weight
      else tiedNegatives += weight
    }
    won += tiedNegatives * (positives + tiedPositives / 2)
    positives += tiedPositives
    negatives += tiedNegatives
  }
  return positives === 0 || negatives === 0 ? undefined : won / positives / negatives
}

/** Mean of the one-vs-rest areas of all classes (roc_auc_score with multi_class='ovr', average='macro'; Fawcett 2006).
 *  @param probabilities of each class, one array a class
 *  @returns undefined where a class does not occur among the labels: scikit-learn refuses that too */
export function rocAucOneVsRest(
  probabilities: readonly Float64Array[],
  orders: readonly Uint32Array[],
  labels: ArrayLike<number>,
  weights?: Weights,
): number | undefined {
  let sum = 0
  for (const [k, scores] of probabilities.entries()) {
    const area = rocAuc(scores, orders[k] ?? descendingOrder(scores), (row) => labels[row] === k, weights)
    if (area === undefined) return undefined
    sum += area
  }
  return probabilities.length === 0 ? undefined : sum / probabilities.length
}
