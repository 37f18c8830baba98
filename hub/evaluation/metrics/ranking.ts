// The area under the ROC curve: how often a positive row is ranked above a negative one, ties counted as half
// (the Mann-Whitney form; Hanley and McNeil 1982). The same as the trapezoids under the curve of sklearn.metrics.

import type { Weights } from './sum.ts'

/** Sorted once, it serves every resample: the walk of each reads three arrays from front to back and one at random.
 *  What is returned gives undefined where the rows that count are all of one class. */
export function prepareRocAuc(
  scores: Float64Array,
  isPositive: (row: number) => boolean,
): (weights?: Weights) => number | undefined {
  const order = Uint32Array.from(scores.keys()).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0))
  const positive = Uint8Array.from(order, (row) => (isPositive(row) ? 1 : 0))
  const endsTie = Uint8Array.from(order, (row, at) => (scores[order[at + 1] ?? -1] === scores[row] ? 0 : 1))
  return (weights) => {
    let positives = 0
    let negatives = 0
    // weight of pairs in which the positive one is ahead, a tie half
    let won = 0
    let tiedPositives = 0
    let tiedNegatives = 0
    for (let at = 0; at < order.length; at++) {
      const weight = weights === undefined ? 1 : (weights[order[at] ?? 0] ?? 0)
      const counted = weight * (positive[at] ?? 0)
      tiedPositives += counted
      tiedNegatives += weight - counted
      if (endsTie[at] === 0) continue
      won += tiedNegatives * (positives + tiedPositives / 2)
      positives += tiedPositives
      negatives += tiedNegatives
      tiedPositives = 0
      tiedNegatives = 0
    }
    return positives === 0 || negatives === 0 ? undefined : won / positives / negatives
  }
}

/** Mean of the one-vs-rest areas of all classes (roc_auc_score with multi_class='ovr', average='macro'; Fawcett 2006);
 *  undefined where a class does not occur among the labels: scikit-learn refuses that too.
 *  @param probabilities of each class, one array a class */
export function prepareOneVsRest(
  probabilities: readonly Float64Array[],
  labels: ArrayLike<number>,
): (weights?: Weights) => number | undefined {
  const areas = probabilities.map((scores, k) => prepareRocAuc(scores, (row) => labels[row] === k))
  return (weights) => {
    let sum = 0
    for (const areaOn of areas) {
      const area = areaOn(weights)
      if (area === undefined) return undefined
      sum += area
    }
    return areas.length === 0 ? undefined : sum / areas.length
  }
}
