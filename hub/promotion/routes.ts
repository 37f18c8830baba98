// Promotion over HTTP: the policy of a model, the gates of a version, its way from stage to stage.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import type { Context } from 'hono'
import { etagOf, IfMatch } from '../etag.ts'
import { actorOf, type HubEnv, type Scope, scoped } from '../governance/access.ts'
import { areaOf, holdsScope } from '../governance/grants.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { numbered, VersionParams } from '../registry/parameters.ts'
import { readProfiles } from '../registry/profiles.ts'
import { Stage } from '../registry/stages.ts'
import { findVersion } from '../registry/store.ts'
import { validAmong } from './approvals.ts'
import {
  Goal,
  PipelineDocument,
  PolicyDocument,
  type RequestDocument,
  showHold,
  showMove,
  showPolicy,
  showRequest,
  showVerdict,
  VerdictDocument,
} from './documents.ts'
import { holdOf } from './holds.ts'
import { movesOf } from './moves.ts'
import { policyOf, policyRevisions } from './policies.ts'
import { assertProfilesKnown, PromotionPolicy } from './policy.ts'
import type { Promotion } from './promotion.ts'
import { approvalsOf, type RequestRow, requestsOf } from './requests.ts'
import { verdictsOf } from './verdicts.ts'
import type { Asker } from './written.ts'

const ModelParams = z.object({ name: ModelName })
const Comment = z.string().max(2_000)
/** Requests, verdicts and moves of a version that are shown. */
const shownMax = 100

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const jsonBody = <S extends z.ZodType>(schema: S) => ({
  body: { required: true, content: { 'application/json': { schema } } },
})

const policy = createRoute({
  method: 'get',
  path: '/v1/models/{name}/promotion',
  summary: 'The promotion policy of a model; revision 0 where none was put',
  ...scoped('viewer'),
  request: { params: ModelParams },
  responses: { 200: json(PolicyDocument, 'The policy'), ...problems() },
})
const putPolicy = createRoute({
  method: 'put',
  path: '/v1/models/{name}/promotion',
  summary: 'Put a promotion policy; the one before is kept as a revision',
  ...scoped('admin'),
  request: { params: ModelParams, headers: IfMatch, ...jsonBody(PromotionPolicy) },
  responses: { 200: json(PolicyDocument, 'The policy that holds now'), ...problems() },
})
const revisions = createRoute({
  method: 'get',
  path: '/v1/models/{name}/promotion/revisions',
  summary: 'Every policy the model has had, newest first',
  ...scoped('viewer'),
  request: { params: ModelParams, query: PageQuery },
  responses: { 200: json(z.object({ revisions: z.array(PolicyDocument), next: NextCursor }), 'A page'), ...problems() },
})
const gates = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/gates',
  summary: 'What the gates said of a version, the last verdict first, with every number',
  ...scoped('viewer'),
  request: { params: VersionParams },
  responses: { 200: json(z.object({ verdicts: z.array(VerdictDocument) }), 'Verdicts'), ...problems() },
})
const check = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/gates',
  summary: 'Judge the gates of a version now',
  description: 'The verdict is kept; where the policy says so, the version moves or asks for approval.',
  ...scoped('ci', 'operator', 'approver'),
  request: { params: VersionParams, ...jsonBody(z.strictObject({ to: Goal.optional() })) },
  responses: { 200: json(VerdictDocument, 'The verdict'), ...problems() },
})
const pipeline = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/promotion',
  summary: 'Where a version stands, who was asked, and how it came there',
  ...scoped('viewer'),
  request: { params: VersionParams },
  responses: { 200: json(PipelineDocument, 'Its way'), ...problems() },
})
const promote = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/promotion',
  summary: 'Promote, demote or archive a version',
  description:
    'Forward it goes one stage at a time, through its gates, and waits where approvals are needed (202). ' +
    'An admin may override both, with a comment that says why.',
  ...scoped('ci', 'operator'),
  request: {
    params: VersionParams,
    ...jsonBody(
      z
        .strictObject({ to: Stage, comment: Comment.default(''), override: z.boolean().default(false) })
        .refine(({ override, comment }) => !override || comment.trim() !== '', {
          path: ['comment'],
          message: 'an override says why',
        }),
    ),
  },
  responses: {
    200: json(PipelineDocument, 'It moved'),
    202: json(PipelineDocument, 'It waits for approval'),
    ...problems(),
  },
})

