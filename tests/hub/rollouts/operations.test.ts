// What people do to a rollout, through the engine and its database: alone, twice, and at the same instant as others.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { verifyAudit } from '../../../hub/governance/audit-verify.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { Problem } from '../../../hub/problem.ts'
import type { Rollouts } from '../../../hub/rollouts/engine.ts'
import type { Operation } from '../../../hub/rollouts/operate.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { applyActions as apply } from '../../../hub/rollouts/simulate/apply.ts'
import type { Action } from '../../../hub/rollouts/states.ts'
import { approvalsOf, decisionsOf, membersOf, rolloutById, stagesOf, warningsOf } from '../../../hub/rollouts/store.ts'
import { aFleet, aPlan, type TestFleet } from './a-fleet.ts'
import { aDevice, aRollout, aVerdict, type Behaviour, operated, play } from './a-rollout.ts'

const ops = { actor: 'token:ops' }
const failing = (device: string) => device === 'd-000'

/** Two canaries, the same each time, then a hold; installations alone are judged, and nine failures borne. */
const heldPlan = (over: Partial<WrittenPlan> = {}) =>
  aPlan({
    stages: [
      { name: 'canary', where: 'site = north', bakeMs: 5_000 },
      { name: 'all', percent: 100, bakeMs: 5_000, hold: true },
    ],
    gates: [{ metric: 'installation', failuresMax: 9 }],
    quorum: 0.5,
    ...over,
  })

const wanted = (version: number, plan = heldPlan(), over: object = {}) => ({
  model: 'vibration',
  version,
  group: 'all',
  plan,
  supersede: true,
  ...over,
})

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  try {
    await promise
    return undefined
  } catch (error) {
    if (error instanceof Problem) return error.code
    throw error
  }
}

/** What two ways to the same end must agree in; how many looks there were in between is no matter. */
type Summary = { state: string | undefined; pausedBy: string | null | undefined; stages: string[] }

const settled = (state: string): string =>
  state === 'baking' ? 'admitting' : state === 'held' ? 'pending' : state === 'rolled_back' ? 'rolling_back' : state

async function summaryOf(fleet: TestFleet, id: string): Promise<Summary> {
  const { database } = fleet.hub
  const row = await rolloutById(database, id)
  const stages = (await stagesOf(database, id)).map(({ state }) => settled(state))
  return { state: row && settled(row.state), pausedBy: row?.paused_by, stages }
}

let fleet: TestFleet
let engine: Rollouts
beforeAll(async () => {
  fleet = await aFleet(4)
  await fleet.obey()
  engine = fleet.engine()
})
afterAll(() => fleet[Symbol.asyncDispose]())

const go = async (rounds: number) => {
  for (let round = 0; round < rounds; round += 1) {
    await fleet.engine().look()
    await fleet.obey((device, manifest) => (failing(device) && !manifest.startsWith('1') ? 'failed' : 'succeeded'))
    fleet.clock.nowMs += 1_000
  }
}

