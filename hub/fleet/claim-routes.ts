// Claims and enrolment over HTTP: an operator makes a claim token, a new device becomes one of the fleet with it.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { EnrolRequest, EnrolResponse } from '@roost/shared/protocol/enrolment.ts'
import { publicMqttUrl } from '../config.ts'
import { actorOf, type HubEnv, scoped, unscoped } from '../governance/access.ts'
import { auditStatements, changeBy, writeAudited } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import {
  ClaimRow,
  claimKey,
  claimKeyEnd,
  claimUsesMax,
  insertClaim,
  listClaims,
  makeClaimToken,
  revokeClaim,
} from './claims.ts'
import { ClaimDocument, json, jsonBody, showClaim } from './documents.ts'
import { enrolDevice } from './enrolment.ts'
import type { Fleet } from './fleet.ts'
import { Labels } from './labels.ts'

const hourMs = 3_600_000

const NewClaim = z.strictObject({
  /** Devices that can enrol with it. */
  uses: z.number().int().min(1).max(claimUsesMax).default(1),
  expiresInHours: z
    .number()
    .positive()
    .max(365 * 24)
    .default(24),
  /** Of every device that enrols with it. */
  labels: Labels.default({}),
})

const create = createRoute({
  method: 'post',
  path: '/v1/claims',
  summary: 'Make a claim token; it is shown in this answer and never again',
  ...scoped('operator'),
  request: jsonBody(NewClaim),
  responses: { 201: json(ClaimDocument.extend({ token: z.string() }), 'The claim'), ...problems() },
})
const list = createRoute({
  method: 'get',
  path: '/v1/claims',
  summary: 'Claims, newest first, without their tokens',
  ...scoped('viewer'),
  request: { query: PageQuery },
  responses: { 200: json(z.object({ claims: z.array(ClaimDocument), next: NextCursor }), 'A page'), ...problems() },
})
const revoke = createRoute({
  method: 'delete',
  path: '/v1/claims/{id}',
  summary: 'End a claim; devices enrolled with it stay',
  ...scoped('operator'),
  request: { params: z.object({ id: z.string().regex(/^[0-9a-f]{12}$/) }) },
  responses: { 204: { description: 'Nobody enrols with it any more' }, ...problems() },
})
const enrol = createRoute({
  method: 'post',
  path: '/v1/enrol',
  summary: 'Become a device of the fleet',
  description: 'Needs no API token: the claim token is the permission, `proof` shows that the caller holds `signKey`.',
  ...unscoped(),
  request: jsonBody(EnrolRequest),
  responses: { 201: json(EnrolResponse, 'The device, with its secret, shown only now'), ...problems() },
})

export function claimRoutes(hub: Hub, fleet: Pick<Fleet, 'ports' | 'accessChanged'>): OpenAPIHono<HubEnv> {
  const { config, database, keys, clock, random, log } = hub
  return new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const { uses, expiresInHours, labels } = c.req.valid('json')
      const made = makeClaimToken(random)
      const by = actorOf(c.get('principal'))
      const createdAt = clock()
      const expiresAt = Math.round(createdAt + expiresInHours * hourMs)
      const values = { after: { labels, uses, expiresAt: new Date(expiresAt).toISOString() } }
      await writeAudited(
        database,
        createdAt,
        [changeBy(c, 'claim.create', `claim:${made.id}`, values)],
        [insertClaim(made, { labels, usesMax: uses, expiresAt, by }, createdAt)],
      )
      const row = await database.first(ClaimRow, 'SELECT * FROM claims WHERE id = ?', [made.id])
      if (row === undefined) throw notFound('claim', made.id)
      c.header('location', `/v1/claims/${made.id}`)
      c.header('cache-control', 'no-store')
      return c.json({ ...showClaim(row, clock()), token: made.token }, 201)
    })
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const before = cursorKey(cursor, z.string().regex(/^\d{15} [0-9a-f]{12}$/), claimKeyEnd)
      const { items, next } = cutPage(await listClaims(database, before, limit + 1), limit, claimKey)
      return c.json({ claims: items.map((row) => showClaim(row, clock())), next }, 200)
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param')
      await database.exclusively(async (tx) => {
        const row = await tx.first(ClaimRow, 'SELECT * FROM claims WHERE id = ?', [id])
        if (row === undefined) throw notFound('claim', id)
        if (row.revoked_at !== null) return
        const change = changeBy(c, 'claim.revoke', `claim:${id}`, { before: { uses: row.uses, usesMax: row.uses_max } })
        await tx.write([revokeClaim(id, clock()), ...(await auditStatements(tx, clock(), [change]))])
      })
      return c.body(null, 204)
    })
    .openapi(enrol, async (c) => {
      const request = c.req.valid('json')
      const { device, secret } = await enrolDevice(hub, request, c.get('requestId'))
      log.info({ device, profile: request.profile }, 'device enrolled')
      await fleet.accessChanged()
      c.header('cache-control', 'no-store')
      const root = keys.roots.at(-1) ?? new Uint8Array()
      return c.json(
        {
          device,
          secret,
          root: Buffer.from(root).toString('base64'),
          mqttUrl: publicMqttUrl(config, fleet.ports.tcp ?? config.mqttPort),
          ...(hub.brokerAuthority === undefined ? {} : { mqttAuthority: hub.brokerAuthority }),
          hubTime: new Date(clock()).toISOString(),
        },
        201,
      )
    })
}
