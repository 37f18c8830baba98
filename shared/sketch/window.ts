// Two window reports made one coarser report: what an outbox does under pressure and the hub when it rolls up.
// The same in any order and grouping, so it does not matter who merged what first.

import type { DriftVerdict } from '../drift/verdict.ts'
import { type LabelCounts, type MetricSum, metricNamesMax, type WindowReport } from '../protocol/records.ts'
import { mergeAgreement } from './agreement.ts'
import { type ColumnCounts, mergeColumns } from './column.ts'
import { mergeLatency } from './latency.ts'

/** Whether the two tell of the same thing: one deployment, role, bundle and generation, on the same scales. */
export function canMergeWindows(a: WindowReport, b: WindowReport): boolean {
  return (
    a.deployment === b.deployment &&
    a.role === b.role &&
    a.manifest === b.manifest &&
    a.generation === b.generation &&
    a.agreement?.primary === b.agreement?.primary &&
    sameScales(a.features, b.features) &&
    sameScales(a.outputs, b.outputs)
  )
}

/** Counts add, the time spans both, the latest drift verdict is kept, memory is the most of both.
 *  A column that only one has is taken over. Of one device's windows; which device, a report does not say.
 *  @throws RangeError if canMergeWindows says no */
export function mergeWindows(a: WindowReport, b: WindowReport): WindowReport {
  if (!canMergeWindows(a, b)) {
    throw new RangeError(
      `windows of ${a.deployment}/${a.role}/${a.generation} and ${b.deployment}/${b.role}/${b.generation}`,
    )
  }
  const labels = mergeOptional(a.labels, b.labels, addLabels)
  const metrics = mergeOptional(a.metrics, b.metrics, mergeMetrics)
  const agreement = mergeOptional(a.agreement, b.agreement, mergeAgreement)
  const resources = mergeOptional(a.resources, b.resources, (x, y) => ({
    rssBytes: Math.max(x.rssBytes, y.rssBytes),
    cpuMs: inSteps(x.cpuMs) + inSteps(y.cpuMs),
  }))
  const drift = mergeOptional(a.drift, b.drift, laterVerdict)
  return {
    kind: 'window',
    deployment: a.deployment,
    role: a.role,
    manifest: a.manifest,
    model: a.model,
    version: a.version,
    generation: a.generation,
    from: Math.min(a.from, b.from),
    to: Math.max(a.to, b.to),
    windows: a.windows + b.windows,
    interrupted: a.interrupted || b.interrupted,
    counts: {
      ok: a.counts.ok + b.counts.ok,
      error: a.counts.error + b.counts.error,
      refused: a.counts.refused + b.counts.refused,
    },
    latency: mergeLatency(a.latency, b.latency),
    features: mergeColumnRecords(a.features, b.features),
    outputs: mergeColumnRecords(a.outputs, b.outputs),
    ...(labels === undefined ? {} : { labels }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(agreement === undefined ? {} : { agreement }),
    ...(resources === undefined ? {} : { resources }),
    ...(drift === undefined ? {} : { drift }),
  }
}

type Columns = Record<string, ColumnCounts>

function sameScales(a: Columns, b: Columns): boolean {
  return Object.entries(a).every(([name, { bins }]) => !Object.hasOwn(b, name) || b[name]?.bins.length === bins.length)
}

export const mergeColumnRecords = (a: Columns, b: Columns): Columns => mergeRecords(a, b, mergeColumns)

/** Counts, min and max are exact in any order and grouping, the sums are for whole numbers, as those of columns. Of more
 *  than `metricNamesMax` names (a runtime that started anew may use others) the first in code unit order stay: what falls
 *  out at one merge would have fallen out at any other. */
export function mergeMetrics(a: Metrics, b: Metrics): Metrics {
  return Object.fromEntries(Object.entries(mergeRecords(a, b, addMetric)).slice(0, metricNamesMax))
}
type Metrics = Record<string, MetricSum>

const addMetric = (a: MetricSum, b: MetricSum): MetricSum => ({
  count: a.count + b.count,
  sum: a.sum + b.sum,
  sumSquares: a.sumSquares + b.sumSquares,
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
})

/** Names in code unit order, so that the merged report is the same text whoever came first.
 *  Built from entries, which define own properties: a column may be called __proto__. */
function mergeRecords<T>(a: Record<string, T>, b: Record<string, T>, merge: (a: T, b: T) => T): Record<string, T> {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort()
  return Object.fromEntries(
    names.flatMap((name) => {
      const merged = mergeOptional(own(a, name), own(b, name), merge)
      return merged === undefined ? [] : [[name, merged]]
    }),
  )
}

function own<T>(values: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

function mergeOptional<T>(a: T | undefined, b: T | undefined, merge: (a: T, b: T) => T): T | undefined {
  if (a === undefined) return b
  return b === undefined ? a : merge(a, b)
}

function addLabels(a: LabelCounts, b: LabelCounts): LabelCounts {
  return {
    truePositive: a.truePositive + b.truePositive,
    falsePositive: a.falsePositive + b.falsePositive,
    trueNegative: a.trueNegative + b.trueNegative,
    falseNegative: a.falseNegative + b.falseNegative,
  }
}

/** The verdict of the later window; of the same moment the one with more evidence, then by its text: never by order. */
function laterVerdict(a: DriftVerdict, b: DriftVerdict): DriftVerdict {
  if (a.at !== b.at) return a.at > b.at ? a : b
  if (a.evidence !== b.evidence) return a.evidence > b.evidence ? a : b
  return JSON.stringify(a) >= JSON.stringify(b) ? a : b
}

/** Milliseconds in steps of 1/1024: multiples of a power of two add exactly, in any grouping. */
function inSteps(ms: number): number {
  return Math.round(ms * 1024) / 1024
}
