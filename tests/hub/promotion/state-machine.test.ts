// Whatever people and evaluations do, in whatever order: what must always hold of stages, approvals and the champion.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { Problem } from '../../../hub/problem.ts'
import { movesOf } from '../../../hub/promotion/moves.ts'
import { PromotionPolicy } from '../../../hub/promotion/policy.ts'
import { approvalsOf, RequestRow, requestById, requestsOf } from '../../../hub/promotion/requests.ts'
import { Stage, stages } from '../../../hub/registry/stages.ts'
import { aPipeline, approvedBy, type Holder, type Pipeline } from './a-pipeline.ts'

const versions = [1, 2, 3]
const people = ['ann', 'bob', 'cid', 'dan'] as const

const version = fc.constantFrom(...versions)
const person = fc.constantFrom(...people)
const act = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('carry' as const), version }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('evaluate' as const), version, good: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('approve' as const),
      version,
      persons: fc.subarray([...people], { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reject' as const), version, person }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('revoke' as const), version, which: fc.nat({ max: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      version,
      person,
      to: fc.constantFrom(...stages),
      override: fc.nat({ max: 3 }).map((dice) => dice === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('policy' as const), needed: fc.integer({ min: 1, max: 2 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('revoke-token' as const), person: fc.constantFrom('cid' as const) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), days: fc.integer({ min: 1, max: 3 }) }) },
)
type Act = typeof act extends fc.Arbitrary<infer T> ? T : never

test('stages, approvals and champion hold together under any sequence of acts', async () => {
  const reached = { production: 0, revoked: 0, restored: 0, superseded: 0 }
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 20, maxLength: 30 }), async (acts) => {
      await using pipeline = await aPipeline()
      await pipeline.putPolicy(approvedBy(1))
      const ci = await pipeline.tokenOf('ci', 'ci')
      for (const _ of versions) await pipeline.register(ci)
      const holders = new Map<string, Holder>()
      for (const name of people) holders.set(name, await pipeline.tokenOf(name, 'approver'))
      for (const one of acts) {
        await carryOut(pipeline, one, (name) => `token:${holders.get(name)?.id}`)
        await assertSound(pipeline, `token:${ci.id}`)
      }
      for (const number of versions) {
        for (const { kind, to_stage } of await movesOf(pipeline.hub.database, 'scale', number)) {
          if (to_stage === 'production') reached.production += 1
          if (kind === 'revoked') reached.revoked += 1
          if (kind === 'restored') reached.restored += 1
        }
        const requests = await requestsOf(pipeline.hub.database, 'scale', number, 100)
        reached.superseded += requests.filter(({ state }) => state === 'superseded').length
      }
    }),
    { seed: 11, numRuns: 5 },
  )
  // the acts lead somewhere
  for (const count of Object.values(reached)) expect(count).toBeGreaterThan(0)
})

/** A refusal is an answer; anything else that is thrown is a fault. */
async function carryOut(pipeline: Pipeline, one: Act, actorOf: (name: string) => string): Promise<void> {
  const { hub, promotion, clock } = pipeline
  const wanted = { model: 'scale', comment: 'because' }
  clock.nowMs += 1000
  try {
    switch (one.do) {
      case 'evaluate':
        await pipeline.evaluate(one.version, { accuracy: one.good ? 0.95 : 0.5 })
        return
      case 'carry':
        await pipeline.evaluate(one.version)
        for (const name of people) await answerNewest(pipeline, one.version, name, 'approve', actorOf)
        return
      case 'approve':
      case 'reject': {
        for (const name of one.do === 'approve' ? one.persons : [one.person]) {
          await answerNewest(pipeline, one.version, name, one.do, actorOf)
        }
        return
      }
      case 'revoke': {
        const requests = await requestsOf(hub.database, 'scale', one.version, 10)
        const [request] = requests.filter(({ state }) => state === 'approved' || state === 'open')
        const approvals = request === undefined ? [] : await approvalsOf(hub.database, request.id)
        const approver = approvals[one.which % Math.max(1, approvals.length)]?.approver
        if (request === undefined || approver === undefined) return
        await promotion.revoke(request.id, { approver, reason: 'mistaken', anyones: false }, { actor: approver })
        return
      }
      case 'move': {
        const { version, to, override } = one
        await promotion.change({ ...wanted, version, to, override }, true, { actor: actorOf(one.person) })
        return
      }
      case 'policy': {
        const policy = PromotionPolicy.parse(approvedBy(one.needed))
        await promotion.putPolicy('scale', policy, '*', { actor: 'token:the-admin' })
        return
      }
      case 'revoke-token':
        await pipeline.hub.database.write([
          { sql: 'UPDATE tokens SET revoked_at = ? WHERE name = ?', args: [clock.nowMs, one.person] },
        ])
        return
      case 'wait':
        clock.nowMs += one.days * 86_400_000
    }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
  }
}

async function answerNewest(
  { hub, promotion }: Pipeline,
  version: number,
  name: string,
  decision: 'approve' | 'reject',
  actorOf: (name: string) => string,
): Promise<void> {
  const [request] = await requestsOf(hub.database, 'scale', version, 1)
  if (request?.state === 'open') {
    await promotion.decide(request.id, { decision, comment: '', name }, { actor: actorOf(name) })
  }
}

const Standing = z.object({ version: z.number(), stage: Stage, hold: z.string().nullable() })

async function assertSound(pipeline: Pipeline, registrant: string): Promise<void> {
  const { database } = pipeline.hub
  const standing = await database.all(
    Standing,
    `SELECT v.version, v.stage, h.kind AS hold FROM versions v
     LEFT JOIN promotion_holds h ON h.model = v.model AND h.version = v.version`,
  )
  const inProduction = standing.filter(({ stage }) => stage === 'production')
  expect(inProduction.length, 'one version in production at most').toBeLessThanOrEqual(1)
  expect(inProduction.filter(({ hold }) => hold !== null)).toEqual([])
  const champion = await pipeline.champion()
  expect(standing.find(({ version }) => version === champion)?.hold ?? null).not.toBe('revoked')

  for (const { version, stage } of standing) {
    const moves = await movesOf(database, 'scale', version)
    expect(moves[0]?.to_stage ?? 'development', 'the last move led to where it is').toBe(stage)
    const entry = moves.find(({ to_stage, kind }) => to_stage === 'production' && kind !== 'restored')
    if (stage !== 'production' || entry === undefined || entry.kind === 'override') continue
    expect(entry.kind).toBe('approved')
    const request = await requestById(database, entry.request ?? '')
    const approvals = await approvalsOf(database, entry.request ?? '')
    const good = approvals.filter(({ decision, revoked_at }) => decision === 'approve' && revoked_at === null)
    expect(request?.state).toBe('approved')
    expect(good.length).toBeGreaterThanOrEqual(request?.needed ?? Number.POSITIVE_INFINITY)
    expect(good.map(({ approver }) => approver)).not.toContain(registrant)
    expect(good.map(({ approver }) => approver)).not.toContain(request?.requested_by)
  }

  const open = await database.all(RequestRow, "SELECT * FROM promotion_requests WHERE state = 'open'")
  for (const { version, from_stage } of open) {
    expect(standing.find((row) => row.version === version)?.stage).toBe(from_stage)
  }
  const count = z.object({ moves: z.number(), recorded: z.number() })
  const counted = await database.first(
    count,
    `SELECT (SELECT count(*) FROM promotion_moves) AS moves,
       (SELECT count(*) FROM audit_log WHERE action = 'version.move') AS recorded`,
  )
  expect(counted?.recorded).toBe(counted?.moves)
}
