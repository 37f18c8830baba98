// Chi-square for the counts of categories, both ways of asking: they differ a lot, so each says its name.

import { sum } from './chart-values.ts'

export type ChiSquare = { statistic: number; degrees: number; pValue: number }

/** Does the current sample fit the reference, taken as the truth? (scipy.stats.chisquare; Evidently's choice.)
 *  A category that the reference never had makes the statistic infinite and the p-value 0.
 *  Expected counts below five per category make the p-value unreliable. @throws RangeError for counts that are all 0 */
export function chiSquareGoodnessOfFit(reference: readonly number[], current: readonly number[]): ChiSquare {
  const scale = total(current) / total(reference)
  const categories = reference.map((count, i) => ({ expected: count * scale, observed: current[i] ?? 0 }))
  return judge(categories.filter(({ expected, observed }) => expected > 0 || observed > 0))
}

/** Are both samples of one source, neither being the truth? The 2 by k table without Yates' correction
 *  (scipy.stats.chi2_contingency(…, correction=False); NannyML's and whylogs' choice). @throws RangeError for counts that are all 0 */
export function chiSquareContingency(a: readonly number[], b: readonly number[]): ChiSquare {
  const shareOfA = total(a) / (total(a) + total(b))
  const used = a.map((count, i) => ({ ofA: count, ofB: b[i] ?? 0 })).filter(({ ofA, ofB }) => ofA + ofB > 0)
  const cells = used.flatMap(({ ofA, ofB }) => [
    { expected: (ofA + ofB) * shareOfA, observed: ofA },
    { expected: (ofA + ofB) * (1 - shareOfA), observed: ofB },
  ])
  return judge(cells, used.length - 1)
}

function judge(cells: readonly { expected: number; observed: number }[], degrees = cells.length - 1): ChiSquare {
  const statistic = sum(cells.map(({ expected, observed }) => (observed - expected) ** 2 / expected))
  return { statistic, degrees, pValue: degrees === 0 ? 1 : chiSquareTail(statistic, degrees) }
}

function total(counts: readonly number[]): number {
  const all = sum(counts)
  if (all === 0) throw new RangeError('counts that are all 0')
  return all
}

/** P(chi-square > x): the upper regularised incomplete gamma function at (degrees / 2, x / 2).
 *  The finite sums for even and odd degrees (Abramowitz and Stegun 26.4.5, 26.4.4), good to a few hundred degrees. */
function chiSquareTail(x: number, degrees: number): number {
  if (x === Number.POSITIVE_INFINITY) return 0
  const half = x / 2
  const even = degrees % 2 === 0
  // First term: exp(-x/2) for even degrees; for odd ones the normal tail, then x^(1/2) exp(-x/2) / gamma(3/2).
  let term = even ? Math.exp(-half) : (Math.sqrt(half) * Math.exp(-half) * 2) / Math.sqrt(Math.PI)
  let tail = even ? term : complementaryError(Math.sqrt(half)) + (degrees > 1 ? term : 0)
  for (let k = even ? 1 : 1.5; k < degrees / 2; k++) {
    term *= half / k
    tail += term
  }
  return Math.min(1, tail)
}

/** erfc(x) for x >= 0: its series below 2.5, its continued fraction beyond (Abramowitz and Stegun 7.1.6, 7.1.14). */
function complementaryError(x: number): number {
  const scaled = Math.exp(-x * x) / Math.sqrt(Math.PI)
  if (x < 2.5) {
    let term = 2 * x * scaled
    let series = term
    for (let k = 1; k < 60; k++) {
      term *= (2 * x * x) / (2 * k + 1)
      series += term
    }
    return 1 - series
  }
  let fraction = x
  for (let k = 60; k >= 1; k--) fraction = x + k / 2 / fraction
  return scaled / fraction
}
