// The rollout routes: plan and start one, look at it, pause, resume, abort, roll back, and read its history.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { actorOf, type HubEnv, mayTouchModel, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { Decision, Member, Rollout, RolloutDetail, showDetail, showMember, showRollout } from './documents.ts'
import type { Rollouts } from './engine.ts'
import { operations } from './operate.ts'
import { NewRollout } from './plan/plan.ts'
import { decisionsOf, membersOf, type RolloutRow, rolloutById, rolloutPage } from './store.ts'

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const params = z.object({ id: z.string().regex(/^r-[0-9a-z-]{1,40}$/, 'a rollout is called r-…') })

const create = createRoute({
  method: 'post',
  path: '/v1/rollouts',
  summary: 'Start a rollout of a version to a group',
  ...scoped('operator'),
  request: { body: { required: true, content: { 'application/json': { schema: NewRollout } } } },
  responses: { 201: json(RolloutDetail, 'It runs'), ...problems() },
})
const list = createRoute({
  method: 'get',
  path: '/v1/rollouts',
  summary: 'Rollouts, newest first',
  ...scoped('viewer'),
  request: {
    query: PageQuery,
  },
  responses: {
    200: json(z.object({ rollouts: z.array(Rollout), next: NextCursor }), 'A page of them'),
    ...problems(),
  },
})
const show = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}',
  summary: 'One rollout with its stages',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(RolloutDetail, 'The rollout'), ...problems() },
})
const devices = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/devices',
  summary: 'Which devices are in which stage, why, and how far they are',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(z.object({ devices: z.array(Member) }), 'Its devices'), ...problems() },
})
const history = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/decisions',
  summary: 'Every decision, by whom, and the numbers it was based on',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(z.object({ decisions: z.array(Decision) }), 'Its history'), ...problems() },
})
const operation = createRoute({
  method: 'post',
  path: '/v1/rollouts/{id}/{operation}',
  summary: 'Pause, resume, abort or roll back; asked for twice it is done once',
  ...scoped('operator'),
  request: {
    params: params.extend({ operation: z.enum(operations) }),
    headers: z.object({
      /** The ETag of the rollout as you saw it: refuses if it has changed since. */
      'if-match': z.string().optional(),
    }),
    body: {
      content: { 'application/json': { schema: z.strictObject({ reason: z.string().max(500).default('') }) } },
    },
  },
  responses: { 200: json(RolloutDetail, 'The rollout afterwards'), ...problems() },
})

export function rolloutRoutes(hub: Hub, rollouts: Rollouts): OpenAPIHono<HubEnv> {
  const { database } = hub
  const known = async (c: Context<HubEnv>, id: string): Promise<RolloutRow> => {
    const row = await rolloutById(database, id)
    if (row === undefined) throw notFound('rollout', id)
    mayTouchModel(c, row.model)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const wanted = c.req.valid('json')
      mayTouchModel(c, wanted.model)
      const row = await rollouts.start(wanted, {
        actor: actorOf(c.get('principal')),
        requestId: c.get('requestId'),
        mayTouch: (model) => mayTouchModel(c, model),
      })
      c.header('location', `/v1/rollouts/${row.id}`)
      c.header('etag', etagOf(row))
      return c.json(await showDetail(database, row), 201)
    })
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const rows = await rolloutPage(database, cursorKey(cursor, z.string().max(64), '~'), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ id }) => id)
      const granted = modelsGranted(c)
      return c.json({ rollouts: items.filter(({ model }) => granted(model)).map(showRollout), next }, 200)
    })
    .openapi(show, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      c.header('etag', etagOf(row))
      return c.json(await showDetail(database, row), 200)
    })
    .openapi(devices, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      const members = await membersOf(database, row.id)
      return c.json({ devices: members.map((member) => showMember(row.plan, member)) }, 200)
    })
    .openapi(history, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      const decisions = await decisionsOf(database, row.id)
      return c.json({ decisions: decisions.map((row) => ({ ...row, at: new Date(row.at).toISOString() })) }, 200)
    })
    .openapi(operation, async (c) => {
      const { id, operation } = c.req.valid('param')
      const row = await known(c, id)
      const expected = c.req.valid('header')['if-match']
      if (expected !== undefined && expected !== etagOf(row)) {
        throw new Problem(412, 'changed', 'It has changed since you looked', `its ETag is ${etagOf(row)} now`)
      }
      const { reason } = c.req.valid('json')
      const after = await rollouts.operate(id, operation, reason, actorOf(c.get('principal')), c.get('requestId'))
      c.header('etag', etagOf(after))
      return c.json(await showDetail(database, after), 200)
    })
}

const etagOf = (row: RolloutRow) => `"${row.revision}"`
