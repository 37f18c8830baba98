// How a device did over time: latency, results, memory and processor of each version, in steps of equal length. Pure.

import { type LatencyCounts, latencyQuantile, mergeLatency } from '@roost/shared/sketch/latency.ts'

/** What of a window report is drawn. Times: device clock, milliseconds since 1970. */
export type SeriesWindow = {
  deployment: string
  role: 'primary' | 'shadow'
  model: string
  version: number
  from: number
  to: number
  ok: number
  error: number
  refused: number
  latency: LatencyCounts
  resources: { rssBytes: number; cpuMs: number } | undefined
}

/** `at`: where the step begins. `p50Us`, `p99Us`: null where nothing was answered. `cpuRatio`: processor time over time,
 *  1 is one core in full use; null, as `rssBytes`, where no report of the step told it. */
export type SeriesPoint = {
  at: number
  /** How long the reports of the step stretch, added up. */
  coveredMs: number
  ok: number
  error: number
  refused: number
  p50Us: number | null
  p99Us: number | null
  rssBytes: number | null
  cpuRatio: number | null
}
export type Series = Pick<SeriesWindow, 'deployment' | 'role' | 'model' | 'version'> & { points: SeriesPoint[] }

/** One series for each version in each place, the steps that have a report, in order of time. A report belongs to the
 *  step in which it ends; those that end outside of [from, from + steps × stepMs) are left out. */
export function seriesOf(
  windows: readonly SeriesWindow[],
  { from, stepMs, steps }: { from: number; stepMs: number; steps: number },
): Series[] {
  const keyOf = ({ deployment, role, model, version }: SeriesWindow) =>
    JSON.stringify([deployment, role, model, version])
  return [...Map.groupBy(windows, keyOf).values()].flatMap((own) => {
    const [first] = own
    const byStep = Map.groupBy(own, ({ to }) => Math.floor((to - from) / stepMs))
    const points = [...byStep]
      .filter(([step]) => step >= 0 && step < steps)
      .sort(([a], [b]) => a - b)
      .map(([step, within]) => pointOf(from + step * stepMs, within))
    if (first === undefined || points.length === 0) return []
    const { deployment, role, model, version } = first
    return [{ deployment, role, model, version, points }]
  })
}

function pointOf(at: number, windows: readonly SeriesWindow[]): SeriesPoint {
  const sum = (of: (window: SeriesWindow) => number) => windows.reduce((total, window) => total + of(window), 0)
  const latency = windows.map((window) => window.latency).reduce(mergeLatency)
  const length = (all: readonly SeriesWindow[]) =>
    all.reduce((total, { from, to }) => total + Math.max(0, to - from), 0)
  const told = windows.filter(({ resources }) => resources !== undefined)
  const covered = length(told)
  const cpuMs = told.reduce((total, { resources }) => total + (resources?.cpuMs ?? 0), 0)
  return {
    at,
    coveredMs: length(windows),
    ok: sum(({ ok }) => ok),
    error: sum(({ error }) => error),
    refused: sum(({ refused }) => refused),
    p50Us: latencyQuantile(latency, 0.5),
    p99Us: latencyQuantile(latency, 0.99),
    rssBytes: told.length === 0 ? null : Math.max(...told.map(({ resources }) => resources?.rssBytes ?? 0)),
    cpuRatio: covered === 0 ? null : cpuMs / covered,
  }
}
