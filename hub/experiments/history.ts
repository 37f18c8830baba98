// The points of a metric in the order of time, whole or thinned out to a curve.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import type { Point } from './log.ts'
import { allOf, beyond, cutRows, joined, ordered, selected, type Term } from './ordered-page.ts'
import { RealColumn } from './sql.ts'

export type Steps = { from: number; to: number }

const Row = z.object({ step: z.number(), timestamp: z.number(), value: RealColumn, is_nan: z.number() })
const PageRow = z.record(z.string(), z.union([RealColumn, z.string()]))
const columns = 'p.step, p.timestamp, p.value, p.is_nan'
const points = 'metric_points p'
const keyId = '(SELECT id FROM run_keys WHERE key = ?)'

const byTime: Term[] = ['timestamp', 'step', 'value', 'is_nan'].map((column) => ({
  sql: `p.${column}`,
  descending: false,
}))

/** A page of the points of run number `run`.
 *  @throws PageTokenError */
export async function metricHistory(
  reader: Reader,
  query: { run: number; key: string; limit: number; pageToken: string | undefined },
): Promise<{ points: Point[]; nextPageToken: string | undefined }> {
  const { run, key, limit } = query
  const where = [{ sql: `p.run = ? AND p.key = ${keyId}`, args: [run, key] }, ...beyond(query.pageToken, [], byTime)]
  const { sql, args } = joined(selected(columns, byTime, points), allOf(where), ordered(byTime, limit))
  const { page, nextPageToken } = cutRows(await reader.all(PageRow, sql, args), limit, [], byTime)
  return { points: page.map((row) => pointOf(key, Row.parse(row))), nextPageToken }
}

/** At most `count` points, evenly spread over all there are between the steps, the first and the last among them.
 *  Equal steps are thinned out like any others. */
export async function metricCurve(
  reader: Reader,
  query: { run: number; key: string; count: number; steps: Steps | undefined },
): Promise<Point[]> {
  const { run, key, count, steps } = query
  const within = steps === undefined ? '' : 'AND p.step BETWEEN ? AND ?'
  const args = [run, key, ...(steps === undefined ? [] : [steps.from, steps.to])]
  const where = `p.run = ? AND p.key = ${keyId} ${within}`
  const counted = await reader.first(
    z.object({ n: z.number() }),
    `SELECT count(*) AS n FROM ${points} WHERE ${where}`,
    args,
  )
  const total = counted?.n ?? 0
  const wanted = total > count ? sampleIndices(total, count) : undefined
  const order = 'p.step, p.timestamp, p.value, p.is_nan'
  const rows =
    wanted === undefined
      ? await reader.all(Row, `SELECT ${columns} FROM ${points} WHERE ${where} ORDER BY ${order}`, args)
      : await reader.all(
          Row,
          `SELECT step, timestamp, value, is_nan FROM (
             SELECT ${columns}, row_number() OVER (ORDER BY ${order}) - 1 AS i FROM ${points} WHERE ${where}
           ) WHERE i IN (SELECT value FROM json_each(?)) ORDER BY i`,
          [...args, JSON.stringify(wanted)],
        )
  return rows.map((row) => pointOf(key, row))
}

/** `count` of the places 0 to `total` - 1, evenly apart, with both ends; the last alone where one is wanted. */
export function sampleIndices(total: number, count: number): number[] {
  if (total <= count) return Array.from({ length: total }, (_, i) => i)
  if (count === 1) return [total - 1]
  return Array.from({ length: count }, (_, i) => Math.round((i * (total - 1)) / (count - 1)))
}

export type Extremes = { key: string; count: number; min: number | null; max: number | null }

/** How many points each metric of the run has, and between which values; NaN aside, null where there are none else. */
export async function metricExtremes(reader: Reader, run: number): Promise<Extremes[]> {
  const Summary = z.object({
    key: z.string(),
    count: z.number(),
    min: RealColumn.nullable(),
    max: RealColumn.nullable(),
  })
  return reader.all(
    Summary,
    `SELECT k.key, s.count, s.min, s.max FROM (
       SELECT p.key, count(*) AS count, min(iif(p.is_nan, NULL, p.value)) AS min, max(iif(p.is_nan, NULL, p.value)) AS max
         FROM ${points} WHERE p.run = ? GROUP BY p.key
     ) s JOIN run_keys k ON k.id = s.key ORDER BY k.key`,
    [run],
  )
}

const pointOf = (key: string, { step, timestamp, value, is_nan }: z.infer<typeof Row>): Point => ({
  key,
  step,
  timestamp,
  value: is_nan === 1 ? Number.NaN : value,
})
