// Who may approve what, and what an approval is worth when something changes: over HTTP, with a token for each person.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { aPipeline, approvedBy, type Holder, type Pipeline, versionPath } from './a-pipeline.ts'

const approve = { decision: 'approve', comment: 'looked at it' }
const path = (request: string, what = 'approvals') => `/v1/promotion-requests/${request}/${what}`

/** Version 1 in staging, evaluated, waiting for so many approvals. */
async function waiting(pipeline: Pipeline, needed: number) {
  expect((await pipeline.putPolicy(approvedBy(needed))).status).toBe(200)
  const ci = await pipeline.tokenOf('ci of the team', 'ci')
  const version = await pipeline.register(ci)
  expect(await pipeline.stageOf(version)).toBe('staging')
  await pipeline.evaluate(version)
  const [request = ''] = await pipeline.open(version)
  expect(request).toMatch(/^p-/)
  return { ci, version, request }
}
const actorOf = ({ id }: Holder) => `token:${id}`

test('moves a version when enough different people have approved, and says who did', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const [ann, bob] = [await pipeline.tokenOf('ann', 'approver'), await pipeline.tokenOf('bob', 'approver')]
  const first = await pipeline.ask(ann, 'POST', path(request), approve)
  expect(first).toMatchObject({ status: 200, body: { state: 'open', approved: 1, needed: 2 } })
  expect(await pipeline.stageOf(version)).toBe('staging')
  const second = await pipeline.ask(bob, 'POST', path(request), approve)
  expect(second).toMatchObject({ status: 200, body: { state: 'approved', approved: 2 } })
  expect(await pipeline.stageOf(version)).toBe('production')
  expect(await pipeline.champion()).toBe(version)
  const way = await pipeline.ask(bob, 'GET', versionPath(version, 'promotion'))
  expect(way.body).toMatchObject({
    stage: 'production',
    hold: null,
    moves: [
      {
        from: 'staging',
        to: 'production',
        kind: 'approved',
        request,
        reason: `approved by ${actorOf(ann)}, ${actorOf(bob)}`,
      },
      { from: 'development', to: 'staging', kind: 'automatic' },
    ],
  })
  const verdicts = await pipeline.ask(bob, 'GET', versionPath(version, 'gates'))
  expect(verdicts.body).toMatchObject({
    verdicts: expect.arrayContaining([
      expect.objectContaining({
        answer: 'pass',
        policyRevision: 1,
        evaluation: 'e-000001',
        rules: [expect.objectContaining({ rule: 'accuracy >= 0.9', value: 0.95, bound: 0.9, answer: 'pass' })],
      }),
    ]),
  })
})

