// What any of the tests gives: for every margin, how many other draws look as bad and as good as what was seen. p-values,
// the interval and the picture follow from that alone.

import type { Levels } from './spending.ts'
import type { DrawHistogram } from './verdict.ts'

export type Tested = {
  /** Other draws made; the real one is not among them. */
  draws: number
  /** Estimated effect on the gate's scale. */
  difference: number
  /** About its standard error: where to begin looking for the interval's ends. */
  step: number
  beside(margin: number): { asBad: number; asGood: number }
  /** How bad the real draw looks at `margin`, in standard errors above it, and by how much worse each other draw does:
   *  0 where it counts as equal, so that the signs are what `beside` counts. */
  standing(margin: number): Standing
  /** The effect that each other draw would show if the true one were `margin`. */
  effects(margin: number): Float64Array
  /** For shares: probability to count as bad, and as good, if the true effect were `margin`. Where hardly any device of the
   *  old version ever fails, redraws know too little of how much counting alone varies. */
  counting?: (margin: number) => { bad: number; good: number }
}

export type Standing = { real: number; worseBy: Float64Array }

/** Probability of what was seen, or worse, and of that or better, if the true effect were `margin`: the larger of what the
 *  other draws and counting say. */
export function pValues(tested: Tested, margin: number): { bad: number; good: number } {
  const { asBad, asGood } = tested.beside(margin)
  const counting = tested.counting?.(margin) ?? { bad: 0, good: 0 }
  return {
    bad: Math.max(counting.bad, pValue(asBad, tested.draws)),
    good: Math.max(counting.good, pValue(asGood, tested.draws)),
  }
}

/** Share of all draws, the real one included, that look so: never zero (Phipson & Smyth 2010). */
export const pValue = (count: number, draws: number): number => (count + 1) / (draws + 1)

/** All margins that would neither be failed nor passed at these levels, by bisection: consistent with the verdict at
 *  `margin` by construction. A bound that so few draws cannot give is null. */
export function intervalOf(
  tested: Tested,
  margin: number,
  levels: Levels,
): { low: number | null; high: number | null } {
  const { difference } = tested
  const fails = (at: number) => pValues(tested, at).bad <= levels.fail
  const passes = (at: number) => pValues(tested, at).good <= levels.pass
  const atLeast = Math.max(tested.step, Math.abs(difference - margin) * 1e-3, 1e-9)
  return {
    low: boundOf(fails, difference, margin, -atLeast),
    high: boundOf(passes, difference, margin, atLeast),
  }
}

/** A bound is found to this share of the distance at which it is looked for. */
const precision = 1 / 100
const widenings = 40

/** Where `rejects` begins to hold, going from `start` in the direction of `step`. `margin` is one of the points tried, so
 *  that the bound lies on the same side of it as the verdict. */
function boundOf(rejects: (at: number) => boolean, start: number, margin: number, step: number): number | null {
  let kept = start
  let found: number | undefined
  if ((margin - start) * step > 0) {
    if (rejects(margin)) found = margin
    else kept = margin
  }
  for (let i = 0, reach = 2 * step; found === undefined && i < widenings; i++, reach *= 1.5) {
    if (rejects(kept + reach)) found = kept + reach
    else kept += reach
    if (Math.abs(kept - start) > farthest * Math.abs(step)) return null
  }
  if (found === undefined) return null
  let rejected: number = found
  const close = Math.max(precision * Math.abs(rejected - start), Math.abs(rejected) * 1e-12)
  while (Math.abs(rejected - kept) > close) {
    const middle: number = (kept + rejected) / 2
    if (rejects(middle)) rejected = middle
    else kept = middle
  }
  return rejected
}

/** So many standard errors away nothing would reject: then no draw of so few devices could. */
const farthest = 1_000

const bins = 32

/** @param shown from the gate's scale to what a person sees */
export function histogramOf(
  tested: Tested,
  margin: number,
  shown: (difference: number) => number,
): DrawHistogram | undefined {
  const effects = tested.effects(margin)
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (let j = 0; j < effects.length; j++) {
    const effect = shown(effects[j] ?? 0)
    effects[j] = effect
    if (!Number.isFinite(effect)) continue
    if (effect < from) from = effect
    if (effect > to) to = effect
  }
  if (from > to) return undefined
  const counts = new Array<number>(bins).fill(0)
  const perBin = to > from ? bins / (to - from) : 0
  for (const effect of effects) {
    if (!Number.isFinite(effect)) continue
    const bin = Math.min(bins - 1, Math.floor((effect - from) * perBin))
    counts[bin] = (counts[bin] ?? 0) + 1
  }
  return { from, to, counts }
}
