// The telemetry routes: what a device, a group or a model reported, and how it drifts.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { measureNames } from '@roost/shared/drift/measures.ts'
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
import { createYardsticks } from './drift/bundle.ts'
import { DriftDevices, driftDevices } from './drift/devices.ts'
import { DriftHeatMap, driftHeatMap } from './drift/heat-map.ts'
import { DriftReport, driftReport } from './drift/report.ts'
import { stepsMax, type Range as TimeRange } from './drift/time-steps.ts'
import { deviceEvents, StoredEvent } from './events.ts'
import { latestWindows } from './latest-windows.ts'
import { metricsByVersion, VersionMetric } from './metrics.ts'
import { Totals, totals, totalsByVersion, VersionTotals, type WindowFilter } from './windows.ts'

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const Range = z.object({
  deployment: Name.optional(),
  model: ModelName.optional(),
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

/** Windows that begin in it, by their devices' clocks as far as those can be right. */
const Stretch = { from: z.iso.datetime().optional(), to: z.iso.datetime().optional() }

const HeatMapQuery = z.object({
  model: Range.shape.model,
  deployment: Range.shape.deployment,
  version: Range.shape.version,
  ...Stretch,
  stepSeconds: z.coerce
    .number()
    .positive()
    .max(366 * 86_400)
    .optional(),
})

const DevicesQuery = z.object({
  model: Range.shape.model,
  deployment: Range.shape.deployment,
  version: Range.shape.version,
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  column: z.string().min(1).max(200),
  /** What they are ranked by. */
  measure: z.enum(measureNames).default('jensenShannon'),
  limit: z.coerce.number().int().positive().max(50).default(20),
})

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
    request: { params: subjects[subject], query: Range.extend(Stretch) },
    responses: { 200: json(DriftReport, 'The verdict'), ...problems() },
  })

const heatMapRoute = (subject: Subject) =>
  createRoute({
    method: 'get',
    path: `/v1/${subject}/{id}/drift/heat-map`,
    summary: `How the data of one of the ${subject} has drifted over time, column by column`,
    ...scoped('viewer'),
    request: { params: subjects[subject], query: HeatMapQuery },
    responses: { 200: json(DriftHeatMap, 'Measures and verdicts of each step'), ...problems() },
  })

const devicesRoute = (subject: Subject) =>
  createRoute({
    method: 'get',
    path: `/v1/${subject}/{id}/drift/devices`,
    summary: `Which devices of one of the ${subject} are furthest from the baseline in a column`,
    ...scoped('viewer'),
    request: { params: subjects[subject], query: DevicesQuery },
    responses: { 200: json(DriftDevices, 'Devices, furthest first'), ...problems() },
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
  const yardsticks = createYardsticks(hub)
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
    { deployment, model, version }: Pick<z.infer<typeof Range>, 'deployment' | 'model' | 'version'>,
  ): Promise<WindowFilter> => {
    const models = await grantedModels(c, database)
    return {
      ...(model === undefined ? {} : { model }),
      // a model that is asked about is that model
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
      const rows = await latestWindows(database, filter, {
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
      const range =
        query.from === undefined && query.to === undefined
          ? undefined
          : rangeOf(query.from ?? new Date(0).toISOString(), query.to ?? new Date(hub.clock() + 1).toISOString())
      const asked = { sinceMs: sinceMs(query.since), range }
      const report = await driftReport(database, yardsticks, await filterOf(c, subject, id, query), asked)
      if (report === undefined) throw nothingToJudge()
      return c.json(report, 200)
    })
    routes.openapi(heatMapRoute(subject), async (c) => {
      const { from, to, stepSeconds, ...query } = c.req.valid('query')
      const [fromMs, toMs, stepMs] = [msOf(from), msOf(to), stepSeconds && stepSeconds * 1_000]
      if (fromMs !== undefined && toMs !== undefined && fromMs >= toMs) throw notAStretch()
      const filter = await filterOf(c, subject, c.req.valid('param').id, query)
      const map = await driftHeatMap(database, yardsticks, filter, { fromMs, toMs, stepMs })
      if (map === undefined) throw nothingToJudge()
      if (map === 'too-many-steps') {
        const detail = `the steps would be more than ${stepsMax}: take longer ones, or a shorter stretch of time`
        throw new Problem(422, 'too-many-steps', 'Too many steps', detail, { field: 'stepSeconds' })
      }
      return c.json(map, 200)
    })
    routes.openapi(devicesRoute(subject), async (c) => {
      const { from, to, column, measure, limit, ...query } = c.req.valid('query')
      const filter = await filterOf(c, subject, c.req.valid('param').id, query)
      const asked = { column, measure, limit, range: rangeOf(from, to) }
      const devices = await driftDevices(database, yardsticks, filter, asked)
      if (devices === undefined) throw nothingToJudge()
      return c.json(devices, 200)
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

const msOf = (time: string | undefined) => (time === undefined ? undefined : Date.parse(time))

function rangeOf(from: string, to: string): TimeRange {
  const range = { fromMs: Date.parse(from), toMs: Date.parse(to) }
  if (range.fromMs >= range.toMs) throw notAStretch()
  return range
}

const notAStretch = () =>
  new Problem(422, 'invalid-request', 'No stretch of time', 'from must be before to', { field: 'from' })

const nothingToJudge = () =>
  new Problem(
    404,
    'no-drift-yet',
    'Nothing to judge',
    'no window reports of a version with a baseline are here; register versions with a sample, and wait for reports',
  )

const sinceMs = (time: string | undefined) => (time === undefined ? 0 : Date.parse(time))
