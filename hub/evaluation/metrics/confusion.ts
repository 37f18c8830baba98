// The confusion matrix and what follows from it, with scikit-learn's definitions: a ratio whose denominator is zero is
// 0 (its `zero_division` default), and classes that occur neither among labels nor predictions do not count in averages.

import type { Weights } from './sum.ts'

/** `counts[label * classes + predicted]`: weight of the rows with that label and that prediction. */
export type Confusion = { classes: number; counts: Float64Array }

/** `labels` and `predicted` are class indices below `classes`. */
export function confusionOf(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
  weights?: Weights,
): Confusion {
  const counts = new Float64Array(classes * classes)
  for (let row = 0; row < labels.length; row++) {
    const cell = (labels[row] ?? 0) * classes + (predicted[row] ?? 0)
    counts[cell] = (counts[cell] ?? 0) + (weights === undefined ? 1 : (weights[row] ?? 0))
  }
  return { classes, counts }
}

/** Share of rows predicted right; undefined where there are none. */
export function accuracy({ classes, counts }: Confusion): number | undefined {
  let total = 0
  let right = 0
  for (const count of counts) total += count
  for (let k = 0; k < classes; k++) right += counts[k * classes + k] ?? 0
  return total === 0 ? undefined : right / total
}

export type ClassScores = {
  /** tp / (tp + fp) */
  precision: number
  /** tp / (tp + fn) */
  recall: number
  /** 2 tp / (2 tp + fp + fn), the harmonic mean of the two */
  f1: number
  /** Weight of the rows that carry the label. */
  support: number
}

/** One class against the rest (sklearn.metrics.precision_recall_fscore_support). */
export function classScores({ classes, counts }: Confusion, k: number): ClassScores {
  const tp = counts[k * classes + k] ?? 0
  let predicted = 0
  let support = 0
  for (let other = 0; other < classes; other++) {
    predicted += counts[other * classes + k] ?? 0
    support += counts[k * classes + other] ?? 0
  }
  return {
    precision: ratio(tp, predicted),
    recall: ratio(tp, support),
    f1: ratio(2 * tp, predicted + support),
    support,
  }
}

export type Averages = Record<'macro' | 'weighted', { precision: number; recall: number; f1: number }>

/** `macro`: every class that occurs counts the same; `weighted`: by its support. Undefined where there are no rows. */
export function averageScores(confusion: Confusion): Averages | undefined {
  const all = Array.from({ length: confusion.classes }, (_, k) => classScores(confusion, k))
  const present = all.filter(({ support }, k) => support > 0 || isPredicted(confusion, k))
  const rows = present.reduce((sum, { support }) => sum + support, 0)
  if (rows === 0) return undefined
  const average = (share: (scores: ClassScores) => number) => {
    const of = (name: 'precision' | 'recall' | 'f1') =>
      present.reduce((sum, scores) => sum + share(scores) * scores[name], 0)
    return { precision: of('precision'), recall: of('recall'), f1: of('f1') }
  }
  return { macro: average(() => 1 / present.length), weighted: average(({ support }) => support / rows) }
}

function isPredicted({ classes, counts }: Confusion, k: number): boolean {
  for (let label = 0; label < classes; label++) if ((counts[label * classes + k] ?? 0) > 0) return true
  return false
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