test('takes no approval of whoever registered the version, by whatever token', async () => {
  await using pipeline = await aPipeline()
  const boss = await pipeline.tokenOf('boss', 'admin')
  expect((await pipeline.putPolicy(approvedBy(1))).status).toBe(200)
  const version = await pipeline.register(boss)
  await pipeline.evaluate(version)
  const [request = ''] = await pipeline.open(version)
  const made = await pipeline.tokenOf('sock puppet', 'approver', boss)
  const deeper = await pipeline.tokenOf('helper', 'admin', boss)
  const others: [string, Holder][] = [
    ['the same token', boss],
    ['a token it made', made],
    ['a token made by one it made', await pipeline.tokenOf('second puppet', 'approver', deeper)],
    ['the one that made it', pipeline.admin],
    ['another token of that name', await pipeline.tokenOf(' Boss ', 'approver')],
  ]
  for (const [who, holder] of others) {
    const refused = await pipeline.ask(holder, 'POST', path(request), approve)
    expect([who, refused.status, refused.body.code]).toEqual([who, 403, 'own-request'])
  }
  expect(await pipeline.stageOf(version)).toBe('staging')
  const stranger = await pipeline.tokenOf('stranger', 'approver')
  expect((await pipeline.ask(stranger, 'POST', path(request), approve)).status).toBe(200)
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('takes no approval of whoever asked, nor two of one person', async () => {
  await using pipeline = await aPipeline()
  const policy = approvedBy(2)
  policy.stages.production.automatic = false
  await pipeline.putPolicy(policy)
  const version = await pipeline.register(await pipeline.tokenOf('ci', 'ci'))
  await pipeline.evaluate(version)
  expect(await pipeline.open()).toEqual([])
  const chief = await pipeline.tokenOf('chief', 'admin')
  const asked = await pipeline.ask(chief, 'POST', versionPath(version, 'promotion'), {
    to: 'production',
    comment: 'please',
  })
  expect(asked.status).toBe(202)
  const [request = ''] = await pipeline.open()
  expect(await pipeline.ask(chief, 'POST', path(request), approve)).toMatchObject({
    status: 403,
    body: { code: 'own-request' },
  })
  const again = await pipeline.ask(chief, 'POST', versionPath(version, 'promotion'), { to: 'production' })
  expect(again).toMatchObject({ status: 409, body: { code: 'already-asked', request } })

  const dora = await pipeline.tokenOf('dora', 'admin')
  expect((await pipeline.ask(dora, 'POST', path(request), approve)).status).toBe(200)
  const puppet = await pipeline.tokenOf('dora at home', 'approver', dora)
  for (const holder of [dora, puppet]) {
    expect(await pipeline.ask(holder, 'POST', path(request), approve)).toMatchObject({
      status: 409,
      body: { code: 'answered-already' },
    })
  }
  expect(await pipeline.stageOf(version)).toBe('staging')
})

test('a replayed approval counts once, also with an idempotency key', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const ann = await pipeline.tokenOf('ann', 'approver')
  const key = { 'idempotency-key': 'once' }
  expect((await pipeline.ask(ann, 'POST', path(request), approve, key)).status).toBe(200)
  expect(await pipeline.ask(ann, 'POST', path(request), approve, key)).toMatchObject({
    status: 200,
    body: { approved: 1 },
  })
  expect((await pipeline.ask(ann, 'POST', path(request), approve)).status).toBe(409)
  expect(await pipeline.stageOf(version)).toBe('staging')
})

test('approvals at the same instant promote once', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const people = await Promise.all(Array.from({ length: 6 }, (_, i) => pipeline.tokenOf(`approver ${i}`, 'approver')))
  const answers = await Promise.all(people.map((who) => pipeline.ask(who, 'POST', path(request), approve)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 409, 409, 409, 409])
  const moves = await pipeline.hub.database.all(
    z.object({ to_stage: z.string() }),
    'SELECT to_stage FROM promotion_moves',
  )
  expect(moves.map(({ to_stage }) => to_stage)).toEqual(['staging', 'production'])
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('an approval by a token that was revoked since does not count', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const [ann, bob, cid] = [
    await pipeline.tokenOf('ann', 'approver'),
    await pipeline.tokenOf('bob', 'approver'),
    await pipeline.tokenOf('cid', 'approver'),
  ]
  await pipeline.ask(ann, 'POST', path(request), approve)
  await pipeline.ask(pipeline.admin, 'DELETE', `/v1/tokens/${ann.id}`)
  expect((await pipeline.ask(ann, 'POST', path(request), approve)).status).toBe(401)
  expect((await pipeline.ask(bob, 'POST', path(request), approve)).body).toMatchObject({ state: 'open', approved: 1 })
  expect(await pipeline.stageOf(version)).toBe('staging')
  await pipeline.ask(cid, 'POST', path(request), approve)
  expect(await pipeline.stageOf(version)).toBe('production')
})

test('a request that expired takes no approval and is not asked again over the same evidence', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 1)
  const ann = await pipeline.tokenOf('ann', 'approver')
  pipeline.clock.nowMs += 2 * 86_400_000
  expect((await pipeline.ask(ann, 'GET', `/v1/promotion-requests/${request}`)).body).toMatchObject({ state: 'expired' })
  for (const _ of [1, 2]) {
    expect(await pipeline.ask(ann, 'POST', path(request), approve)).toMatchObject({
      status: 409,
      body: { code: 'request-closed', state: 'expired' },
    })
  }
  expect(await pipeline.open()).toEqual([])
  expect(await pipeline.stageOf(version)).toBe('staging')
  await pipeline.evaluate(version)
  expect(await pipeline.open()).toHaveLength(1)
})

test('a policy that changed between request and approval asks anew', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 1)
  const ann = await pipeline.tokenOf('ann', 'approver')
  await pipeline.putPolicy(approvedBy(2))
  expect(await pipeline.ask(ann, 'POST', path(request), approve)).toMatchObject({
    status: 409,
    body: { code: 'request-closed', state: 'superseded' },
  })
  const [next = ''] = await pipeline.open(version)
  expect(next).not.toBe(request)
  expect((await pipeline.ask(ann, 'POST', path(next), approve)).body).toMatchObject({
    state: 'open',
    approved: 1,
    policyRevision: 2,
  })
  expect(await pipeline.stageOf(version)).toBe('staging')
})

