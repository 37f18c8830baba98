// Decided actions made true in one transaction: rows, wishes of devices, history and audit log.

import { desireStatements, type Wish } from '../fleet/desired.ts'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { decisionsStatement, runsOf, statementsOfRun } from './statements.ts'
import type { Action } from './states.ts'
import type { MemberRow, RolloutRow } from './store.ts'
import type { Loaded } from './view.ts'

/** On whose word; `operation` and `reason` where it is a person's. */
export type By = {
  actor: string
  operation?: string
  reason?: string
  stage?: string | undefined
  devices?: readonly string[] | undefined
  requestId?: string | undefined
}

/** @param more written with it, whatever is decided
 *  @returns the devices whose wishes may have changed */
export async function carryOut(
  tx: Reader & Writer,
  rollout: Loaded,
  actions: readonly Action[],
  by: By,
  nowMs: number,
  more: readonly Statement[] = [],
): Promise<string[]> {
  if (actions.length === 0) {
    if (more.length > 0) await tx.write(more)
    return []
  }
  const members = new Map(rollout.members.map((member) => [member.device, member]))
  const wishes = actions.flatMap((action) =>
    action.do === 'offer' || action.do === 'withdraw' ? wishesOf(rollout.row, members.get(action.device), action) : [],
  )
  await tx.write([
    ...actionStatements(rollout.row, actions, by, nowMs),
    ...desireStatements(wishes, nowMs),
    ...(await auditStatements(tx, nowMs, changesOf(rollout, actions, by))),
    ...more,
  ])
  return [...new Set(wishes.map(({ device }) => device))]
}

/** These hold no device any more: a late word from one must not undo what others have wanted there since. */
const closed: ReadonlySet<RolloutRow['state']> = new Set(['aborted', 'superseded'])

/** What the action wants of a device. One that begins to serve what it ran in shadow ends the shadow in the same
 *  generation. */
function wishesOf(
  row: RolloutRow,
  member: MemberRow | undefined,
  action: Extract<Action, { do: 'offer' | 'withdraw' }>,
): Wish[] {
  if (member === undefined) return []
  const common = { device: action.device, deployment: row.deployment, by: row.id }
  const noShadow: Wish = { ...common, role: 'shadow', manifest: null, onlyOwn: true }
  if (action.do === 'withdraw') {
    return member.role === 'shadow'
      ? [noShadow]
      : [{ ...common, manifest: member.previous, onlyOwn: closed.has(row.state) }]
  }
  const attempt = member.attempt + 1
  if (action.role === 'primary') {
    const serve: Wish = { ...common, manifest: member.target, attempt }
    return member.role === 'shadow' ? [noShadow, serve] : [serve]
  }
  return [{ ...common, role: 'shadow', sample: sampleOf(row, member.stage), manifest: member.target, attempt }]
}

const sampleOf = ({ plan }: RolloutRow, stage: number): number => plan.stages[stage]?.shadowSample ?? 0.1

/** The actions as rows; those that change a stage or the rollout are history as well, after what a person asked for. */
function actionStatements(row: RolloutRow, actions: readonly Action[], by: By, nowMs: number): Statement[] {
  const changes = runsOf(actions).flatMap((run) => statementsOfRun(row.id, run, nowMs))
  const { actor, operation, reason, stage, devices } = by
  const asked = operation === undefined ? [] : [{ action: 'operation', detail: { operation, reason, stage, devices } }]
  const decided = actions.flatMap((action) => (action.do === 'device' ? [] : [{ action: action.do, detail: action }]))
  const decisions = [...asked, ...decided]
  return decisions.length === 0 ? changes : [...changes, decisionsStatement(row.id, actor, decisions, nowMs)]
}

/** What the audit log says of the actions: those of the rollout and its stages; each device's part is its history. */
function changesOf({ row, stages }: Loaded, actions: readonly Action[], by: By): Change[] {
  const { actor, operation, reason, stage, devices, requestId } = by
  const common = { actor, subject: `rollout:${row.id}`, requestId }
  const changes = actions.flatMap((action): Change[] => {
    if (action.do === 'rollout') {
      const after = { state: action.state, reason: action.reason }
      return [{ ...common, action: `rollout.${operation ?? 'move'}`, before: { state: row.state }, after }]
    }
    if (action.do !== 'stage') return []
    const { name: stage = null, state = null } = stages.find(({ idx }) => idx === action.index) ?? {}
    if (state === action.state) return []
    return [{ ...common, action: 'stage.move', before: { stage, state }, after: { stage, state: action.state } }]
  })
  if (operation === undefined || actions.some((action) => action.do === 'rollout')) return changes
  return [{ ...common, action: `rollout.${operation}`, after: { reason, stage, devices } }, ...changes]
}