export function promotionRoutes(hub: Pick<Hub, 'database' | 'clock'>, promotion: Promotion): OpenAPIHono<HubEnv> {
  const { database } = hub
  const pipelineOf = async (model: string, version: number): Promise<z.infer<typeof PipelineDocument>> => {
    const row = await findVersion(database, model, version)
    if (row === undefined) throw notFound('version', `${model}/${version}`)
    const requests: z.infer<typeof RequestDocument>[] = []
    for (const request of await requestsOf(database, model, version, shownMax)) {
      requests.push(await requestDocument(hub, request))
    }
    return {
      model,
      version,
      stage: row.stage,
      hold: showHold(await holdOf(database, model, version)),
      requests,
      moves: (await movesOf(database, model, version, shownMax)).map(showMove),
    }
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(policy, async (c) => {
      const row = await policyOf(database, c.req.valid('param').name)
      c.header('etag', etagOf(row))
      return c.json(showPolicy(row), 200)
    })
    .openapi(putPolicy, async (c) => {
      const { name } = c.req.valid('param')
      const wanted = c.req.valid('json')
      assertProfilesKnown(
        wanted,
        (await readProfiles()).map((profile) => profile.name),
      )
      const row = await promotion.putPolicy(name, wanted, c.req.valid('header')['if-match'], askerOf(c))
      c.header('etag', etagOf(row))
      return c.json(showPolicy(row), 200)
    })
    .openapi(revisions, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const before = cursorKey(cursor, z.coerce.number().int().positive(), Number.MAX_SAFE_INTEGER)
      const rows = await policyRevisions(database, c.req.valid('param').name, before, limit + 1)
      const { items, next } = cutPage(rows, limit, ({ revision }) => String(revision))
      return c.json({ revisions: items.map(showPolicy), next }, 200)
    })
    .openapi(gates, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      if ((await findVersion(database, name, version)) === undefined) throw notFound('version', `${name}/${version}`)
      return c.json({ verdicts: (await verdictsOf(database, name, version, shownMax)).map(showVerdict) }, 200)
    })
    .openapi(check, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      return c.json(showVerdict(await promotion.check(name, version, c.req.valid('json').to, askerOf(c))), 200)
    })
    .openapi(pipeline, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      return c.json(await pipelineOf(name, version), 200)
    })
    .openapi(promote, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      const wanted = c.req.valid('json')
      if (wanted.override && !holds(c, 'admin')) {
        throw new Problem(403, 'forbidden', 'Not allowed', 'only an admin overrides gates and approvals', {
          field: 'override',
        })
      }
      const { request } = await promotion.change({ model: name, version, ...wanted }, holds(c, 'operator'), askerOf(c))
      const after = await pipelineOf(name, version)
      if (request === null) return c.json(after, 200)
      c.header('location', `/v1/promotion-requests/${request}`)
      return c.json(after, 202)
    })
}

export const askerOf = (c: Context<HubEnv>): Asker => ({
  actor: actorOf(c.get('principal')),
  requestId: c.get('requestId'),
})

/** Whether who asks holds the scope for this route. */
export function holds(c: Context<HubEnv>, scope: Scope): boolean {
  const principal = c.get('principal')
  return principal.kind === 'token' && holdsScope(principal, scope, areaOf(c.req.path))
}

/** A request with its answers. */
export async function requestDocument(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  request: RequestRow,
): Promise<z.infer<typeof RequestDocument>> {
  const approvals = await approvalsOf(database, request.id)
  return showRequest(request, approvals, (await validAmong(database, approvals)).length, clock())
}
