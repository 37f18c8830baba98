// The telemetry routes: what a device, a group or a model reported, and how it drifts.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { DeviceId, ModelName, Name } from '@roost/shared/protocol/names.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import type { Context } from 'hono'
import { findDevice } from '../fleet/devices.ts'
import { membersOfGroup } from '../fleet/groups.ts'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { grantedModels } from '../registry/granted-models.ts'
import { findModel } from '../registry/store.ts'
import { DriftReport, driftReport } from './drift/report.ts'
import { deviceEvents, StoredEvent } from './events.ts'
import { metricsByVersion, VersionMetric } from './metrics.ts'
import { Totals, totals, totalsByVersion, VersionTotals, type WindowFilter, windows } from './windows.ts'

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const Range = z.object({
  deployment: Name.optional(),
  version: z.coerce.number().int().positive().optional(),
  /** Received at the hub at or after this time. */
  since: z.iso.datetime().optional(),
})
const Page = Range.extend(PageQuery.shape)

const Telemetry = z
  .object({
    /** Since ever, also over reports that have expired. */
    totals: Totals,
    versions: z.array(VersionTotals),
    /** What applications reported while a version was the primary, since ever. */
    metrics: z.array(VersionMetric),
    /** Newest first. */
    windows: z.array(z.object({ device: z.string(), receivedAt: z.iso.datetime(), report: WindowReport })),
    next: NextCursor,
  })
  .openapi('Telemetry')

const RowId = z.coerce.number().int().positive()

const subjects = {
  devices: z.object({ id: DeviceId }),
  groups: z.object({ id: Name }),
  models: z.object({ id: ModelName }),
}
type Subject = keyof typeof subjects

const telemetryRoute = (subject: Subject) =>
  createRoute({
    method: 'get',
    path: `/v1/${subject}/{id}/telemetry`,
    summary: `Counts and window reports of one of the ${subject}`,
    ...scoped('viewer'),
    request: { params: subjects[subject], query: Page },
    responses: { 200: json(Telemetry, 'Counts and reports'), ...problems() },
  })

const driftRoute = (subject: Subject) =>
  createRoute({
    method: 'get',
    path: `/v1/${subject}/{id}/drift`,
    summary: `Whether the data of one of the ${subject} has drifted, what moved, and both distributions`,
    ...scoped('viewer'),
    request: { params: subjects[subject], query: Range },
    responses: { 200: json(DriftReport, 'The verdict'), ...problems() },
  })

const eventsRoute = createRoute({
  method: 'get',
  path: '/v1/devices/{id}/events',
  summary: 'What happened on a device, newest first',
  ...scoped('viewer'),
  request: {
    params: subjects.devices,
    query: PageQuery,
  },
  responses: {
    200: json(z.object({ events: z.array(StoredEvent), next: NextCursor }), 'Events'),
    ...problems(),
  },
})

export function telemetryRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const { database } = hub
  const needDevice = async (id: string) => {
    if ((await findDevice(database, id)) === undefined) throw notFound('device', id)
  }
  const filters: Record<Subject, (id: string) => Promise<WindowFilter>> = {
    devices: async (id) => {
      await needDevice(id)
      return { devices: [id] }
    },
    groups: async (id) => {
      const found = await membersOfGroup(database, id)
      if (found === undefined) throw notFound('group', id)
      return { devices: found.devices.map((device) => device.id) }
    },
    models: async (id) => {
      if ((await findModel(database, id)) === undefined) throw notFound('model', id)
      return { model: id }
    },
  }
  const filterOf = async (
    c: Context<HubEnv>,
    subject: Subject,
    id: string,
    { deployment, version }: z.infer<typeof Range>,
  ): Promise<WindowFilter> => {
    const models = await grantedModels(c, database)
    return {
      ...(await filters[subject](id)),
      ...(models === undefined ? {} : { models }),
      ...(deployment === undefined ? {} : { deployment }),
      ...(version === undefined ? {} : { version }),
    }
  }

  const routes = new OpenAPIHono<HubEnv>()
  for (const subject of ['devices', 'groups', 'models'] as const) {
    routes.openapi(telemetryRoute(subject), async (c) => {
      const query = c.req.valid('query')
      const filter = await filterOf(c, subject, c.req.valid('param').id, query)
      const rows = await windows(database, filter, {
        sinceMs: sinceMs(query.since),
        limit: query.limit + 1,
        before: cursorKey(query.cursor, RowId, Number.MAX_SAFE_INTEGER),
      })
      const { items, next } = cutPage(rows, query.limit, ({ id }) => String(id))
      return c.json(
        {
          totals: await totals(database, filter),
          versions: await totalsByVersion(database, filter),
          metrics: await metricsByVersion(database, filter),
          windows: items.map(({ device, receivedAt, report }) => ({
            device,
            receivedAt: new Date(receivedAt).toISOString(),
            report,
          })),
          next,
        },
        200,
      )
    })
    routes.openapi(driftRoute(subject), async (c) => {
      const query = c.req.valid('query')
      const { id } = c.req.valid('param')
      const report = await driftReport(hub, await filterOf(c, subject, id, query), sinceMs(query.since))
      if (report === undefined) {
        throw new Problem(
          404,
          'no-drift-yet',
          'Nothing to judge',
          'no window reports of a version with a baseline are here; register versions with a sample, and wait for reports',
        )
      }
      return c.json(report, 200)
    })
  }
  routes.openapi(eventsRoute, async (c) => {
    const { limit, cursor } = c.req.valid('query')
    const { id } = c.req.valid('param')
    await needDevice(id)
    const before = cursorKey(cursor, RowId, Number.MAX_SAFE_INTEGER)
    const rows = await deviceEvents(database, id, before, limit + 1, await grantedModels(c, database))
    const { items, next } = cutPage(rows, limit, (event) => String(event.id))
    return c.json({ events: items, next }, 200)
  })
  return routes
}

const sinceMs = (time: string | undefined) => (time === undefined ? 0 : Date.parse(time))
