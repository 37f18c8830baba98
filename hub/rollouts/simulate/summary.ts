// What many simulated rollouts came to.

import type { Ending } from './run.ts'

/** A share of the rollouts, with its 95 % interval (Wilson 1927, without continuity correction). */
export type Proportion = { count: number; of: number; share: number; low: number; high: number }

export type Summary = {
  rollouts: number
  completed: Proportion
  /** Ended by a gate that failed, in whatever stage. */
  stopped: Proportion
  /** Of all, those stopped before the last stage began. */
  stoppedBeforeLast: Proportion
  /** Waits for a person because a stage could not be decided. */
  undecided: Proportion
  /** How many ended in each stage without completing. */
  endedIn: Record<string, number>
  /** How often each metric's gate failed. */
  failedGates: Record<string, number>
  /** From start to end, hours; devices on which the new version ever answered. */
  hours: Spread
  hoursToStop: Spread | null
  exposed: Spread
}

export type Spread = { median: number; p10: number; p90: number; max: number }

/** @param lastStage the name of the plan's last stage */
export function summarise(endings: readonly Ending[], lastStage: string): Summary {
  const stopped = endings.filter(isStopped)
  const share = (count: number) => proportion(count, endings.length)
  return {
    rollouts: endings.length,
    completed: share(endings.filter(({ state }) => state === 'completed').length),
    stopped: share(stopped.length),
    stoppedBeforeLast: share(stopped.filter(({ stage }) => stage !== lastStage).length),
    undecided: share(endings.filter(({ pausedBy }) => pausedBy === 'undecided').length),
    endedIn: countBy(endings.flatMap(({ state, stage }) => (state === 'completed' || stage === null ? [] : [stage]))),
    failedGates: countBy(stopped.flatMap(({ failed }) => failed)),
    hours: spreadOf(endings.map(({ hours }) => hours)),
    hoursToStop: stopped.length === 0 ? null : spreadOf(stopped.map(({ hours }) => hours)),
    exposed: spreadOf(endings.map(({ exposed }) => exposed)),
  }
}

/** A gate failed: the rollout goes back or waits. */
export const isStopped = ({ state, pausedBy, failed }: Ending): boolean =>
  pausedBy === 'gate' ||
  pausedBy === 'budget' ||
  ((state === 'rolling_back' || state === 'rolled_back') && failed.length > 0)

const z95 = 1.959964

export function proportion(count: number, of: number): Proportion {
  if (of === 0) return { count, of, share: 0, low: 0, high: 1 }
  const share = count / of
  const spread = 1 + z95 ** 2 / of
  const centre = (share + z95 ** 2 / (2 * of)) / spread
  const half = (z95 / spread) * Math.sqrt((share * (1 - share)) / of + (z95 / (2 * of)) ** 2)
  // at both ends the interval touches; rounding must not pass it
  return {
    count,
    of,
    share,
    low: Math.max(0, Math.min(share, centre - half)),
    high: Math.min(1, Math.max(share, centre + half)),
  }
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (q: number) => sorted[Math.round(q * (sorted.length - 1))] ?? 0
  return { median: at(0.5), p10: at(0.1), p90: at(0.9), max: at(1) }
}

const countBy = (words: readonly string[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(words, (word) => word)].map(([word, all]) => [word, all.length]))
