// Devices over HTTP: look at them, label them, say what one shall run, end one.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { SecretResponse } from '@roost/shared/protocol/enrolment.ts'
import { Command } from '@roost/shared/protocol/messages.ts'
import { DeploymentName, DeviceId, ModelName } from '@roost/shared/protocol/names.ts'
import type { Context } from 'hono'
import { assertUnchanged, changedSince, etagOf, IfMatch } from '../etag.ts'
import { actorOf, type HubEnv, mayTouchModel, scoped } from '../governance/access.ts'
import { changeBy, writeAudited, writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { bundlesOf, grantedModels } from '../registry/granted-models.ts'
import { desiredOf, modelWanted, retryWish, type WishRole } from './desired.ts'
import { deviceStates } from './device-state.ts'
import {
  type DeviceRow,
  devicesById,
  findDevice,
  listDevices,
  revokeDevice,
  rotateSecret,
  setLabels,
} from './devices.ts'
import {
  DeviceDetail,
  DeviceDocument,
  json,
  jsonBody,
  QueryText,
  readQuery,
  showDesired,
  showDevice,
  showReported,
} from './documents.ts'
import type { Fleet } from './fleet.ts'
import { LabelKey, LabelValue, mergeLabels } from './labels.ts'
import { floorOf, oldestAbove, raiseFloor, wishByHand, withdrawByHand } from './operate.ts'
import { deviceSorts, pageInOrder, placeOf } from './order.ts'
import { reportedOf } from './progress.ts'
import type { Roster } from './roster.ts'
import { selected } from './selection.ts'

/** A deployment has what serves, and may have a shadow beside it. */
const Role = z.enum(['primary', 'shadow']).default('primary')

const params = z.object({ id: DeviceId })
const Version = z.number().int().positive().max(1_000_000_000)

const list = createRoute({
  method: 'get',
  path: '/v1/devices',
  summary: 'Devices, all or those a label query holds for, in an order that one chooses',
  ...scoped('viewer'),
  request: {
    query: PageQuery.extend({
      query: QueryText.default('all'),
      /** `true`: revoked ones too. */
      revoked: z.enum(['true', 'false']).default('false'),
      state: z.enum(deviceStates).optional().openapi({ description: 'only those that are so now' }),
      sort: z.enum(deviceSorts).default('id').openapi({
        description:
          'lastSeenAt: the longest away first, then who is there, then who never was; state: the worst first',
      }),
      order: z.enum(['asc', 'desc']).default('asc'),
    }),
  },
  responses: { 200: json(z.object({ devices: z.array(DeviceDocument), next: NextCursor }), 'A page'), ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/devices/{id}',
  summary: 'One device: what is wanted of it and what it reports',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(DeviceDetail, 'The device'), ...problems() },
})
const edit = createRoute({
  method: 'patch',
  path: '/v1/devices/{id}',
  summary: 'Set labels; null takes one away, the others stay',
  ...scoped('operator'),
  request: {
    params,
    headers: IfMatch,
    ...jsonBody(z.strictObject({ labels: z.record(LabelKey, LabelValue.nullable()) })),
  },
  responses: { 200: json(DeviceDocument, 'The device afterwards'), ...problems() },
})
const revoke = createRoute({
  method: 'delete',
  path: '/v1/devices/{id}',
  summary: 'Revoke a device: it is cut off at once and cannot come back, also not under its name',
  ...scoped('operator'),
  request: { params },
  responses: { 204: { description: 'It is revoked' }, ...problems() },
})
const desire = createRoute({
  method: 'put',
  path: '/v1/devices/{id}/desired/{deployment}',
  summary: 'Say by hand which version a deployment of the device shall run, or run beside it as a shadow',
  ...scoped('operator'),
  request: {
    params: params.extend({ deployment: DeploymentName }),
    ...jsonBody(
      z.strictObject({
        model: ModelName,
        version: Version,
        role: Role,
        /** Of a shadow: the share of the primary's inferences that it repeats; 0.1 where it is left out. */
        sample: z.number().min(0).max(1).optional(),
      }),
    ),
  },
  responses: { 200: json(DeviceDetail, 'The device afterwards'), ...problems() },
})
const withdraw = createRoute({
  method: 'delete',
  path: '/v1/devices/{id}/desired/{deployment}',
  summary: 'Nothing shall run in the deployment any more, or no shadow beside what does',
  ...scoped('operator'),
  request: { params: params.extend({ deployment: DeploymentName }), query: z.object({ role: Role }) },
  responses: { 200: json(DeviceDetail, 'The device afterwards'), ...problems() },
})
const retry = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/retry',
  summary: 'Ask the device to try again what it gave up',
  ...scoped('operator'),
  request: { params, ...jsonBody(z.strictObject({ deployment: DeploymentName, role: Role })) },
  responses: { 200: json(DeviceDetail, 'The device, with the attempt raised'), ...problems() },
})
const command = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/commands',
  summary: 'Tell a connected device to report now, to say hello now, or how much to log',
  ...scoped('operator'),
  request: { params, ...jsonBody(Command) },
  responses: { 202: { description: 'It was told' }, ...problems() },
})
const rotate = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/secret',
  summary: 'The device’s next secret; the present one holds until the next is used for the first time',
  ...scoped('device'),
  request: { params },
  responses: { 201: json(SecretResponse, 'The secret, shown only now'), ...problems() },
})
const floorNow = createRoute({
  method: 'get',
  path: '/v1/models/{name}/floor',
  summary: 'The oldest version of the model that devices still install; null: any',
  ...scoped('viewer'),
  request: { params: z.object({ name: ModelName }) },
  responses: {
    200: json(
      z.object({ model: ModelName, counter: z.number().int().nullable(), version: z.number().int().nullable() }),
      'The floor',
    ),
    ...problems(),
  },
})
const floor = createRoute({
  method: 'put',
  path: '/v1/models/{name}/floor',
  summary: 'From now on devices install no version of the model older than this one; a floor only rises',
  ...scoped('operator'),
  request: { params: z.object({ name: ModelName }), ...jsonBody(z.strictObject({ version: Version })) },
  responses: { 200: json(z.object({ model: ModelName, counter: z.number().int() }), 'The floor'), ...problems() },
})

