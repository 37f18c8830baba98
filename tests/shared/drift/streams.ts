// Streams of readings for tests of drift: random by a seed, cut into the windows a device would report.

import { type Baseline, buildBaseline } from '@roost/shared/drift/baseline.ts'
import { type Charts, prepareCharts } from '@roost/shared/drift/charts.ts'
import { type DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'

export type Random = () => number
export type Columns = Record<string, readonly number[]>

/** Uniform on [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

export function normals(random: Random, count: number): number[] {
  return Array.from({ length: count }, () => normal(random))
}

/** Readings that remember the ones before: correlation `phi` from one to the next, deviation 1. */
export function autoregressive(random: Random, count: number, phi: number): number[] {
  let value = normal(random)
  return Array.from({ length: count }, () => {
    value = phi * value + Math.sqrt(1 - phi * phi) * normal(random)
    return value
  })
}

export function baselineOf(columns: Columns, rows: number, groups?: ArrayLike<number>): Baseline {
  const features = Object.entries(columns).map(([name, values]) => ({
    name,
    kind: 'feature' as const,
    values: Float64Array.from(values),
  }))
  return buildBaseline({ columns: features, ...(groups && { groups }), window: { rows, seconds: 3600 } })
}

/** Whole windows of `rows` rows on the baseline's scales. */
export function windowsOf(baseline: Baseline, columns: Columns, rows: number): Record<string, ColumnCounts>[] {
  const length = Math.min(...Object.values(columns).map((values) => values.length))
  return Array.from({ length: Math.floor(length / rows) }, (_, window) =>
    Object.fromEntries(
      Object.entries(columns).flatMap(([name, values]) => {
        const scale = baseline.columns[name]?.scale
        if (scale === undefined) return []
        const recorder = createColumnRecorder(scale)
        for (const value of values.slice(window * rows, (window + 1) * rows)) recorder.record(value)
        return [[name, recorder.snapshot()]]
      }),
    ),
  )
}

export const windowMs = 60_000

/** The verdict after each window; window i begins at i minutes. */
export function verdicts(charts: Charts, windows: readonly Record<string, ColumnCounts>[]): DriftVerdict[] {
  let state = initialDrift(charts)
  return windows.map((window, i) => {
    const step = stepDrift(charts, state, window, i * windowMs)
    state = step.state
    return step.verdict
  })
}

/** Baseline from `before`, then the verdicts over `after`. */
export function watch(before: Columns, after: Columns, rows = 100): DriftVerdict[] {
  const baseline = baselineOf(before, rows)
  return verdicts(prepareCharts(baseline), windowsOf(baseline, after, rows))
}

export const drifted = (all: readonly DriftVerdict[]): boolean[] => all.map(({ state }) => state === 'drifted')

/** How many times a drift began. */
export function eventsOf(all: readonly DriftVerdict[]): number {
  return drifted(all).filter((now, i, states) => now && states[i - 1] !== true).length
}
