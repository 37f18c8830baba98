// Requests for approval and their answers in the database.

import { z } from 'zod'
import { Stage } from '../registry/stages.ts'
import type { Reader, Statement } from '../storage/database.ts'

export const requestStates = ['open', 'approved', 'rejected', 'expired', 'superseded', 'revoked'] as const
export type RequestState = (typeof requestStates)[number]

export const RequestRow = z.object({
  id: z.string(),
  model: z.string(),
  version: z.number(),
  from_stage: Stage,
  to_stage: z.enum(['staging', 'production']),
  state: z.enum(requestStates),
  verdict: z.string(),
  policy_revision: z.number(),
  needed: z.number(),
  requested_by: z.string(),
  comment: z.string(),
  requested_at: z.number(),
  expires_at: z.number(),
  closed_at: z.number().nullable(),
  reason: z.string().nullable(),
})
export type RequestRow = z.infer<typeof RequestRow>

export const ApprovalRow = z.object({
  request: z.string(),
  approver: z.string(),
  name: z.string(),
  decision: z.enum(['approve', 'reject']),
  comment: z.string(),
  at: z.number(),
  revoked_at: z.number().nullable(),
  revoked_by: z.string().nullable(),
  revoke_reason: z.string().nullable(),
})
export type ApprovalRow = z.infer<typeof ApprovalRow>

/** The state as it is now: one that is past its time has expired, whether or not anybody has looked since. */
export const stateOf = ({ state, expires_at }: RequestRow, nowMs: number): RequestState =>
  state === 'open' && expires_at <= nowMs ? 'expired' : state

export const requestById = (reader: Reader, id: string): Promise<RequestRow | undefined> =>
  reader.first(RequestRow, 'SELECT * FROM promotion_requests WHERE id = ?', [id])

/** The one that nobody has closed; it may be past its time. */
export const unclosedRequest = (reader: Reader, model: string, version: number): Promise<RequestRow | undefined> =>
  reader.first(RequestRow, `SELECT * FROM promotion_requests WHERE model = ? AND version = ? AND state = 'open'`, [
    model,
    version,
  ])

export const requestsOver = (
  reader: Reader,
  verdict: string,
  version: { model: string; version: number },
): Promise<RequestRow[]> =>
  reader.all(RequestRow, 'SELECT * FROM promotion_requests WHERE model = ? AND version = ? AND verdict = ?', [
    version.model,
    version.version,
    verdict,
  ])

/** Newest first. */
export const requestsOf = (reader: Reader, model: string, version: number, limit: number): Promise<RequestRow[]> =>
  reader.all(RequestRow, 'SELECT * FROM promotion_requests WHERE model = ? AND version = ? ORDER BY id DESC LIMIT ?', [
    model,
    version,
    limit,
  ])

/** Of a model, those nobody has closed. */
export const unclosedRequestsOf = (reader: Reader, model: string, limit: number): Promise<RequestRow[]> =>
  reader.all(RequestRow, `SELECT * FROM promotion_requests WHERE model = ? AND state = 'open' ORDER BY id LIMIT ?`, [
    model,
    limit,
  ])

export type RequestFilter = { model: string | undefined; state: RequestState | undefined; nowMs: number }

/** Newest first, those before `before`. */
export const requestPage = (
  reader: Reader,
  filter: RequestFilter,
  before: string,
  limit: number,
): Promise<RequestRow[]> =>
  reader.all(
    RequestRow,
    `SELECT * FROM promotion_requests WHERE id < ? AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR
       CASE WHEN state = 'open' AND expires_at <= ?4 THEN 'expired' ELSE state END = ?3)
     ORDER BY id DESC LIMIT ?5`,
    [before, filter.model ?? null, filter.state ?? null, filter.nowMs, limit],
  )

export const approvalsOf = (reader: Reader, request: string): Promise<ApprovalRow[]> =>
  reader.all(ApprovalRow, 'SELECT * FROM promotion_approvals WHERE request = ? ORDER BY at, approver', [request])

export const insertRequest = (row: RequestRow): Statement => ({
  sql: `INSERT INTO promotion_requests (id, model, version, from_stage, to_stage, state, verdict, policy_revision, needed,
          requested_by, comment, requested_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  args: [
    row.id,
    row.model,
    row.version,
    row.from_stage,
    row.to_stage,
    row.state,
    row.verdict,
    row.policy_revision,
    row.needed,
    row.requested_by,
    row.comment,
    row.requested_at,
    row.expires_at,
  ],
})

export const closeRequest = (id: string, state: RequestState, reason: string, nowMs: number): Statement => ({
  sql: 'UPDATE promotion_requests SET state = ?, reason = ?, closed_at = ? WHERE id = ?',
  args: [state, reason, nowMs, id],
})

export const insertApproval = (
  row: Pick<ApprovalRow, 'request' | 'approver' | 'name' | 'decision' | 'comment' | 'at'>,
): Statement => ({
  sql: 'INSERT INTO promotion_approvals (request, approver, name, decision, comment, at) VALUES (?, ?, ?, ?, ?, ?)',
  args: [row.request, row.approver, row.name, row.decision, row.comment, row.at],
})

export const revokeApproval = (
  request: string,
  approver: string,
  by: string,
  reason: string,
  nowMs: number,
): Statement => ({
  sql: `UPDATE promotion_approvals SET revoked_at = ?, revoked_by = ?, revoke_reason = ?
        WHERE request = ? AND approver = ? AND revoked_at IS NULL`,
  args: [nowMs, by, reason, request, approver],
})
