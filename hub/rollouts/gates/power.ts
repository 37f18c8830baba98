// What a gate could see with so many devices, before anything starts: the normal approximation of the redraw test at the
// last look of a stage.

import { normalUpTo } from './binomial.ts'
import { drawsPossible } from './redraw.ts'
import { levelsAt } from './spending.ts'
import type { StageContext } from './verdict.ts'

export type Fleet = {
  strata: readonly { canary: number; control: number }[]
  /** Standard deviation between devices, on the gate's scale: of the differences from their own past where those are known,
   *  else of the values. */
  spread: number
  /** For shares: what is usually bad of the inferences, and how many of them all canaries will have answered by then. */
  counting?: { usual: number; tries: number }
}

export type Power = {
  /** Smallest true effect on the gate's scale that fails in four of five rollouts; null where none can. */
  sees: number | null
  /** Smallest margin at which a version that changes nothing passes in four of five; null where none does. */
  passesAt: number | null
  /** p-value of the most extreme draw there is. */
  smallestP: number
}

/** How often what is said to be seen is seen. */
const seen = 0.8

/** @param margin of the gate on its scale */
export function powerOf(margin: number, { strata, spread, counting }: Fleet, stage: StageContext): Power {
  const usable = strata.filter(({ canary, control }) => canary > 0 && control > 0)
  const canary = usable.reduce((sum, stratum) => sum + stratum.canary, 0)
  const control = usable.reduce((sum, stratum) => sum + stratum.control, 0)
  const levels = lastLevels(stage)
  const smallestP =
    canary === 0
      ? 1
      : 1 / drawsPossible(usable.map(({ canary, control }) => ({ size: canary + control, treated: canary })))
  if (canary === 0) return { sees: null, passesAt: null, smallestP }
  const error = (effect: number) => {
    const between = spread ** 2 * (1 / canary + 1 / control)
    if (counting === undefined) return Math.sqrt(between)
    const share = Math.min(1, Math.max(0, counting.usual + effect))
    return Math.sqrt(between + (share * (1 - share)) / Math.max(1, counting.tries))
  }
  const power = normalQuantile(seen)
  const canFail = smallestP <= Math.min(levels.fail, levels.unchanged)
  const beyondMargin = margin + (normalQuantile(1 - levels.fail) + power) * error(margin)
  const beyondNothing = (normalQuantile(1 - levels.unchanged) + power) * error(margin)
  return {
    sees: canFail ? Math.max(beyondMargin, beyondNothing) : null,
    passesAt: smallestP <= levels.pass ? (normalQuantile(1 - levels.pass) + power) * error(margin) : null,
    smallestP,
  }
}

/** Looks are at doubled times, so the last one has what is left since half of the time limit. */
function lastLevels(stage: StageContext) {
  const { spent } = levelsAt({ number: 1, fraction: 0.5, before: undefined }, stage)
  return levelsAt({ number: 2, fraction: 1, before: { spent } }, stage)
}

/** The z below which a standard normal lies with probability p, 0 < p < 1. */
export function normalQuantile(p: number): number {
  let low = -9
  let high = 9
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (normalUpTo(middle) < p) low = middle
    else high = middle
  }
  return (low + high) / 2
}
