// What is told about one device: why it runs what it runs, and all that happened to it.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { DeviceId } from '@roost/shared/protocol/names.ts'
import { findDevice } from '../fleet/devices.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { type HubEnv, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cursorOf, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { grantedModels } from '../registry/granted-models.ts'
import { DeviceReason, DeviceSeriesDocument, TimelinePage } from './documents.ts'
import { type Bundle, inWords, reasonOf } from './reason.ts'
import { readReasonFacts } from './reason-facts.ts'
import { type DeviceSeries, readSeries } from './series-windows.ts'
import { Position, readTimeline } from './timeline.ts'
import { timelineKinds } from './timeline-entry.ts'

const params = z.object({ id: DeviceId })
const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const reasons = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/reasons',
  summary: 'Why the device runs what it runs: a sentence for each of its deployments',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(z.object({ reasons: z.array(DeviceReason) }), 'By deployment'), ...problems() },
})
const timeline = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/timeline',
  summary: 'All that happened to the device, newest first: what it told, what rollouts and people did',
  ...scoped('viewer'),
  request: {
    params,
    query: PageQuery.extend({ kind: z.enum(timelineKinds).optional().openapi({ description: 'only of this kind' }) }),
  },
  responses: { 200: json(TimelinePage, 'A page'), ...problems() },
})

const series = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/series',
  summary: 'How the device did over time: latency, results, memory and processor of each version',
  ...scoped('viewer'),
  request: {
    params,
    query: z.object({
      hours: z.coerce.number().int().min(1).max(168).default(24).openapi({ description: 'before its last report' }),
    }),
  },
  responses: {
    200: json(z.object({ series: DeviceSeriesDocument.nullable() }), 'Null: it has reported nothing'),
    ...problems(),
  },
})

const Cursor = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      context.addIssue('not a cursor')
      return z.NEVER
    }
  })
  .pipe(Position)

export function deviceStoryRoutes(hub: Pick<Hub, 'database'>, fleet: Pick<Fleet, 'isConnected'>): OpenAPIHono<HubEnv> {
  const { database } = hub
  const known = async (id: string) => {
    const row = await findDevice(database, id)
    if (row === undefined) throw notFound('device', id)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(reasons, async (c) => {
      const { id, last_seen_at } = await known(c.req.valid('param').id)
      const presence = { connected: fleet.isConnected(id), seenAt: last_seen_at }
      const found = await readReasonFacts(database, id, presence, modelsGranted(c))
      const shown = found.map(({ deployment, facts, shadow }) => {
        const parts = reasonOf(facts)
        const { runs, wanted } = facts
        return {
          deployment,
          sentence: inWords(parts),
          parts,
          runs: runs === null ? null : { ...runs.bundle, since: isoOrNull(runs.since) },
          wanted: wanted === null ? null : placed(wanted),
          shadow: shadow === null ? null : placed(shadow),
        }
      })
      return c.json({ reasons: shown }, 200)
    })
    .openapi(timeline, async (c) => {
      const { id } = await known(c.req.valid('param').id)
      const { limit, cursor, kind } = c.req.valid('query')
      const query = { device: id, kind, limit, models: await grantedModels(c, database) }
      const { entries, next } = await readTimeline(database, query, cursorKey(cursor, Cursor, {}))
      const shown = entries.map(({ at, deviceAt, ...entry }) => ({
        ...entry,
        at: iso(at),
        deviceAt: isoOrNull(deviceAt),
      }))
      return c.json({ entries: shown, next: next === null ? null : cursorOf(JSON.stringify(next)) }, 200)
    })
    .openapi(series, async (c) => {
      const { id } = await known(c.req.valid('param').id)
      const found = await readSeries(database, id, c.req.valid('query').hours, await grantedModels(c, database))
      return c.json({ series: found === undefined ? null : showSeries(found) }, 200)
    })
}

const showSeries = ({ from, to, series, ...rest }: DeviceSeries): z.infer<typeof DeviceSeriesDocument> => ({
  ...rest,
  from: iso(from),
  to: iso(to),
  series: series.map(({ points, ...of }) => ({
    ...of,
    points: points.map((point) => ({ ...point, at: iso(point.at) })),
  })),
})

const placed = ({ bundle, at }: { bundle: Bundle; at: number }) => ({ ...bundle, at: iso(at) })
const iso = (ms: number): string => new Date(ms).toISOString()
const isoOrNull = (ms: number | null): string | null => (ms === null ? null : iso(ms))
