// Approvals: who may give one, when enough are there, and what a revoked one takes back.

import type { Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { findVersion } from '../registry/store.ts'
import { decisionStatement, statementsOf } from '../rollouts/statements.ts'
import { rolloutsOfVersion } from '../rollouts/store.ts'
import type { Reader } from '../storage/database.ts'
import { close, closeStale } from './asking.ts'
import { putHold } from './holds.ts'
import { movesOf, moveVersion, requestBehind, returnAlias, takeBack } from './moves.ts'
import { authorsOf, revokedAmong, samePerson } from './persons.ts'
import { stageAfterRevocation } from './pipeline.ts'
import type { Promotion } from './promotion.ts'
import {
  type ApprovalRow,
  approvalsOf,
  insertApproval,
  type RequestRow,
  requestById,
  revokeApproval,
  stateOf,
  unclosedRequest,
} from './requests.ts'
import { type Bench, keeping, moveOf, standingOf } from './standing.ts'
import { type Asker, joined, nothingWritten, store, type Written } from './written.ts'

export type Decision = { decision: 'approve' | 'reject'; comment: string; name: string }
/** `approver`: whose approval; `anyones`: whether who asks may revoke that of another. */
export type Revocation = { approver: string; reason: string; anyones: boolean }

export function createApprovals(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  bench: Bench,
  consider: Promotion['consider'],
): Pick<Promotion, 'decide' | 'revoke'> {
  const known = async (reader: Reader, id: string): Promise<RequestRow> => {
    const request = await requestById(reader, id)
    if (request === undefined) throw notFound('promotion request', id)
    return request
  }

  /** @returns why it cannot be answered any more, if so */
  const answer = (id: string, decision: Decision, asker: Asker): Promise<Problem | undefined> =>
    database.exclusively(async (tx) => {
      const nowMs = clock()
      const request = await known(tx, id)
      if (request.state !== 'open') throw closed(request, request.state)
      const expired = stateOf(request, nowMs) === 'expired'
      const standing = await standingOf(bench, tx, request.model, request.version)
      if (expired || !standing.open) {
        await store(tx, nowMs, asker, keeping(standing, asker), closeStale(standing, nowMs, { actor: 'hub' }))
        return expired ? closed(request, 'expired') : superseded(request)
      }
      const before = await approvalsOf(tx, id)
      await assertMayAnswer(tx, request, standing.row.created_by, before, asker.actor)
      const given = answerWritten(request, decision, asker, nowMs)
      if (decision.decision === 'reject') {
        const reason = `${asker.actor} rejected it${decision.comment === '' ? '' : `: ${decision.comment}`}`
        await store(tx, nowMs, asker, given, close(request, 'rejected', reason, asker.actor, nowMs))
        return undefined
      }
      const valid = await validAmong(tx, before)
      if (valid.length + 1 < request.needed) {
        await store(tx, nowMs, asker, given)
        return undefined
      }
      const reason = `approved by ${[...valid.map(({ approver }) => approver), asker.actor].join(', ')}`
      const move = moveOf(standing, { to: request.to_stage, kind: 'approved', reason, actor: asker.actor, request: id })
      const moving = await moveVersion(tx, move, standing.policy.policy, nowMs)
      await store(tx, nowMs, asker, given, close(request, 'approved', reason, asker.actor, nowMs), moving)
      return undefined
    })

  const revoke = (id: string, { approver, reason, anyones }: Revocation, asker: Asker): Promise<void> =>
    database.exclusively(async (tx) => {
      const nowMs = clock()
      const request = await known(tx, id)
      const approvals = await approvalsOf(tx, id)
      const approval = approvals.find((given) => given.approver === approver && given.decision === 'approve')
      if (approval === undefined) throw notFound('approval by', approver)
      if (!anyones && approver !== asker.actor) {
        throw new Problem(
          403,
          'not-your-approval',
          'Not allowed',
          'an approval is revoked by who gave it, or by an admin',
        )
      }
      if (approval.revoked_at !== null) return
      const state = stateOf(request, nowMs)
      if (state !== 'open' && state !== 'approved' && state !== 'revoked') throw closed(request, state)
      const revoked = revocationWritten(approval, reason, asker, nowMs)
      if (state !== 'approved') return store(tx, nowMs, asker, revoked)
      const taken = await takenBack(tx, request, reason, asker, nowMs)
      await store(tx, nowMs, asker, revoked, close(request, 'revoked', reason, asker.actor, nowMs), taken)
    })

  return {
    decide: async (id, decision, asker) => {
      const problem = await answer(id, decision, asker)
      const { model, version } = await known(database, id)
      // what comes next: the gates after, or a new request where this one was overtaken
      await consider(model, version)
      if (problem !== undefined) throw problem
      return known(database, id)
    },
    revoke: async (id, revocation, asker) => {
      await revoke(id, revocation, asker)
      return known(database, id)
    },
  }
}

/** @throws Problem own-request, answered-already */
async function assertMayAnswer(
  tx: Reader,
  { model, version, requested_by }: RequestRow,
  createdBy: string,
  before: readonly ApprovalRow[],
  actor: string,
): Promise<void> {
  for (const author of [...(await authorsOf(tx, model, version, createdBy)), requested_by]) {
    if (!(await samePerson(tx, author, actor))) continue
    const what = author === requested_by ? 'asked for this' : `registered version ${version}`
    throw new Problem(
      403,
      'own-request',
      'Somebody else must approve',
      `${author} ${what}, and ${actor === author ? 'that is you' : `${actor} must be taken for the same person`}`,
    )
  }
  for (const { approver } of before) {
    if (!(await samePerson(tx, approver, actor))) continue
    const who = approver === actor ? 'you have' : `${approver}, who must be taken for the same person, has`
    throw new Problem(
      409,
      'answered-already',
      'Answered already',
      `${who} answered this request; everybody answers once`,
    )
  }
}

/** Approvals that count: not revoked, nor given with a token that has been revoked since. */
export async function validAmong(tx: Reader, approvals: readonly ApprovalRow[]): Promise<ApprovalRow[]> {
  const revoked = await revokedAmong(
    tx,
    approvals.map(({ approver }) => approver),
  )
  return approvals.filter(
    ({ decision, revoked_at, approver }) => decision === 'approve' && revoked_at === null && !revoked.has(approver),
  )
}

/** The version returns to where the approval found it, if it still rests on it; it is held, and its rollouts pause. */
async function takenBack(
  tx: Reader,
  request: RequestRow,
  reason: string,
  { actor }: Asker,
  nowMs: number,
): Promise<Written> {
  const { model, version, from_stage, to_stage } = request
  const row = await findVersion(tx, model, version)
  const moves = await movesOf(tx, model, version)
  const rests = requestBehind(moves, to_stage) === request.id
  if (!rests) return nothingWritten
  const why = `an approval of request ${request.id} was revoked: ${reason}`
  const hold = putHold({ model, version, kind: 'revoked', stage: to_stage, actor, reason: why, at: nowMs })
  const to = row && stageAfterRevocation(row.stage, { from: from_stage, to: to_stage }, rests)
  const moving =
    row === undefined || to === undefined
      ? nothingWritten
      : await takeBack(
          tx,
          {
            model,
            version,
            from_stage: row.stage,
            to_stage: to,
            kind: 'revoked',
            actor,
            reason: why,
            verdict: null,
            request: request.id,
          },
          nowMs,
        )
  const open = row === undefined ? nothingWritten : await closeOpenOf(tx, model, version, why, nowMs)
  return joined(
    { statements: [hold], changes: [] },
    moving,
    await returnAlias(tx, { model, version, actor }, nowMs),
    open,
    await pausedRollouts(tx, model, version, why, actor, nowMs),
  )
}

async function closeOpenOf(tx: Reader, model: string, version: number, why: string, nowMs: number): Promise<Written> {
  const unclosed = await unclosedRequest(tx, model, version)
  return unclosed === undefined ? nothingWritten : close(unclosed, 'superseded', why, 'hub', nowMs)
}

async function pausedRollouts(
  tx: Reader,
  model: string,
  version: number,
  reason: string,
  actor: string,
  nowMs: number,
): Promise<Written> {
  const running = await rolloutsOfVersion(tx, model, version, 'running')
  const action = { do: 'rollout', state: 'paused', reason, kind: 'revoked' } as const
  return joined(
    ...running.map((id) => ({
      statements: [...statementsOf(id, action, nowMs), decisionStatement(id, actor, 'rollout', action, nowMs)],
      changes: [
        {
          actor,
          action: 'rollout.pause',
          subject: `rollout:${id}`,
          before: { state: 'running' },
          after: { state: 'paused', reason },
        },
      ],
    })),
  )
}

function answerWritten(
  request: RequestRow,
  { decision, comment, name }: Decision,
  { actor }: Asker,
  nowMs: number,
): Written {
  const change: Change = {
    actor,
    action: decision === 'approve' ? 'promotion-request.approve' : 'promotion-request.reject',
    subject: `promotion-request:${request.id}`,
    after: { version: `${request.model}/${request.version}`, to: request.to_stage, verdict: request.verdict, comment },
  }
  const row = { request: request.id, approver: actor, name, decision, comment, at: nowMs }
  return { statements: [insertApproval(row)], changes: [change] }
}

function revocationWritten(
  { request, approver, comment }: ApprovalRow,
  reason: string,
  { actor }: Asker,
  nowMs: number,
): Written {
  const change: Change = {
    actor,
    action: 'promotion-request.revoke-approval',
    subject: `promotion-request:${request}`,
    before: { approver, comment },
    after: { approver, reason },
  }
  return { statements: [revokeApproval(request, approver, actor, reason, nowMs)], changes: [change] }
}

const closed = (request: RequestRow, state: string): Problem =>
  new Problem(409, 'request-closed', 'It cannot be answered any more', `request ${request.id} is ${state}`, {
    members: { state },
  })

const superseded = (request: RequestRow): Problem =>
  new Problem(
    409,
    'request-superseded',
    'It is about something else by now',
    `policy, evaluation, champion, stage or files of ${request.model} ${request.version} changed since request ${request.id} was made; look at its gates, and for a new request`,
    { members: { state: 'superseded' } },
  )
