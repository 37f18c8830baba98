// Requests for approval begin, and come to an end: approved, rejected, too late, or overtaken by what changed.

import type { Change } from '../governance/audit.ts'
import type { Stage } from '../registry/stages.ts'
import type { Goal } from './policy.ts'
import { closeRequest, insertRequest, type RequestRow, stateOf } from './requests.ts'
import { type Bench, idOf, type Standing } from './standing.ts'
import { type Asker, nothingWritten, type Written } from './written.ts'

/** The request that is open is about other evidence, or past its time. */
export function closeStale({ unclosed, open }: Standing, nowMs: number, { actor }: Asker): Written {
  if (unclosed === undefined || open) return nothingWritten
  const expired = stateOf(unclosed, nowMs) === 'expired'
  return expired
    ? close(unclosed, 'expired', 'nobody approved it in time', actor, nowMs)
    : close(unclosed, 'superseded', 'policy, evaluation, champion or version changed since', actor, nowMs)
}

/** A person moved the version: nothing is left to approve. */
export function closeUnclosed({ unclosed, open }: Standing, to: Stage, nowMs: number): Written {
  return unclosed !== undefined && open
    ? close(unclosed, 'superseded', `it was moved to ${to}`, 'hub', nowMs)
    : nothingWritten
}

export const close = (
  request: RequestRow,
  state: 'approved' | 'rejected' | 'expired' | 'superseded' | 'revoked',
  reason: string,
  actor: string,
  nowMs: number,
): Written => ({
  statements: [closeRequest(request.id, state, reason, nowMs)],
  changes: [
    {
      actor,
      action: 'promotion-request.close',
      subject: `promotion-request:${request.id}`,
      before: { state: request.state },
      after: { state, reason },
    },
  ],
})

export function ask(
  bench: Bench,
  standing: Standing,
  to: Goal,
  comment: string,
  asker: Asker,
): Written & { request: RequestRow } {
  const { row, policy, verdict } = standing
  const nowMs = bench.hub.clock()
  const { needed, expireDays } = policy.policy.stages[to].approvals
  const request: RequestRow = {
    id: idOf(bench, 'p'),
    model: row.model,
    version: row.version,
    from_stage: row.stage,
    to_stage: to,
    state: 'open',
    verdict: verdict.id,
    policy_revision: policy.revision,
    needed,
    requested_by: asker.actor,
    comment,
    requested_at: nowMs,
    expires_at: Math.round(nowMs + expireDays * dayMs),
    closed_at: null,
    reason: null,
  }
  const change: Change = {
    actor: asker.actor,
    action: 'promotion-request.open',
    subject: `promotion-request:${request.id}`,
    after: { version: `${row.model}/${row.version}`, to, needed, verdict: verdict.id, comment },
  }
  return { request, statements: [insertRequest(request)], changes: [change] }
}

const dayMs = 86_400_000
