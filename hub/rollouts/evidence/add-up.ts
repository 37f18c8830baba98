// Window reports added up to counts, in any order and grouping the same.

import type { LabelCounts, WindowReport } from '@roost/shared/protocol/records.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { mergeLatency } from '@roost/shared/sketch/latency.ts'
import { mergeColumnRecords, mergeMetrics } from '@roost/shared/sketch/window.ts'
import type { Counts } from './counts.ts'

export const noCounts: Counts = {
  windows: 0,
  ok: 0,
  error: 0,
  refused: 0,
  latency: { bins: [], count: 0, sumUs: 0 },
  lastReceivedAt: null,
}

/** @param receivedAt hub clock, ms
 *  @param withOutputs whether distributions are needed: they are most of the bytes */
export function countsOf(report: WindowReport, receivedAt: number, withOutputs: boolean): Counts {
  const { windows, counts, latency, labels, metrics, outputs } = report
  return {
    windows,
    ...counts,
    latency,
    ...(labels === undefined ? {} : { labels }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(withOutputs ? { outputs } : {}),
    lastReceivedAt: receivedAt,
  }
}

/** Both together. A column that comes with another number of bins than before is not added: it is on another scale. */
export function addCounts(a: Counts, b: Counts): Counts {
  const labels = addOptional(a.labels, b.labels, addLabels)
  const metrics = addOptional(a.metrics, b.metrics, mergeMetrics)
  const outputs = addOptional(a.outputs, b.outputs, (x, y) => mergeColumnRecords(x, fittingTo(x, y)))
  return {
    windows: a.windows + b.windows,
    ok: a.ok + b.ok,
    error: a.error + b.error,
    refused: a.refused + b.refused,
    latency: mergeLatency(a.latency, b.latency),
    ...(labels === undefined ? {} : { labels }),
    ...(metrics === undefined ? {} : { metrics }),
    ...(outputs === undefined ? {} : { outputs }),
    lastReceivedAt: latest(a.lastReceivedAt, b.lastReceivedAt),
  }
}

const latest = (a: number | null, b: number | null) => (a === null ? b : b === null ? a : Math.max(a, b))

function addOptional<T>(a: T | undefined, b: T | undefined, add: (a: T, b: T) => T): T | undefined {
  if (a === undefined) return b
  return b === undefined ? a : add(a, b)
}

type Columns = Record<string, ColumnCounts>

const fittingTo = (known: Columns, more: Columns): Columns =>
  Object.fromEntries(
    Object.entries(more).filter(
      ([name, { bins }]) => !Object.hasOwn(known, name) || known[name]?.bins.length === bins.length,
    ),
  )

const addLabels = (a: LabelCounts, b: LabelCounts): LabelCounts => ({
  truePositive: a.truePositive + b.truePositive,
  falsePositive: a.falsePositive + b.falsePositive,
  trueNegative: a.trueNegative + b.trueNegative,
  falseNegative: a.falseNegative + b.falseNegative,
})
