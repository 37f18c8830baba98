// Where a version stands in the pipeline: its stage, the policy, what its gates say now, what was asked before.
// Read within the transaction that acts on it.

import type { Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { notFound } from '../problem.ts'
import type { Stage } from '../registry/stages.ts'
import { findVersion, type VersionRow } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import { type FindEvaluation, gatherEvidence } from './gather.ts'
import { holdOf } from './holds.ts'
import { judgeGates } from './judge.ts'
import { inProduction, type Move } from './moves.ts'
import { type PolicyRow, policyOf } from './policies.ts'
import { type Goal, rulesOf, stageAfter } from './policy.ts'
import { type RequestRow, requestsOver, stateOf, unclosedRequest } from './requests.ts'
import { keepVerdict, type VerdictRow, verdictRow } from './verdicts.ts'
import type { Asker, Written } from './written.ts'

export type Bench = {
  hub: Pick<Hub, 'clock' | 'random'>
  findEvaluation: FindEvaluation
}

export type Standing = {
  row: VersionRow
  policy: PolicyRow
  /** Of the gates before `goal`. */
  verdict: VerdictRow
  isNewVerdict: boolean
  goal: Goal
  held: boolean
  newestInProduction: number | undefined
  /** The request that nobody has closed. */
  unclosed: RequestRow | undefined
  /** It is open and about this very verdict. */
  open: boolean
  /** A request over this very verdict is open, or was rejected, revoked or expired. */
  asked: boolean
}

/** @param goal the gates before which stage are judged; undefined: the stage after the version's own
 *  @throws Problem not-found */
export async function standingOf(
  bench: Bench,
  tx: Reader,
  model: string,
  version: number,
  goal?: Goal,
): Promise<Standing> {
  const row = await findVersion(tx, model, version)
  if (row === undefined) throw notFound('version', `${model}/${version}`)
  const nowMs = bench.hub.clock()
  const policy = await policyOf(tx, model)
  const aim = goal ?? stageAfter(row.stage) ?? 'production'
  const evidence = await gatherEvidence(tx, row, policy.policy.evaluations, bench.findEvaluation)
  const judged = judgeGates(rulesOf(policy.policy, aim), evidence, policy.policy.withoutChampion)
  const made = {
    model,
    version,
    to_stage: aim,
    policy_revision: policy.revision,
    manifests: row.variants.map(({ digest }) => digest),
    evidence,
    verdict: judged,
  }
  const newId = idOf(bench, 'g')
  const verdict = await verdictRow(tx, made, () => newId, nowMs)
  const unclosed = await unclosedRequest(tx, model, version)
  const before = await requestsOver(tx, verdict.id, { model, version })
  const open = unclosed !== undefined && unclosed.verdict === verdict.id && stateOf(unclosed, nowMs) === 'open'
  return {
    row,
    policy,
    verdict,
    isNewVerdict: verdict.id === newId,
    goal: aim,
    held: (await holdOf(tx, model, version)) !== undefined,
    newestInProduction: (await inProduction(tx, model))[0],
    unclosed,
    open,
    asked: before.some((request) => !['superseded', 'approved'].includes(stateOf(request, nowMs))),
  }
}

/** The verdict is kept, and recorded where it is a new one. */
export function keeping({ verdict, isNewVerdict }: Standing, asker: Asker): Written {
  const { id, model, version, to_stage, answer, policy_revision, evaluation } = verdict
  const change: Change = {
    actor: asker.actor,
    action: 'gates.judge',
    subject: `version:${model}/${version}`,
    after: { verdict: id, toStage: to_stage, answer, policyRevision: policy_revision, evaluation },
    requestId: asker.requestId,
  }
  return { statements: [keepVerdict(verdict)], changes: isNewVerdict ? [change] : [] }
}

/** Rises with time, so that newest first is by id; 40 random bits tell apart what begins in one millisecond. */
export function idOf({ hub }: Bench, letter: 'g' | 'p'): string {
  const time = hub.clock().toString(36).padStart(9, '0')
  return `${letter}-${time}-${Buffer.from(hub.random(5)).toString('hex')}`
}

/** The move of the version from where it stands; its gates are recorded with it where they were before `to`. */
export const moveOf = (
  { row, verdict, goal }: Standing,
  wanted: Pick<Move, 'kind' | 'reason' | 'actor'> & { to: Stage; request?: string },
): Move => ({
  model: row.model,
  version: row.version,
  from_stage: row.stage,
  to_stage: wanted.to,
  kind: wanted.kind,
  actor: wanted.actor,
  reason: wanted.reason,
  verdict: wanted.to === goal ? verdict.id : null,
  request: wanted.request ?? null,
})
