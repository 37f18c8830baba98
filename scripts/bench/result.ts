// What a benchmark prints: a measured value, the physical limit measured in the same run, and whether the goal holds.

export type BenchResult = {
  bench: string
  metric: string
  value: number
  unit: string
  /** The same work at its bare minimum, measured in the same run, in the same unit; null where there is none. */
  limit: number | null
  /** value / limit; null without a limit. */
  ratio: number | null
  /** In words, as `value <= 60`; null where the figure only informs. */
  goal: string | null
  /** Whether the goal is met; true where there is none. */
  holds: boolean
}

export type Goal = { of: 'value' | 'ratio'; bound: '<=' | '>='; number: number }

/** Puts a figure beside its limit and its goal. A goal on a ratio that cannot be had does not hold. */
export function benchResult(
  measured: { bench: string; metric: string; value: number; unit: string; limit?: number },
  goal?: Goal,
): BenchResult {
  const { bench, metric, value, unit } = measured
  const limit = measured.limit ?? null
  const ratio = limit === null || limit === 0 ? null : value / limit
  const figures = { bench, metric, value, unit, limit, ratio }
  if (goal === undefined) return { ...figures, goal: null, holds: true }
  const judged = goal.of === 'value' ? value : ratio
  const holds = judged !== null && (goal.bound === '<=' ? judged <= goal.number : judged >= goal.number)
  return { ...figures, goal: `${goal.of} ${goal.bound} ${goal.number}`, holds }
}