test('approvals given before an evaluation was replaced do not carry over', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const [ann, bob] = [await pipeline.tokenOf('ann', 'approver'), await pipeline.tokenOf('bob', 'approver')]
  await pipeline.ask(ann, 'POST', path(request), approve)
  await pipeline.evaluate(version, { accuracy: 0.91 })
  expect((await pipeline.ask(bob, 'POST', path(request), approve)).status).toBe(409)
  const [next = ''] = await pipeline.open(version)
  expect((await pipeline.ask(bob, 'POST', path(next), approve)).body).toMatchObject({ approved: 1 })
  await pipeline.evaluate(version, { accuracy: 0.2 })
  expect(await pipeline.open()).toEqual([])
  expect(await pipeline.stageOf(version)).toBe('staging')
})

test('a rejection ends the request, and nothing asks again over the same evidence', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 1)
  const ann = await pipeline.tokenOf('ann', 'approver')
  const rejected = await pipeline.ask(ann, 'POST', path(request), {
    decision: 'reject',
    comment: 'trained on leaked rows',
  })
  expect(rejected.body).toMatchObject({
    state: 'rejected',
    reason: `${actorOf(ann)} rejected it: trained on leaked rows`,
  })
  await pipeline.promotion.consider('scale', version)
  expect(await pipeline.open()).toEqual([])
  const bob = await pipeline.tokenOf('bob', 'approver')
  expect((await pipeline.ask(bob, 'POST', path(request), approve)).status).toBe(409)
})

test('an approval that is revoked in time does not count; only its giver or an admin revokes it', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 2)
  const [ann, bob] = [await pipeline.tokenOf('ann', 'approver'), await pipeline.tokenOf('bob', 'approver')]
  await pipeline.ask(ann, 'POST', path(request), approve)
  const other = { approver: actorOf(ann), reason: 'no' }
  expect(await pipeline.ask(bob, 'POST', path(request, 'revocations'), other)).toMatchObject({
    status: 403,
    body: { code: 'not-your-approval' },
  })
  expect((await pipeline.ask(ann, 'POST', path(request, 'revocations'), { reason: ' ' })).status).toBe(422)
  const revoked = await pipeline.ask(ann, 'POST', path(request, 'revocations'), { reason: 'wrong version' })
  expect(revoked.body).toMatchObject({
    state: 'open',
    approved: 0,
    approvals: [{ revoked: { reason: 'wrong version' } }],
  })
  expect((await pipeline.ask(ann, 'POST', path(request), approve)).body).toMatchObject({ code: 'answered-already' })
  await pipeline.ask(bob, 'POST', path(request), approve)
  expect(await pipeline.stageOf(version)).toBe('staging')
})

