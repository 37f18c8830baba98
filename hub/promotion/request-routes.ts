// Requests for approval over HTTP: see what waits, approve or reject it, revoke an approval.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { actorOf, type HubEnv, mayTouchModel, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { RequestDocument } from './documents.ts'
import type { Promotion } from './promotion.ts'
import { type RequestRow, requestById, requestPage, requestStates } from './requests.ts'
import { askerOf, holds, requestDocument } from './routes.ts'

const RequestId = z.string().regex(/^p-[0-9a-z]{1,20}-[0-9a-f]{10}$/, 'a promotion request is called p-…')
const params = z.object({ id: RequestId })
const Reason = z.string().trim().min(1, 'say why').max(2_000)
const Actor = z.string().regex(/^token:[0-9A-Za-z]{8}$/, 'an approver is written token:Ab3dEf9h')

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const jsonBody = <S extends z.ZodType>(schema: S) => ({
  body: { required: true, content: { 'application/json': { schema } } },
})

const list = createRoute({
  method: 'get',
  path: '/v1/promotion-requests',
  summary: 'Requests for approval, newest first',
  ...scoped('viewer'),
  request: { query: PageQuery.extend({ model: ModelName.optional(), state: z.enum(requestStates).optional() }) },
  responses: {
    200: json(z.object({ requests: z.array(RequestDocument), next: NextCursor }), 'A page'),
    ...problems(),
  },
})
const show = createRoute({
  method: 'get',
  path: '/v1/promotion-requests/{id}',
  summary: 'One request with its answers',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(RequestDocument, 'The request'), ...problems() },
})
const answer = createRoute({
  method: 'post',
  path: '/v1/promotion-requests/{id}/approvals',
  summary: 'Approve or reject; never by who registered the version or asked, and once',
  ...scoped('approver'),
  request: {
    params,
    ...jsonBody(
      z.strictObject({ decision: z.enum(['approve', 'reject']), comment: z.string().max(2_000).default('') }),
    ),
  },
  responses: { 200: json(RequestDocument, 'The request afterwards'), ...problems() },
})
const revoke = createRoute({
  method: 'post',
  path: '/v1/promotion-requests/{id}/revocations',
  summary: 'Revoke an approval: one’s own, or as admin that of another',
  description:
    'After it took effect the version goes back to the stage it came from, is rolled out no further, and what it had taken the place of returns.',
  ...scoped('approver'),
  request: { params, ...jsonBody(z.strictObject({ approver: Actor.optional(), reason: Reason })) },
  responses: { 200: json(RequestDocument, 'The request afterwards'), ...problems() },
})

export function promotionRequestRoutes(
  hub: Pick<Hub, 'database' | 'clock'>,
  promotion: Promotion,
): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  const known = async (id: string): Promise<RequestRow> => {
    const row = await requestById(database, id)
    if (row === undefined) throw notFound('promotion request', id)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => {
      const { limit, cursor, model, state } = c.req.valid('query')
      const filter = { model, state, nowMs: clock() }
      const rows = await requestPage(database, filter, cursorKey(cursor, RequestId, '~'), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ id }) => id)
      const granted = modelsGranted(c)
      const requests: z.infer<typeof RequestDocument>[] = []
      for (const row of items) if (granted(row.model)) requests.push(await requestDocument(hub, row))
      return c.json({ requests, next }, 200)
    })
    .openapi(show, async (c) => {
      const row = await known(c.req.valid('param').id)
      mayTouchModel(c, row.model)
      return c.json(await requestDocument(hub, row), 200)
    })
    .openapi(answer, async (c) => {
      const { id } = c.req.valid('param')
      mayTouchModel(c, (await known(id)).model)
      const principal = c.get('principal')
      const name = principal.kind === 'token' ? principal.name : principal.id
      const row = await promotion.decide(id, { ...c.req.valid('json'), name }, askerOf(c))
      return c.json(await requestDocument(hub, row), 200)
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param')
      mayTouchModel(c, (await known(id)).model)
      const { approver = actorOf(c.get('principal')), reason } = c.req.valid('json')
      const row = await promotion.revoke(id, { approver, reason, anyones: holds(c, 'admin') }, askerOf(c))
      return c.json(await requestDocument(hub, row), 200)
    })
}
