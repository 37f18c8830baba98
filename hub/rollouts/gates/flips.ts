// The test for differences that each belong to one device or stretch of time: if nothing were wrong beyond the margin, each
// difference could as well have had the other sign (Fisher 1935). The real signs look at least as good as others exactly
// where the flipped differences have a mean of at least the margin (Hartigan 1969), so the interval is made of their means.

import type { Random } from './random.ts'
import type { Tested } from './tested.ts'

export type Difference = { difference: number; weight: number }

/** All sign patterns are tried for at most so many differences. */
const enumeratedMost = 13
const drawsMost = 9_999

export function flip(differences: readonly Difference[], random: Random): Tested {
  const sorted = differences.toSorted((a, b) => a.difference - b.difference || a.weight - b.weight)
  const d = Float64Array.from(sorted, ({ difference }) => difference)
  const w = Float64Array.from(sorted, ({ weight }) => weight)
  const isExact = d.length <= enumeratedMost
  const draws = isExact ? 2 ** d.length - 1 : drawsMost
  const weights = new Float64Array(draws)
  const sums = new Float64Array(draws)
  for (let j = 0; j < draws; j++) {
    let bits = isExact ? j + 1 : 0
    for (let i = 0; i < d.length; i++) {
      if (!isExact && i % 32 === 0) bits = random.bits()
      if (bits & (1 << (i % 32))) {
        weights[j] = (weights[j] ?? 0) + (w[i] ?? 0)
        sums[j] = (sums[j] ?? 0) + (w[i] ?? 0) * (d[i] ?? 0)
      }
    }
  }
  const weight = w.reduce((sum, x) => sum + x, 0)
  const difference = d.reduce((sum, x, i) => sum + x * (w[i] ?? 0), 0) / weight
  const square = d.reduce((sum, x, i) => sum + ((w[i] ?? 0) * (x - difference)) ** 2, 0)
  return {
    draws,
    difference,
    step: Math.sqrt(square) / weight,
    beside: (margin) => countFlips(sums, weights, margin),
    effects: (margin) => sums.map((sum, j) => difference - (2 * (sum - margin * (weights[j] ?? 0))) / weight),
  }
}

function countFlips(sums: Float64Array, weights: Float64Array, margin: number): { asBad: number; asGood: number } {
  let asBad = 0
  let asGood = 0
  for (let j = 0; j < sums.length; j++) {
    const excess = (sums[j] ?? 0) - margin * (weights[j] ?? 0)
    const tolerance = 1e-9 * (Math.abs(sums[j] ?? 0) + Math.abs(margin) * (weights[j] ?? 0))
    if (excess <= tolerance) asBad++
    if (excess >= -tolerance) asGood++
  }
  return { asBad, asGood }
}
