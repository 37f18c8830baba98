// The rollout routes: write and start one, look at it, operate and approve it, and read its history.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { DeviceId, ModelName } from '@roost/shared/protocol/names.ts'
import { progressStates } from '@roost/shared/protocol/progress.ts'
import type { Context } from 'hono'
import { actorOf, type HubEnv, mayTouchModel, modelsGranted, scoped } from '../governance/access.ts'
import { namesOfTokens } from '../governance/token-names.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { problems } from '../problem.ts'
import { addressedRollout, json, rolloutParams } from './addressed.ts'
import type { Caller } from './changes.ts'
import { Decision, ListedRollout, Member, RolloutDetail, showDetail, showList, showMember } from './documents.ts'
import type { Rollouts } from './engine.ts'
import { suspectsOf } from './evidence/suspects.ts'
import { failureDetails } from './failure-details.ts'
import type { FleetLink } from './looks.ts'
import { operations } from './operate.ts'
import { NewRollout } from './plan/plan.ts'
import type { Starter } from './start.ts'
import { rolloutStates } from './states.ts'
import { decisionsOf, type MemberRow, membersOf, rolloutPage, type StoredRollout, stagesOf } from './store.ts'

const create = createRoute({
  method: 'post',
  path: '/v1/rollouts',
  summary: 'Start a rollout of a version to a group, or write it down as a draft',
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
    query: PageQuery.extend({
      model: ModelName.optional(),
      version: z.coerce.number().int().positive().optional(),
      state: z
        .string()
        .transform((text) => text.split(','))
        .pipe(z.array(z.enum(rolloutStates)))
        .optional()
        .openapi({ type: 'string', description: 'one or several, separated by commas', example: 'running,paused' }),
    }),
  },
  responses: {
    200: json(z.object({ rollouts: z.array(ListedRollout), next: NextCursor }), 'A page of them'),
    ...problems(),
  },
})
const show = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}',
  summary: 'One rollout with its stages',
  ...scoped('viewer'),
  request: { params: rolloutParams },
  responses: { 200: json(RolloutDetail, 'The rollout'), ...problems() },
})
const devices = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/devices',
  summary: 'Which devices are in which stage, why, and how far they are',
  ...scoped('viewer'),
  request: {
    params: rolloutParams,
    query: z.object({
      stage: z.string().max(64).optional().openapi({ description: 'by name: those that take part in it' }),
      state: z.enum(progressStates).optional(),
      device: z.string().max(200).optional().openapi({ description: 'a part of the id' }),
      limit: PageQuery.shape.limit.unwrap().optional().openapi({ description: 'all, where left out' }),
      cursor: PageQuery.shape.cursor,
    }),
  },
  responses: {
    200: json(
      z.object({
        devices: z.array(Member),
        /** Of those asked for, on all pages. */
        total: z.number().int(),
        next: NextCursor,
      }),
      'Its devices, in the order of the line',
    ),
    ...problems(),
  },
})
const history = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/decisions',
  summary: 'Every decision, by whom, and the numbers it was based on',
  ...scoped('viewer'),
  request: { params: rolloutParams },
  responses: { 200: json(z.object({ decisions: z.array(Decision) }), 'Its history'), ...problems() },
})
/** The ETag of the rollout as you saw it: refuses if it has changed since. */
const ifMatch = z.object({ 'if-match': z.string().optional() })
const reason = z.string().max(500).default('')
const stage = z.string().max(64).optional()

const approval = createRoute({
  method: 'post',
  path: '/v1/rollouts/{id}/approvals',
  summary: 'Approve or reject a stage that waits for it, or the rollout before it starts; not by who started it',
  ...scoped('approver'),
  request: {
    params: rolloutParams,
    headers: ifMatch,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            decision: z.enum(['approve', 'reject']),
            comment: z.string().max(2_000).default(''),
            /** The one that is meant; the one that waits, where left out. */
            stage,
          }),
        },
      },
    },
  },
  responses: { 200: json(RolloutDetail, 'The rollout afterwards'), ...problems() },
})
const start = createRoute({
  method: 'post',
  path: '/v1/rollouts/{id}/start',
  summary: 'Start a draft: its members are frozen now; asked for twice it is done once',
  ...scoped('operator'),
  request: { params: rolloutParams, headers: ifMatch },
  responses: { 200: json(RolloutDetail, 'It runs, or waits for approval'), ...problems() },
})
const operation = createRoute({
  method: 'post',
  path: '/v1/rollouts/{id}/{operation}',
  summary:
    'Pause, resume, abort, roll back, release a held stage, pass one, retry devices; asked for twice it is done once',
  ...scoped('operator'),
  request: {
    params: rolloutParams.extend({ operation: z.enum(operations) }),
    headers: ifMatch,
    body: {
      content: {
        'application/json': {
          schema: z.strictObject({
            reason,
            /** Needed by release and advance. With rollback: this stage and those after it, not all. */
            stage,
            /** With retry: these; all that failed, where left out. */
            devices: z.array(DeviceId).min(1).max(10_000).optional(),
          }),
        },
      },
    },
  },
  responses: { 200: json(RolloutDetail, 'The rollout afterwards'), ...problems() },
})