/** A place in an order, as a cursor keeps it. */
const PlaceCursor = z
  .string()
  .transform(parsedJson)
  .pipe(z.tuple([z.number(), DeviceId]))
  .optional()

export function deviceRoutes(hub: Hub, fleet: Fleet, roster: Roster): OpenAPIHono<HubEnv> {
  const { database, clock, log } = hub
  const known = async (id: string): Promise<DeviceRow> => {
    const row = await findDevice(database, id)
    if (row === undefined) throw notFound('device', id)
    return row
  }
  const enrolled = async (id: string): Promise<DeviceRow> => {
    const row = await known(id)
    if (row.revoked_at === null) return row
    throw new Problem(409, 'revoked', 'The device is revoked', `${id} was revoked and stays so`)
  }
  /** What runs in a deployment is changed by those who may touch its model. */
  const mayTouchDeployment = async (
    c: Context<HubEnv>,
    device: string,
    deployment: string,
    role: WishRole,
  ): Promise<void> => {
    const model = await modelWanted(database, device, deployment, role)
    if (model !== undefined) mayTouchModel(c, model)
  }
  const shown = (row: DeviceRow) => showDevice(row, fleet.isConnected(row.id), clock())
  /** Of what it runs and shall run, that of the models which the caller may see. */
  const detail = async (c: Context<HubEnv>, id: string): Promise<DeviceDetail> => {
    const desired = await desiredOf(database, id)
    const reported = await reportedOf(database, [id])
    const models = await grantedModels(c, database)
    const digests = [...desired, ...reported].map(({ manifest }) => manifest)
    const seen = models && (await bundlesOf(database, digests, models))
    const isSeen = ({ manifest }: { manifest: string }) => seen === undefined || seen.has(manifest)
    return {
      ...shown(await known(id)),
      desired: desired.filter(isSeen).map(showDesired),
      reported: reported.filter(isSeen).map(showReported),
    }
  }

  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor, query, revoked, state, sort, order } = c.req.valid('query')
      const filter = { query: readQuery(query), revoked: revoked === 'true' }
      if (state === undefined && sort === 'id' && order === 'asc') {
        const rows = await listDevices(database, filter, cursorKey(cursor, DeviceId, ''), limit + 1)
        const { items, next } = cutPage(rows, limit, ({ id }) => id)
        return c.json({ devices: items.map(shown), next }, 200)
      }
      const all = await (cursor === undefined ? roster.read() : roster.recent())
      const found = selected(all, { ...filter, state }, fleet.isConnected, clock())
      const placed = found.map((one) => ({ id: one.row.id, place: placeOf(one.row, one.state, sort) }))
      const after = cursorKey(cursor, PlaceCursor, undefined)
      const page = pageInOrder(placed, { descending: order === 'desc' }, after, limit + 1)
      const { items, next } = cutPage(page, limit, ({ place }) => JSON.stringify(place))
      const rows = await devicesById(
        database,
        items.map(({ id }) => id),
      )
      return c.json({ devices: rows.map(shown), next }, 200)
    })
    .openapi(show, async (c) => {
      const row = await known(c.req.valid('param').id)
      c.header('etag', etagOf(row))
      return c.json(await detail(c, row.id), 200)
    })
    .openapi(edit, async (c) => {
      const before = await enrolled(c.req.valid('param').id)
      const merged = mergeLabels(before.labels, c.req.valid('json').labels)
      if (!merged.ok) throw tooManyLabels(merged.detail)
      const { labels } = merged
      assertUnchanged(before, c.req.valid('header')['if-match'])
      // What was merged was merged into this revision, so no other may have come in between.
      const change = changeBy(c, 'device.label', `device:${before.id}`, { before: before.labels, after: labels })
      const [changed] = await writeAuditedIfChanged(database, clock(), change, [
        setLabels(before.id, labels, before.revision),
      ])
      const after = await enrolled(before.id)
      if (changed === 0) throw changedSince(after)
      c.header('etag', etagOf(after))
      return c.json(shown(after), 200)
    })
    .openapi(revoke, async (c) => {
      const { id } = await known(c.req.valid('param').id)
      const change = changeBy(c, 'device.revoke', `device:${id}`)
      await writeAuditedIfChanged(database, clock(), change, [revokeDevice(id, clock())])
      fleet.disconnect(id, 'revoked')
      log.info({ device: id, by: actorOf(c.get('principal')) }, 'device revoked')
      return c.body(null, 204)
    })
    .openapi(desire, async (c) => {
      const { id, deployment } = c.req.valid('param')
      const device = await enrolled(id)
      const { role, ...wanted } = c.req.valid('json')
      mayTouchModel(c, wanted.model)
      const change = changeBy(c, 'device.desire', `device:${id}`)
      await wishByHand(hub, fleet, device, { deployment, role }, wanted, change, (model) => mayTouchModel(c, model))
      return c.json(await detail(c, id), 200)
    })
    .openapi(withdraw, async (c) => {
      const { id, deployment } = c.req.valid('param')
      const device = await enrolled(id)
      const { role } = c.req.valid('query')
      const change = changeBy(c, 'device.withdraw', `device:${id}`)
      await withdrawByHand(hub, fleet, device, { deployment, role }, change, (model) => mayTouchModel(c, model))
      return c.json(await detail(c, id), 200)
    })
    .openapi(retry, async (c) => {
      const { id } = await enrolled(c.req.valid('param').id)
      const { deployment, role } = c.req.valid('json')
      await mayTouchDeployment(c, id, deployment, role)
      const by = actorOf(c.get('principal'))
      const attempt = await retryWish(database, { device: id, deployment, role, by }, clock(), c.get('requestId'))
      if (attempt === undefined) throw notFound('wish for deployment', deployment)
      fleet.push([id])
      return c.json(await detail(c, id), 200)
    })
    .openapi(command, async (c) => {
      const { id } = await enrolled(c.req.valid('param').id)
      if (!fleet.isConnected(id)) {
        throw new Problem(409, 'not-connected', 'The device is not connected', `${id} cannot be told anything now`)
      }
      const told = c.req.valid('json')
      await writeAudited(database, clock(), [changeBy(c, 'device.command', `device:${id}`, { after: told })], [])
      await fleet.command(id, told)
      return c.body(null, 202)
    })
    .openapi(rotate, async (c) => {
      const { id } = c.req.valid('param')
      const principal = c.get('principal')
      if (principal.kind !== 'device' || principal.id !== id) {
        throw new Problem(403, 'forbidden', 'Not allowed', 'a device may ask for its own secret only')
      }
      const secret = await rotateSecret(hub, id, c.get('requestId'))
      if (secret === undefined) throw notFound('device', id)
      c.header('cache-control', 'no-store')
      return c.json({ secret }, 201)
    })
    .openapi(floorNow, async (c) => {
      const { name } = c.req.valid('param')
      const counter = await floorOf(database, name)
      const version = counter === undefined ? undefined : await oldestAbove(database, name, counter)
      return c.json({ model: name, counter: counter ?? null, version: version ?? null }, 200)
    })
    .openapi(floor, async (c) => {
      const { name } = c.req.valid('param')
      const counter = await raiseFloor(
        hub,
        fleet,
        name,
        c.req.valid('json').version,
        changeBy(c, 'model.raise-floor', `model:${name}`),
      )
      return c.json({ model: name, counter }, 200)
    })
}

const tooManyLabels = (detail: string): Problem =>
  new Problem(422, 'invalid-request', 'The request does not fit its schema', detail, { field: 'labels' })

/** @returns undefined where it is none: no schema takes that */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
