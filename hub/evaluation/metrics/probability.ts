// How good probabilities are: log loss and Brier score, binary and multiclass.
// `probabilities` holds one array a class; for two classes the second is that of the positive one.

/** 2^-52, numpy's eps of float64: log_loss clips probabilities into [eps, 1 - eps], so that one certain and wrong answer
 *  is bad (36.04) and not infinite. */
const probabilityMin = 2 ** -52

/** -ln of the probability of the true class, row by row; their mean is sklearn.metrics.log_loss. Rows are taken as they
 *  are: probabilities that do not add up to one are not made to. */
export function logLosses(probabilities: readonly Float64Array[], labels: ArrayLike<number>): Float64Array {
  return Float64Array.from({ length: labels.length }, (_, row) => {
    const given = probabilities[labels[row] ?? 0]?.[row] ?? Number.NaN
    return -Math.log(Math.min(1 - probabilityMin, Math.max(probabilityMin, given)))
  })
}

/** Brier 1950, row by row; the mean is the score. Two classes: (p - y)² of the positive class, in [0, 1]. More: the sum
 *  over classes, in [0, 2] (sklearn.metrics.brier_score_loss with scale_by_half='auto'). */
export function brierTerms(probabilities: readonly Float64Array[], labels: ArrayLike<number>): Float64Array {
  const measured = probabilities.length === 2 ? [1] : [...probabilities.keys()]
  return Float64Array.from({ length: labels.length }, (_, row) => {
    let sum = 0
    for (const k of measured) {
      sum += ((probabilities[k]?.[row] ?? Number.NaN) - (labels[row] === k ? 1 : 0)) ** 2
    }
    return sum
  })
}
