// Whether a model treats groups alike, as Fairlearn defines it (fairlearn.metrics, method 'between_groups'):
// the difference between the group that fares best and the one that fares worst.

import type { Weights } from './sum.ts'

export type GroupRates = {
  /** Weight of the rows of the group. */
  rows: number
  /** Share of rows predicted positive. */
  selectionRate: number
  /** Of the rows that are positive, the share predicted positive; 0 where there are none. */
  truePositiveRate: number
  /** Of the rows that are negative, the share predicted positive; 0 where there are none. */
  falsePositiveRate: number
}

/** The rates of each group; labels and predictions are 0 or 1, `groups` numbers below `count`. */
export function groupRates(
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
  groups: ArrayLike<number>,
  count: number,
  weights?: Weights,
): GroupRates[] {
  // label and prediction as one of four "classes" against the groups: one pass for all
  const cells = new Float64Array(4 * count)
  for (let row = 0; row < labels.length; row++) {
    const cell = 4 * (groups[row] ?? 0) + 2 * (labels[row] ?? 0) + (predicted[row] ?? 0)
    cells[cell] = (cells[cell] ?? 0) + (weights === undefined ? 1 : (weights[row] ?? 0))
  }
  return Array.from({ length: count }, (_, group) => {
    const [tn = 0, fp = 0, fn = 0, tp = 0] = cells.subarray(4 * group, 4 * group + 4)
    const rows = tn + fp + fn + tp
    return {
      rows,
      selectionRate: ratio(fp + tp, rows),
      truePositiveRate: ratio(tp, tp + fn),
      falsePositiveRate: ratio(fp, fp + tn),
    }
  })
}

/** Largest less smallest selection rate (demographic_parity_difference; Dwork et al. 2012, Agarwal et al. 2018).
 *  Groups without rows do not count; undefined where none has any. */
export function demographicParityDifference(rates: readonly GroupRates[]): number | undefined {
  return spread(rates, ({ selectionRate }) => selectionRate)
}

/** The larger of the spreads of true and false positive rates (equalized_odds_difference with agg='worst_case';
 *  Hardt, Price and Srebro 2016). Groups without rows do not count; undefined where none has any. */
export function equalisedOddsDifference(rates: readonly GroupRates[]): number | undefined {
  const truePositives = spread(rates, ({ truePositiveRate }) => truePositiveRate)
  const falsePositives = spread(rates, ({ falsePositiveRate }) => falsePositiveRate)
  return truePositives === undefined || falsePositives === undefined
    ? undefined
    : Math.max(truePositives, falsePositives)
}

function spread(rates: readonly GroupRates[], of: (rates: GroupRates) => number): number | undefined {
  const values = rates.filter(({ rows }) => rows > 0).map(of)
  return values.length === 0 ? undefined : Math.max(...values) - Math.min(...values)
}

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole)