test('an approval revoked after it took effect takes the version back, and what it had displaced returns', async () => {
  await using pipeline = await aPipeline()
  await pipeline.putPolicy(approvedBy(1, { rolloutFrom: 'staging' }))
  const ci = await pipeline.tokenOf('ci', 'ci')
  const ann = await pipeline.tokenOf('ann', 'approver')
  const promoted = async () => {
    const version = await pipeline.register(ci)
    await pipeline.evaluate(version)
    const [request = ''] = await pipeline.open(version)
    expect((await pipeline.ask(ann, 'POST', path(request), approve)).body).toMatchObject({ state: 'approved' })
    return { version, request }
  }
  const one = await promoted()
  const two = await promoted()
  expect([await pipeline.stageOf(1), await pipeline.stageOf(2), await pipeline.champion()]).toEqual([
    'archived',
    'production',
    2,
  ])

  await runningRollout(pipeline, 2)
  const revoked = await pipeline.ask(pipeline.admin, 'POST', path(two.request, 'revocations'), {
    approver: actorOf(ann),
    reason: 'ann was phished',
  })
  expect(revoked.body).toMatchObject({ state: 'revoked', approved: 0 })
  expect([await pipeline.stageOf(1), await pipeline.stageOf(2), await pipeline.champion()]).toEqual([
    'production',
    'staging',
    1,
  ])
  const { body } = await pipeline.ask(ann, 'GET', versionPath(2, 'promotion'))
  expect(body).toMatchObject({
    hold: { kind: 'revoked' },
    moves: [{ kind: 'revoked', from: 'production', to: 'staging' }, {}, {}],
  })

  // staging would do for a rollout by the policy, but not for one that lost its approval
  const rollouts = await pipeline.hub.database.all(z.object({ state: z.string() }), 'SELECT state FROM rollouts')
  expect(rollouts).toEqual([{ state: 'paused' }])
  const operator = await pipeline.tokenOf('operator', 'operator')
  const resumed = await pipeline.ask(operator, 'POST', '/v1/rollouts/r-1/resume', {})
  expect(resumed).toMatchObject({ status: 409, body: { code: 'approval-revoked' } })
  // nothing promotes it by itself, a new evaluation included
  await pipeline.evaluate(2)
  expect(await pipeline.open()).toEqual([])

  await pipeline.ask(ann, 'POST', path(one.request, 'revocations'), { reason: 'that one too' })
  expect([await pipeline.stageOf(1), await pipeline.stageOf(2), await pipeline.champion()]).toEqual([
    'staging',
    'staging',
    undefined,
  ])

  const asked = await pipeline.ask(operator, 'POST', versionPath(2, 'promotion'), { to: 'production' })
  expect(asked.status).toBe(202)
  const [request = ''] = await pipeline.open(2)
  await pipeline.ask(ann, 'POST', path(request), approve)
  expect([await pipeline.stageOf(2), await pipeline.champion()]).toEqual(['production', 2])
  expect((await pipeline.ask(operator, 'POST', '/v1/rollouts/r-1/resume', {})).body).not.toMatchObject({
    code: 'approval-revoked',
  })
})

test('every step is in the audit log, under the request that caused it', async () => {
  await using pipeline = await aPipeline()
  const { version, request } = await waiting(pipeline, 1)
  const ann = await pipeline.tokenOf('ann', 'approver')
  await pipeline.ask(ann, 'POST', path(request), approve, { 'x-request-id': 'the-approval' })
  const rows = await pipeline.hub.database.all(
    z.object({ actor: z.string(), action: z.string(), subject: z.string() }),
    `SELECT actor, action, subject FROM audit_log WHERE request_id = 'the-approval' ORDER BY seq`,
  )
  expect(rows).toEqual([
    { actor: actorOf(ann), action: 'promotion-request.approve', subject: `promotion-request:${request}` },
    { actor: actorOf(ann), action: 'promotion-request.close', subject: `promotion-request:${request}` },
    { actor: actorOf(ann), action: 'alias.set', subject: 'model:scale' },
    { actor: actorOf(ann), action: 'version.move', subject: `version:scale/${version}` },
  ])
})

test('a token for other models sees and answers nothing of this one', async () => {
  await using pipeline = await aPipeline()
  const { request } = await waiting(pipeline, 1)
  const made = await pipeline.ask(pipeline.admin, 'POST', '/v1/tokens', {
    name: 'eve',
    role: 'approver',
    models: ['other-*'],
  })
  const eve = z.object({ id: z.string(), token: z.string() }).parse(made.body)
  expect((await pipeline.ask(eve, 'POST', path(request), approve)).status).toBe(403)
  expect((await pipeline.ask(eve, 'POST', path(request, 'revocations'), { reason: 'x' })).status).toBe(403)
  expect((await pipeline.ask(eve, 'GET', `/v1/promotion-requests/${request}`)).status).toBe(403)
  expect((await pipeline.ask(eve, 'GET', '/v1/promotion-requests')).body).toMatchObject({ requests: [] })
})

/** A rollout of the version that runs, without devices. */
async function runningRollout({ hub }: Pipeline, version: number): Promise<void> {
  const plan = {
    stages: [{ name: 'all', percent: 100, bakeMs: 1000 }],
    gates: [],
    samplesMin: 1,
    quorum: 1,
    concurrency: 1,
  }
  const times = { installTimeoutMs: 1000, stageTimeLimitMs: 1000, onFail: 'pause' }
  await hub.database.write([
    {
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at)
            VALUES ('r-1', 'scale', ?, 'scale', 'all', 'all', ?, 'running', '', 'test', 0, 0)`,
      args: [version, JSON.stringify({ ...plan, ...times })],
    },
  ])
}