describe('at the same instant', () => {
  type Act = { name: string; operation?: Operation; stage?: string; do: (id: string) => Promise<unknown> }
  const act = (operation: Operation, stage?: string): Act => ({
    name: [operation, ...(stage === undefined ? [] : [stage])].join(' '),
    operation,
    ...(stage === undefined ? {} : { stage }),
    do: (id) => engine.operate(id, { operation, reason: 'test', stage }, ops),
  })
  const acts: Act[] = [
    act('pause'),
    act('resume'),
    act('abort'),
    act('rollback'),
    act('rollback', 'canary'),
    act('release', 'all'),
    act('advance', 'canary'),
    act('retry'),
    { name: 'supersede', do: () => engine.start(wanted(1), ops) },
  ]

  /** A rollout whose canary bakes, one device of it having failed. */
  const begun = async (paused: boolean): Promise<string> => {
    const { id } = await engine.start(wanted(2), ops)
    await go(2)
    if (paused) await engine.operate(id, { operation: 'pause', reason: 'test' }, ops)
    return id
  }
  const end = (id: string) =>
    fleet.hub.database.write([
      { sql: "UPDATE rollouts SET state = 'aborted' WHERE id = ? OR state = 'running'", args: [id] },
      { sql: 'UPDATE rollout_devices SET active = 0' },
      { sql: 'DELETE FROM device_failures' },
      { sql: 'UPDATE desired SET manifest = ?', args: [fleet.digests[1] ?? ''] },
      { sql: 'DELETE FROM device_deployments' },
    ])

  /** The same without database: the one act, then the other. */
  const inTurn = (paused: boolean, turns: readonly Act[]): { after: Summary; refused: boolean[] } => {
    const devices = [0, 1, 2, 3].map((i) => aDevice({ device: `d-00${i}`, stage: i % 2 }))
    const judge = () => aVerdict('pass')
    const behaviour: Behaviour = ({ device }) => (failing(device) ? 'failed' : 'succeeded')
    const looks = { judge, behaviour, forMs: 100 }
    let played = play(
      { rollout: aRollout({ plan: heldPlan(), devices }), nowMs: 0 },
      { judge, behaviour, forMs: 2_000 },
    )
    if (paused) played = operated(played, { operation: 'pause' })
    const refused = turns.map(({ operation, stage }) => {
      try {
        played =
          operation === undefined
            ? played.rollout.state === 'aborted'
              ? played
              : { ...played, rollout: apply(played.rollout, [superseded], played.nowMs) }
            : operated(played, { operation, stage })
        return false
      } catch {
        return true
      } finally {
        played = play(played, looks)
      }
    })
    const { state, pausedBy, stages } = play(played, looks).rollout
    return { after: { state: settled(state), pausedBy, stages: stages.map((stage) => settled(stage.state)) }, refused }
  }
  const superseded: Action = { do: 'rollout', state: 'superseded', reason: '' }

  const pairs = acts.flatMap((one, i) => acts.slice(i).map((other) => [one, other] as const))
  test.each([
    ['runs', false],
    ['is paused', true],
  ])('every pair ends as the two one after the other do, where the rollout %s', async (_, paused) => {
    for (const [one, other] of pairs) {
      const id = await begun(paused)
      const codes = await Promise.all([codeOf(one.do(id)), codeOf(engine.look()), codeOf(other.do(id))])
      await engine.look()
      const together = {
        after: await summaryOf(fleet, id),
        refused: [codes[0], codes[2]].map((code) => code !== undefined),
      }
      expect(codes.filter((code) => code !== undefined && code !== 'rollout-state')).toEqual([])
      const orders = [inTurn(paused, [one, other]), inTurn(paused, [other, one])]
      const [forth, back] = orders.map(({ after, refused }, i) => ({
        after,
        refused: i === 0 ? refused : refused.toReversed(),
      }))
      expect([forth, back], `${one.name} with ${other.name}`).toContainEqual(together)
      if (together.after.state === 'rolling_back' || one.name === 'supersede' || other.name === 'supersede') {
        const Wish = z.object({ manifest: z.string() })
        const wishes = await fleet.hub.database.all(Wish, 'SELECT DISTINCT manifest FROM desired')
        expect(wishes, `${one.name} with ${other.name}`).toEqual([{ manifest: fleet.digests[1] }])
      }
      await end(id)
      await fleet.obey()
    }
    const { faults } = await verifyAudit(fleet.hub.database, 'no-head')
    expect(faults.map(({ kind }) => kind)).toEqual(['no-head'])
  })

  test('of two that saw the same revision one is done', async () => {
    const id = await begun(false)
    const { revision = 0 } = (await rolloutById(fleet.hub.database, id)) ?? {}
    const by = { ...ops, expected: revision }
    const codes = await Promise.all([
      codeOf(engine.operate(id, { operation: 'pause', reason: '' }, by)),
      codeOf(engine.operate(id, { operation: 'abort', reason: '' }, by)),
    ])
    expect(codes).toEqual([undefined, 'changed'])
    expect((await rolloutById(fleet.hub.database, id))?.state).toBe('paused')
    await end(id)
  })

  test('ten starts of the same draft start it once', async () => {
    const { id } = await engine.start(wanted(2, heldPlan(), { draft: true }), ops)
    expect(await membersOf(fleet.hub.database, id)).toEqual([])
    const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(engine.startDraft(id, ops))))
    expect(codes).toEqual(new Array(10).fill(undefined))
    const decisions = await decisionsOf(fleet.hub.database, id)
    expect(decisions.filter(({ action }) => action === 'started')).toHaveLength(1)
    expect(await membersOf(fleet.hub.database, id)).toHaveLength(4)
    await end(id)
  })

  test('ten approvals by one person are one', async () => {
    const plan = heldPlan({ stages: [{ name: 'all', percent: 100, bakeMs: 0, approvals: 2 }] })
    const { id, state } = await engine.start(wanted(2, plan), ops)
    expect(state).toBe('awaiting_approval')
    const anna = { decision: 'approve' as const, comment: 'fine', actor: 'token:anna', name: 'anna' }
    await Promise.all(Array.from({ length: 10 }, () => engine.answer(id, anna, { actor: anna.actor })))
    expect(await approvalsOf(fleet.hub.database, id)).toHaveLength(1)
    expect((await rolloutById(fleet.hub.database, id))?.state).toBe('awaiting_approval')
    await end(id)
  })
})

