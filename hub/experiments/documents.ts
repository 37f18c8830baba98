// Runs as the hub's own API shows them.

import { z } from '@hono/zod-openapi'
import type { Run } from './run-data.ts'
import { artifactUri, isDeleted, runStatuses } from './runs.ts'

/** A number, or what JSON has none for. */
export const Double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity'])])
export type Double = z.infer<typeof Double>

export function shownDouble(value: number): Double {
  if (Number.isNaN(value)) return 'NaN'
  if (value === Infinity) return 'Infinity'
  return value === -Infinity ? '-Infinity' : value
}

export const RunDocument = z
  .object({
    id: z.string(),
    name: z.string(),
    experiment: z.string().openapi({ description: 'the id of the experiment' }),
    user: z.string(),
    status: z.enum(runStatuses),
    startedAt: z.iso.datetime().nullable().openapi({ description: 'null where the client said none' }),
    endedAt: z.iso.datetime().nullable(),
    deleted: z.boolean(),
    artifacts: z.string().openapi({ description: 'where its files are, as MLflow names it' }),
    metrics: z.record(z.string(), Double).openapi({ description: 'the latest of each' }),
    params: z.record(z.string(), z.string()),
    tags: z.record(z.string(), z.string()),
  })
  .openapi('Run')
export type RunDocument = z.infer<typeof RunDocument>

export const RunDetail = RunDocument.extend({
  experimentName: z.string(),
  datasets: z
    .array(z.object({ name: z.string(), digest: z.string(), context: z.string().nullable() }))
    .openapi({ description: 'what it says it was fed with' }),
  loggedModels: z.array(z.object({ id: z.string(), name: z.string() })),
  versions: z
    .array(z.object({ model: z.string(), version: z.number().int() }))
    .openapi({ description: 'versions of this registry that came of it' }),
}).openapi('RunDetail')

/** @param columns `metrics.x`, `params.x`, `tags.x`; only these are shown where any are named */
export function showRun(run: Run, columns?: readonly string[]): RunDocument {
  const kept = <T>(kind: string, entries: [string, T][]): Record<string, T> =>
    Object.fromEntries(entries.filter(([key]) => columns === undefined || columns.includes(`${kind}.${key}`)))
  return {
    id: run.id,
    name: run.name,
    experiment: String(run.experiment),
    user: run.user_id,
    status: run.status,
    startedAt: shownTime(run.start_time === 0 ? null : run.start_time),
    endedAt: shownTime(run.end_time),
    deleted: isDeleted(run),
    artifacts: artifactUri(run),
    metrics: kept(
      'metrics',
      run.metrics.map(({ key, value }) => [key, shownDouble(value)]),
    ),
    params: kept(
      'params',
      run.params.map(({ key, value }) => [key, value]),
    ),
    tags: kept(
      'tags',
      run.tags.map(({ key, value }) => [key, value]),
    ),
  }
}

/** Milliseconds that are beyond what a date can be are shown as none: clients send what they like. */
function shownTime(ms: number | null): string | null {
  if (ms === null || Math.abs(ms) > dateMsMax) return null
  return new Date(ms).toISOString()
}
/** The end of the year 9999, the last that is written with four digits. */
const dateMsMax = 253_402_300_799_999
