// Random numbers of the kinds that a fleet is made of, from a uniform source.

import type { Uniform } from '../../seeded-random.ts'

/** Standard normal (Box and Muller 1958; one of the pair is thrown away, so that every number costs the same draws). */
export function normal(uniform: Uniform): number {
  return Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform())
}

/** Mean `mean`, memoryless: how long a spell lasts. */
export const exponential = (uniform: Uniform, mean: number): number => -mean * Math.log(1 - uniform())

/** Mean 1, standard deviation `spread`: how devices differ (Marsaglia and Tsang 2000, shape >= 1; below by a power). */
export function gamma(uniform: Uniform, spread: number): number {
  if (spread === 0) return 1
  const shape = 1 / spread ** 2
  const boost = shape < 1 ? (1 - uniform()) ** (1 / shape) : 1
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3
  for (;;) {
    const x = normal(uniform)
    const v = (1 + x / Math.sqrt(9 * d)) ** 3
    if (v > 0 && Math.log(1 - uniform()) < x ** 2 / 2 + d - d * v + d * Math.log(v)) return (boost * d * v) / shape
  }
}

/** Events in a stretch that has `mean` of them on average. Above 50 by the normal distribution, rounded: the error of the
 *  variance is then below 0.2 %, far below what devices differ by. */
export function poisson(uniform: Uniform, mean: number): number {
  if (mean <= 0) return 0
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(uniform)))
  const limit = Math.exp(-mean)
  let events = 0
  for (let product = 1 - uniform(); product > limit; product *= 1 - uniform()) events += 1
  return events
}

/** How many of `count` a share `share` hits: as `poisson`, never more than there are. */
export const hits = (uniform: Uniform, count: number, share: number): number =>
  share >= 1 ? count : Math.min(count, poisson(uniform, count * Math.max(0, share)))
