// Runs side by side: parameters that differ, last, least and greatest of each metric, and curves. Pure.

import type { Extremes } from './history.ts'
import type { Point } from './log.ts'

export type ComparedRun = {
  params: readonly { key: string; value: string }[]
  metrics: readonly Point[]
  extremes: readonly Extremes[]
}
export type MetricSummary = { last: number; min: number | null; max: number | null; points: number }

/** The parameters that are not the same in all the runs, by key; null where a run has none. */
export function differingParams(runs: readonly ComparedRun[]): { key: string; values: (string | null)[] }[] {
  const texts = runs.map(({ params }) => new Map(params.map(({ key, value }) => [key, value])))
  return sortedKeys(texts)
    .map((key) => ({ key, values: texts.map((values) => values.get(key) ?? null) }))
    .filter(({ values }) => values.some((value) => value !== values[0]))
}

/** Each metric of any of the runs, by key; null where a run has none. */
export function comparedMetrics(runs: readonly ComparedRun[]): { key: string; values: (MetricSummary | null)[] }[] {
  const summaries = runs.map(
    ({ metrics, extremes }) =>
      new Map(
        metrics.map(({ key, value }) => {
          const { count = 0, min = null, max = null } = extremes.find((one) => one.key === key) ?? {}
          return [key, { last: value, min, max, points: count }]
        }),
      ),
  )
  return sortedKeys(summaries).map((key) => ({ key, values: summaries.map((values) => values.get(key) ?? null) }))
}

const sortedKeys = (maps: readonly ReadonlyMap<string, unknown>[]): string[] =>
  [...new Set(maps.flatMap((map) => [...map.keys()]))].sort()