describe('approvals', () => {
  const plan = heldPlan({
    stages: [
      { name: 'canary', percent: 50, bakeMs: 0, approvals: 1 },
      { name: 'all', percent: 100, bakeMs: 0, approvals: 2 },
    ],
  })
  const say = (id: string, actor: string, decision: 'approve' | 'reject' = 'approve', stage?: string) =>
    engine.answer(id, { decision, comment: `${decision} it`, stage, actor, name: actor.slice(6) }, { actor })
  const stateOf = async (id: string) => (await rolloutById(fleet.hub.database, id))?.state
  const token = async (name: string, createdBy = 'token:admin'): Promise<string> => {
    const made = makeToken(fleet.hub.random)
    const row = { name, role: 'approver' as const, createdBy, createdAt: 0, expiresAt: undefined }
    await fleet.hub.database.write([insertToken(made, row)])
    return `token:${made.id}`
  }

  test('that are there are not asked for again once the last starts it, and who gave it is not who started it', async () => {
    const { id } = await engine.start(wanted(2, plan), ops)
    const doubts = async () =>
      (await warningsOf(fleet.hub.database, id)).filter(({ code }) => code === 'nobody-to-approve')
    const fields = async () => (await doubts()).map(({ field }) => field)
    expect(await fields()).toContain('plan.stages.0.approvals')
    await say(id, 'token:anna')
    expect(await fields()).toEqual(['plan.stages.1.approvals'])
    expect((await doubts())[0]?.detail).toContain('besides token:ops, who starts it')
    await engine.operate(id, { operation: 'abort', reason: '' }, ops)
  })

  test('come from others than who started it, from as many people as the stage needs, and freeze the group then', async () => {
    const me = await token('Me')
    const { id } = await engine.start(wanted(2, plan), { actor: me })
    await go(3)
    expect(await membersOf(fleet.hub.database, id)).toEqual([])
    await expect(say(id, me)).rejects.toMatchObject({
      code: 'own-rollout',
      detail: expect.stringMatching(/and that is you; nobody else may now: .*roost token create NAME --role operator/),
    })
    const emil = await token('emil')
    await expect(say(id, me)).rejects.toMatchObject({
      detail: expect.stringContaining(`these may approve it: emil (${emil})`),
    })
    expect(await codeOf(say(id, await token('me')))).toBe('own-rollout')
    expect(await codeOf(say(id, await token('other', me)))).toBe('own-rollout')
    await say(id, 'token:anna', 'approve', 'canary')
    expect(await rolloutById(fleet.hub.database, id)).toMatchObject({
      state: 'running',
      reason: `started by ${me}`,
      started_by: me,
    })
    expect(await membersOf(fleet.hub.database, id)).toHaveLength(4)
    await say(id, 'token:anna', 'approve', 'canary')
    expect(await approvalsOf(fleet.hub.database, id)).toHaveLength(1)
    await go(4)
    expect((await stagesOf(fleet.hub.database, id)).map(({ state }) => state)).toEqual(['passed', 'held'])
    const bert = await token('bert')
    await say(id, bert, 'approve', 'all')
    expect(await codeOf(say(id, await token('BERT')))).toBe('answered-already')
    // a token that is revoked may not have been in the right hands
    await fleet.hub.database.write([{ sql: `UPDATE tokens SET revoked_at = 1 WHERE 'token:' || id = ?`, args: [bert] }])
    await say(id, 'token:carl')
    await go(2)
    expect((await stagesOf(fleet.hub.database, id))[1]?.state).toBe('held')
    await say(id, 'token:dora')
    await go(6)
    expect(await stateOf(id)).toBe('completed')
    const told = await decisionsOf(fleet.hub.database, id)
    expect(told.filter(({ action }) => action === 'approval').map(({ actor }) => actor)).toEqual([
      'token:anna',
      bert,
      'token:carl',
      'token:dora',
    ])
  })

  test('one of an earlier stage is none of the present one: who says it again hears what is waited for', async () => {
    const later = {
      ...plan,
      stages: plan.stages.map((stage, i) => (i === 0 ? stage : { ...stage, approvals: 0, hold: true })),
    }
    const { id } = await engine.start(wanted(2, later), { actor: await token('olga') })
    await say(id, 'token:anna')
    await say(id, 'token:anna') // asked twice, done once
    await go(4)
    expect((await stagesOf(fleet.hub.database, id)).map(({ state }) => state)).toEqual(['passed', 'held'])
    await expect(say(id, 'token:anna')).rejects.toMatchObject({
      code: 'nothing-to-approve',
      detail: expect.stringContaining('the rollout waits for a person to release stage all'),
    })
    await say(id, 'token:anna', 'approve', 'canary')
    await engine.operate(id, { operation: 'abort', reason: '' }, ops)
  })

  test('a rejection ends what has not begun, and pauses what has; what was approved of the stage is void', async () => {
    const first = await engine.start(wanted(3, plan), ops)
    await say(first.id, 'token:anna', 'reject')
    expect(await stateOf(first.id)).toBe('rejected')
    await say(first.id, 'token:anna', 'reject')
    expect(await codeOf(say(first.id, 'token:bert'))).toBe('nothing-to-approve')
    expect(await codeOf(engine.operate(first.id, { operation: 'resume', reason: '' }, ops))).toBe('rollout-state')

    const { id } = await engine.start(wanted(3, plan), ops)
    await say(id, 'token:anna')
    await go(4)
    await say(id, 'token:anna', 'approve', 'all')
    await say(id, 'token:bert', 'reject', 'all')
    expect(await rolloutById(fleet.hub.database, id)).toMatchObject({ state: 'paused', paused_by: 'rejected' })
    expect(await codeOf(say(id, 'token:carl'))).toBe('nothing-to-approve')
    await engine.operate(id, { operation: 'resume', reason: 'talked it over' }, ops)
    await say(id, 'token:carl')
    await go(2)
    expect((await stagesOf(fleet.hub.database, id))[1]?.state).toBe('held')
    await say(id, 'token:bert')
    await go(6)
    expect(await stateOf(id)).toBe('completed')
  })

  test('of a rollout that cannot start any more are refused, saying why, and nothing is half written', async () => {
    const { id } = await engine.start(wanted(2, plan, { supersede: false }), ops)
    const other = await engine.start(wanted(3), ops)
    expect(await codeOf(say(id, 'token:anna'))).toBe('held-by-another')
    expect(await approvalsOf(fleet.hub.database, id)).toEqual([])
    expect(await stateOf(id)).toBe('awaiting_approval')
    await engine.operate(other.id, { operation: 'abort', reason: '' }, ops)
    await say(id, 'token:anna')
    expect(await stateOf(id)).toBe('running')
    await engine.operate(id, { operation: 'abort', reason: '' }, ops)
  })
})

describe('a draft', () => {
  test('holds no device, wants nothing, and is started or dropped by a person', async () => {
    const before = await fleet.running()
    const { id } = await engine.start(wanted(2, heldPlan(), { draft: true }), ops)
    await go(3)
    expect(await fleet.running()).toEqual(before)
    const other = await engine.start(wanted(3, heldPlan(), { supersede: false }), ops)
    expect(await codeOf(engine.startDraft(id, ops))).toBe(undefined)
    expect((await rolloutById(fleet.hub.database, other.id))?.state).toBe('superseded')
    const dropped = await engine.start(wanted(3, heldPlan(), { draft: true }), ops)
    await engine.operate(dropped.id, { operation: 'abort', reason: 'never mind' }, ops)
    expect(await codeOf(engine.startDraft(dropped.id, ops))).toBe('rollout-state')
    await engine.operate(id, { operation: 'abort', reason: '' }, ops)
  })

  test('that nobody could start is refused when it is written', async () => {
    const nobody = engine.start(wanted(9, heldPlan(), { draft: true }), ops)
    expect(await codeOf(nobody)).toBe('not-found')
  })
})