export function rolloutRoutes(
  hub: Hub,
  rollouts: Rollouts,
  fleet: Pick<FleetLink, 'isConnected'>,
): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  const known = (c: Context<HubEnv>, id: string) => addressedRollout(c, database, id)
  const detail = async (c: Context<HubEnv>, row: StoredRollout) => {
    c.header('etag', etagOf(row))
    return showDetail(database, row, fleet.isConnected, clock())
  }
  const caller = (c: Context<HubEnv>, match: string | undefined): Caller & Starter => ({
    actor: actorOf(c.get('principal')),
    requestId: c.get('requestId'),
    expected: match === undefined ? undefined : revisionOf(match),
    mayTouch: (model) => mayTouchModel(c, model),
  })
  return new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const wanted = c.req.valid('json')
      mayTouchModel(c, wanted.model)
      const row = await rollouts.start(wanted, caller(c, undefined))
      c.header('location', `/v1/rollouts/${row.id}`)
      return c.json(await detail(c, row), 201)
    })
    .openapi(list, async (c) => {
      const { limit, cursor, ...of } = c.req.valid('query')
      const rows = await rolloutPage(database, of, cursorKey(cursor, z.string().max(64), '~'), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ id }) => id)
      const granted = modelsGranted(c)
      const seen = items.filter(({ model }) => granted(model))
      return c.json({ rollouts: await showList(database, seen), next }, 200)
    })
    .openapi(show, async (c) => c.json(await detail(c, await known(c, c.req.valid('param').id)), 200))
    .openapi(devices, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      const { stage, state, device, limit, cursor } = c.req.valid('query')
      const all = await membersOf(database, row.id)
      const suspects = new Map((await suspectsOf(database, row.id)).map(({ device, why }) => [device, why]))
      const stages = await stagesOf(database, row.id)
      const details = await failureDetails(database, row, clock())
      const index = stages.find(({ name }) => name === stage)?.idx
      const isAsked = (member: MemberRow) =>
        (stage === undefined || member.stage === index || member.serves_from === index) &&
        (state === undefined || member.state === state) &&
        (device === undefined || member.device.includes(device))
      const after = cursorKey(cursor, z.string().max(200), '')
      // by its place in the line: it may be in another state by now than the one that is asked for
      const rest = all.slice(all.findIndex((member) => member.device === after) + 1).filter(isAsked)
      const { items, next } = cutPage(rest, limit ?? rest.length, (member) => member.device)
      const shown = items.map((member) =>
        showMember(stages, member, suspects.get(member.device) ?? null, details.get(member.device) ?? null),
      )
      return c.json({ devices: shown, total: all.filter(isAsked).length, next }, 200)
    })
    .openapi(history, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      const decisions = await decisionsOf(database, row.id)
      const names = await namesOfTokens(
        database,
        decisions.map(({ actor }) => actor),
      )
      const shown = decisions.map(({ at, ...row }) => ({
        ...row,
        at: new Date(at).toISOString(),
        name: names.get(row.actor) ?? null,
      }))
      return c.json({ decisions: shown }, 200)
    })
    .openapi(approval, async (c) => {
      const { id } = c.req.valid('param')
      await known(c, id)
      const by = caller(c, c.req.valid('header')['if-match'])
      const principal = c.get('principal')
      const name = principal.kind === 'token' ? principal.name : principal.id
      const after = await rollouts.answer(id, { ...c.req.valid('json'), actor: by.actor, name }, by)
      return c.json(await detail(c, after), 200)
    })
    .openapi(start, async (c) => {
      const { id } = c.req.valid('param')
      await known(c, id)
      const after = await rollouts.startDraft(id, caller(c, c.req.valid('header')['if-match']))
      return c.json(await detail(c, after), 200)
    })
    .openapi(operation, async (c) => {
      const { id, operation } = c.req.valid('param')
      await known(c, id)
      const by = caller(c, c.req.valid('header')['if-match'])
      const after = await rollouts.operate(id, { ...c.req.valid('json'), operation }, by)
      return c.json(await detail(c, after), 200)
    })
}

const etagOf = (row: StoredRollout) => `"${row.revision}"`
/** Of an ETag that is none of ours: a revision that no rollout has. */
const revisionOf = (etag: string): number => Number(/^(?:W\/)?"(\d{1,15})"$/.exec(etag)?.[1] ?? -1)
