// What applications measured, summed up since ever by device, bundle and name, beside the totals of inferences.

import type { MetricSum } from '@roost/shared/protocol/records.ts'
import { mergeMetrics } from '@roost/shared/sketch/window.ts'
import { z } from 'zod'
import type { Reader, Statement, Value } from '../storage/database.ts'
import { insertRows, type ReceivedWindow, sumMax } from './records.ts'
import { conditions, type WindowFilter } from './windows.ts'

/** Sums stay finite, whatever devices claim: a double that overflows could not be told any more. */
const realMax = 1e307

/** The shares of the reports in the sums. A name whose numbers are out of all reason is left out. */
export function metricStatements(windows: readonly ReceivedWindow[]): Statement[] {
  const rows = [...Map.groupBy(windows.filter(hasMetrics), bundleKey).values()].flatMap((same) => {
    const [first] = same
    if (first === undefined) return []
    const { device, report } = first
    const { deployment, role, manifest, model, version } = report
    const merged = same.map(({ report }) => report.metrics ?? {}).reduce(mergeMetrics)
    return Object.entries(merged).flatMap(([name, sum]): Value[][] =>
      isInReason(sum)
        ? [[device, deployment, role, manifest, name, model, version, Math.min(sum.count, sumMax), ...momentsOf(sum)]]
        : [],
    )
  })
  return insertRows(columns, rows, add)
}

const hasMetrics = ({ report }: ReceivedWindow) => report.metrics !== undefined
const bundleKey = ({ device, report }: ReceivedWindow) =>
  `${device}/${report.deployment}/${report.role}/${report.manifest}`
const momentsOf = ({ sum, sumSquares, min, max }: MetricSum) => [sum, sumSquares, min, max]
const isInReason = (sum: MetricSum) => momentsOf(sum).every((value) => Math.abs(value) <= realMax)

const columns = `window_metrics
  (device, deployment, role, manifest, name, model, version, count, sum, sum_squares, min, max)`

const bounded = (sum: string) => `max(min(${sum}, ${realMax}), -${realMax})`
const add = `ON CONFLICT (device, deployment, role, manifest, name) DO UPDATE SET
  count = min(count + excluded.count, ${sumMax}),
  sum = ${bounded('sum + excluded.sum')}, sum_squares = ${bounded('sum_squares + excluded.sum_squares')},
  min = min(min, excluded.min), max = max(max, excluded.max)`

/** `devices`: those that reported the metric. */
export const MetricTotal = z.object({
  name: z.string(),
  devices: z.number().int(),
  count: z.number().int(),
  sum: z.number(),
  sumSquares: z.number(),
  min: z.number(),
  max: z.number(),
})
export type MetricTotal = z.infer<typeof MetricTotal>

export const VersionMetric = MetricTotal.extend({
  model: z.string(),
  version: z.number().int(),
  deployment: z.string(),
})
export type VersionMetric = z.infer<typeof VersionMetric>

/** What was measured under each version's primary, in the order of VersionTotals; at most 1,000 of them. */
export function metricsByVersion(reader: Reader, filter: WindowFilter): Promise<VersionMetric[]> {
  const { where, args } = conditions(filter)
  return reader.all(
    VersionMetric,
    `SELECT model, version, deployment, name, count(DISTINCT device) AS devices,
            CAST(min(total(count), ${sumMax}) AS INTEGER) AS count,
            ${bounded('total(sum)')} AS sum, ${bounded('total(sum_squares)')} AS sumSquares,
            min(min) AS min, max(max) AS max
     FROM window_metrics WHERE ${where} AND role = 'primary'
     GROUP BY model, version, deployment, name ORDER BY model, version DESC, deployment, name LIMIT 1000`,
    args,
  )
}
