// Policies, verdicts, requests and moves as the API shows them.

import { z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { Stage } from '../registry/stages.ts'
import type { HoldRow } from './holds.ts'
import { answers, RuleVerdict } from './judge.ts'
import { type MoveRow, moveKinds } from './moves.ts'
import type { PolicyRow } from './policies.ts'
import { PromotionPolicy } from './policy.ts'
import { type ApprovalRow, type RequestRow, requestStates, stateOf } from './requests.ts'
import type { VerdictRow } from './verdicts.ts'

const Time = z.iso.datetime()
export const Goal = z.enum(['staging', 'production'])
const Version = z.number().int().positive()

export const PolicyDocument = z
  .object({
    model: ModelName,
    /** 0: none was put, these are the defaults. */
    revision: z.number().int().nonnegative(),
    policy: PromotionPolicy,
    createdBy: z.string(),
    createdAt: Time.nullable(),
  })
  .openapi('PromotionPolicyRevision')

export const VerdictDocument = z
  .object({
    id: z.string(),
    model: ModelName,
    version: Version,
    /** The stage its gates lie before. */
    to: Goal,
    answer: z.enum(answers),
    policyRevision: z.number().int(),
    evaluation: z.string().nullable(),
    champion: Version.nullable(),
    rules: z.array(RuleVerdict),
    firstAt: Time,
    /** When the same was found last. */
    lastAt: Time,
  })
  .openapi('GateVerdict')

export const ApprovalDocument = z.object({
  approver: z.string(),
  name: z.string(),
  decision: z.enum(['approve', 'reject']),
  comment: z.string(),
  at: Time,
  revoked: z.object({ by: z.string(), reason: z.string(), at: Time }).nullable(),
})

export const RequestDocument = z
  .object({
    id: z.string(),
    model: ModelName,
    version: Version,
    from: Stage,
    to: Goal,
    state: z.enum(requestStates),
    verdict: z.string(),
    policyRevision: z.number().int(),
    /** Approvals it takes, and those that count now. */
    needed: z.number().int(),
    approved: z.number().int(),
    requestedBy: z.string(),
    comment: z.string(),
    requestedAt: Time,
    expiresAt: Time,
    closedAt: Time.nullable(),
    reason: z.string().nullable(),
    approvals: z.array(ApprovalDocument),
  })
  .openapi('PromotionRequest')

const MoveDocument = z.object({
  from: Stage,
  to: Stage,
  kind: z.enum(moveKinds),
  actor: z.string(),
  reason: z.string(),
  verdict: z.string().nullable(),
  request: z.string().nullable(),
  at: Time,
})

export const PipelineDocument = z
  .object({
    model: ModelName,
    version: Version,
    stage: Stage,
    /** A person took it back: nothing moves it forward by itself. `revoked`: nor is it rolled out. */
    hold: z
      .object({ kind: z.enum(['revoked', 'moved-back']), actor: z.string(), reason: z.string(), at: Time })
      .nullable(),
    /** Newest first. */
    requests: z.array(RequestDocument),
    moves: z.array(MoveDocument),
  })
  .openapi('VersionPipeline')

export const showPolicy = (row: PolicyRow): z.infer<typeof PolicyDocument> => ({
  model: row.model,
  revision: row.revision,
  policy: row.policy,
  createdBy: row.created_by,
  createdAt: row.revision === 0 ? null : iso(row.created_at),
})

export const showVerdict = (row: VerdictRow): z.infer<typeof VerdictDocument> => ({
  id: row.id,
  model: row.model,
  version: row.version,
  to: row.to_stage,
  answer: row.answer,
  policyRevision: row.policy_revision,
  evaluation: row.evaluation,
  champion: row.champion,
  rules: row.rules,
  firstAt: iso(row.first_at),
  lastAt: iso(row.last_at),
})

/** @param approved how many of its approvals count */
export const showRequest = (
  row: RequestRow,
  approvals: readonly ApprovalRow[],
  approved: number,
  nowMs: number,
): z.infer<typeof RequestDocument> => ({
  id: row.id,
  model: row.model,
  version: row.version,
  from: row.from_stage,
  to: row.to_stage,
  state: stateOf(row, nowMs),
  verdict: row.verdict,
  policyRevision: row.policy_revision,
  needed: row.needed,
  approved,
  requestedBy: row.requested_by,
  comment: row.comment,
  requestedAt: iso(row.requested_at),
  expiresAt: iso(row.expires_at),
  closedAt: row.closed_at === null ? null : iso(row.closed_at),
  reason: row.reason,
  approvals: approvals.map(showApproval),
})

function showApproval(row: ApprovalRow): z.infer<typeof ApprovalDocument> {
  const { approver, name, decision, comment, at, revoked_at, revoked_by, revoke_reason } = row
  const revoked =
    revoked_at === null ? null : { by: revoked_by ?? '', reason: revoke_reason ?? '', at: iso(revoked_at) }
  return { approver, name, decision, comment, at: iso(at), revoked }
}

export const showMove = (row: MoveRow): z.infer<typeof MoveDocument> => ({
  from: row.from_stage,
  to: row.to_stage,
  kind: row.kind,
  actor: row.actor,
  reason: row.reason,
  verdict: row.verdict,
  request: row.request,
  at: iso(row.at),
})

export const showHold = (hold: HoldRow | undefined): z.infer<typeof PipelineDocument>['hold'] =>
  hold === undefined ? null : { kind: hold.kind, actor: hold.actor, reason: hold.reason, at: iso(hold.at) }

const iso = (ms: number): string => new Date(ms).toISOString()
