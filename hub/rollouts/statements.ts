// Rollouts in the database, written: decided actions in, statements out.

import type { Statement } from '../storage/database.ts'
import type { Drawn } from './plan/draw.ts'
import type { Action } from './states.ts'
import type { ApprovalRow, RolloutRow } from './store.ts'

export type NewRolloutRow = Omit<RolloutRow, 'revision' | 'changed_at' | 'paused_by'>
/** `servesFrom`: the first stage in which the version answers there. */
export type NewMember = Drawn & { servesFrom: number; target: string; previous: string | null; attempt: number }

/** The rollout and its stages; who is in it comes when it starts. */
export function insertRollout(rollout: NewRolloutRow): Statement[] {
  const columns = { ...rollout, plan: JSON.stringify(rollout.plan), supersede: Number(rollout.supersede) }
  const names = Object.keys(columns)
  return [
    {
      sql: `INSERT INTO rollouts (${names.join(', ')}, changed_at) VALUES (${names.map(() => '?').join(', ')}, ?)`,
      args: [...Object.values(columns), rollout.created_at],
    },
    ...rollout.plan.stages.map((stage, idx) => ({
      sql: `INSERT INTO rollout_stages (rollout, idx, name, state) VALUES (?, ?, ?, 'pending')`,
      args: [rollout.id, idx, stage.name],
    })),
  ]
}

/** Any number of devices: ten thousand rows are one batch entry. */
export const insertMembers = (rollout: string, deployment: string, members: readonly NewMember[]): Statement => ({
  sql: `INSERT INTO rollout_devices
          (rollout, device, deployment, stage, serves_from, stratum, standing, rank, target, previous, state, attempt)
        SELECT ?, value ->> 'device', ?, value ->> 'stage', value ->> 'servesFrom', value ->> 'stratum',
               value ->> 'standing', value ->> 'rank', value ->> 'target', value ->> 'previous', 'planned', value ->> 'attempt'
        FROM json_each(?)`,
  args: [rollout, deployment, JSON.stringify(members)],
})

/** A draft starts: its members are frozen as of now. */
export const startDraft = (rollout: string, query: string, by: string, nowMs: number): Statement => ({
  sql: `UPDATE rollouts SET state = 'running', reason = 'started by ' || coalesce(started_by, ?), query = ?,
          started_by = coalesce(started_by, ?), started_at = ?, changed_at = ?, revision = revision + 1 WHERE id = ?`,
  args: [by, query, by, nowMs, nowMs, rollout],
})

/** A draft asks for the approvals that its first stage needs. */
export const awaitApproval = (rollout: string, by: string, nowMs: number): Statement => ({
  sql: `UPDATE rollouts SET state = 'awaiting_approval', reason = ?, started_by = ?, changed_at = ?, revision = revision + 1
        WHERE id = ?`,
  args: [`asked for by ${by}`, by, nowMs, rollout],
})

type OfDevice = Extract<Action, { do: 'device' | 'offer' | 'withdraw' }>

/** Actions of one kind that follow one another and are about one device each; all others stand alone. */
type Run = readonly [Action, ...Action[]]

/** In their order. What is done to thousands of devices at once is one run. */
export function runsOf(actions: readonly Action[]): Run[] {
  const runs: [Action, ...Action[]][] = []
  const seen = new Set<string>()
  for (const action of actions) {
    const run = runs.at(-1)
    const joins = run !== undefined && 'device' in action && run[0].do === action.do && !seen.has(action.device)
    if (joins) run.push(action)
    else {
      runs.push([action])
      seen.clear()
    }
    if ('device' in action) seen.add(action.device)
  }
  return runs
}

/** What the actions of a run change in the rollout's own tables. */
export function statementsOfRun(rollout: string, run: Run, nowMs: number): Statement[] {
  const ofDevices = run.filter((action) => 'device' in action)
  return ofDevices.length === 0
    ? statementsOf(rollout, run[0], nowMs)
    : [deviceStatement(rollout, run[0].do, ofDevices, nowMs)]
}

/** One statement, however many devices. Of one that went away before it had the version the time begins when it returns. */
function deviceStatement(rollout: string, kind: Action['do'], actions: readonly OfDevice[], nowMs: number): Statement {
  const changes: Partial<Record<Action['do'], string>> = {
    device: `state = a.value ->> 'state', reason = a.value ->> 'reason', progress_at = ?2,
             offered_at = CASE WHEN state = 'unreachable' THEN ?2 ELSE offered_at END`,
    offer: `state = a.value ->> 'as', reason = NULL, attempt = attempt + 1, role = a.value ->> 'role', offered_at = ?2,
            progress_at = ?2, withdrawn = 0`,
    withdraw: `state = a.value ->> 'as', withdrawn = a.value ->> 'as' <> 'planned'`,
  }
  return {
    // materialised, so that it is looked up and not read again for each device of the rollout
    sql: `WITH a AS MATERIALIZED (SELECT value ->> 'device' AS of_device, value FROM json_each(?3))
          UPDATE rollout_devices SET ${changes[kind]} FROM a
          WHERE rollout = ?1 AND device = a.of_device AND ?2 IS NOT NULL`,
    args: [rollout, nowMs, JSON.stringify(actions)],
  }
}

/** What an action changes in the rollout's own tables. */
export function statementsOf(rollout: string, action: Action, nowMs: number): Statement[] {
  switch (action.do) {
    case 'device':
    case 'offer':
    case 'withdraw':
      return [deviceStatement(rollout, action.do, [action], nowMs)]
    case 'retry':
      return [
        {
          sql: `UPDATE rollout_devices SET state = 'planned', reason = NULL, withdrawn = 0
                WHERE rollout = ? AND device IN (SELECT value FROM json_each(?))`,
          args: [rollout, JSON.stringify(action.devices)],
        },
        {
          sql: 'DELETE FROM device_failures WHERE device IN (SELECT value FROM json_each(?))',
          args: [JSON.stringify(action.devices)],
        },
      ]
    case 'acknowledge':
      return [
        {
          sql: `UPDATE rollout_devices SET acknowledged_attempt = attempt
                WHERE rollout = ? AND device IN (SELECT value FROM json_each(?))`,
          args: [rollout, JSON.stringify(action.devices)],
        },
      ]
    case 'stage':
      return [...stageStatements(rollout, action, nowMs), touch(rollout)]
    case 'release':
      return [
        {
          sql: 'UPDATE rollout_stages SET released_by = ? WHERE rollout = ? AND idx = ?',
          args: [action.by, rollout, action.index],
        },
        touch(rollout),
      ]
    case 'rollout':
      return rolloutStatements(rollout, action, nowMs)
  }
}

/** The ETag changes. */
const touch = (rollout: string): Statement => ({
  sql: 'UPDATE rollouts SET revision = revision + 1 WHERE id = ?',
  args: [rollout],
})

function stageStatements(rollout: string, action: Extract<Action, { do: 'stage' }>, nowMs: number): Statement[] {
  const { state, index } = action
  const at = [rollout, index]
  if (state === 'pending') {
    return [
      {
        sql: `UPDATE rollout_stages SET state = 'pending', held_since = NULL, released_by = NULL, admitting_since = NULL,
                baking_since = NULL, ended_at = NULL WHERE rollout = ? AND idx = ?`,
        args: at,
      },
      voidApprovals(rollout, index),
    ]
  }
  const times = {
    held: 'held_since = ?1',
    admitting: 'admitting_since = ?1, baking_since = NULL, ended_at = NULL',
    baking: 'baking_since = ?1',
    open: 'ended_at = NULL',
    passed: 'ended_at = ?1',
    failed: 'ended_at = ?1',
    inconclusive: 'ended_at = ?1',
  }
  const verdict = action.verdict === undefined ? null : JSON.stringify(action.verdict)
  return [
    {
      sql: `UPDATE rollout_stages SET state = ?2, verdict = coalesce(?3, verdict), ${times[state]}
            WHERE rollout = ?4 AND idx = ?5 AND ?1 IS NOT NULL`,
      args: [nowMs, state, verdict, ...at],
    },
  ]
}

/** A rollout that has ended no longer holds its devices. */
function rolloutStatements(
  rollout: string,
  { state, reason, kind = 'operator' }: Extract<Action, { do: 'rollout' }>,
  nowMs: number,
): Statement[] {
  // where it has gone back, why it did is still what one asks first
  const why = state === 'rolled_back' ? `reason || '; ' || ?` : '?'
  const change = {
    sql: `UPDATE rollouts SET state = ?, reason = ${why}, paused_by = ?, changed_at = ?, revision = revision + 1 WHERE id = ?`,
    args: [state, reason, state === 'paused' ? kind : null, nowMs, rollout],
  }
  const holds = state === 'running' || state === 'paused' || state === 'rolling_back'
  return holds
    ? [change]
    : [change, { sql: 'UPDATE rollout_devices SET active = 0 WHERE rollout = ?', args: [rollout] }]
}

export const insertApproval = (rollout: string, row: Omit<ApprovalRow, 'void'>): Statement => ({
  sql: `INSERT INTO rollout_approvals (rollout, stage, approver, name, decision, comment, at, void) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  args: [
    rollout,
    row.stage,
    row.approver,
    row.name,
    row.decision,
    row.comment,
    row.at,
    Number(row.decision === 'reject'),
  ],
})

export const voidApprovals = (rollout: string, stage: number): Statement => ({
  sql: 'UPDATE rollout_approvals SET void = 1 WHERE rollout = ? AND stage = ?',
  args: [rollout, stage],
})

export type Decided = { action: string; detail: unknown }

/** Appends to the rollout's history: who did what, and the numbers it was based on. */
export const decisionsStatement = (
  rollout: string,
  actor: string,
  decisions: readonly Decided[],
  nowMs: number,
): Statement => ({
  sql: `INSERT INTO rollout_decisions (rollout, seq, at, actor, action, detail)
        SELECT ?1, (SELECT coalesce(max(seq), 0) FROM rollout_decisions WHERE rollout = ?1) + 1 + d.key, ?2, ?3,
               d.value ->> 'action', d.value ->> 'detail'
        FROM json_each(?4) d`,
  args: [
    rollout,
    nowMs,
    actor,
    JSON.stringify(decisions.map(({ action, detail }) => ({ action, detail: JSON.stringify(detail) }))),
  ],
})

export const decisionStatement = (
  rollout: string,
  actor: string,
  action: string,
  detail: unknown,
  nowMs: number,
): Statement => decisionsStatement(rollout, actor, [{ action, detail }], nowMs)
