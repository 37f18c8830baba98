// Rollouts in the database: rows in, plain data out; decided actions in, statements out.

import { Digest } from '@roost/shared/protocol/names.ts'
import { FailureReason, isTerminal, ProgressState, progressStates } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'
import { BooleanColumn, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { type Action, type RolloutState, rolloutStates, type StageState } from './decide.ts'
import type { Drawn } from './plan/draw.ts'
import { RolloutPlan } from './plan/plan.ts'
import { StageVerdict } from './verdict.ts'

export const RolloutRow = z.object({
  id: z.string(),
  model: z.string(),
  version: z.number(),
  deployment: z.string(),
  group_name: z.string(),
  query: z.string(),
  plan: jsonColumn(RolloutPlan),
  state: z.enum(rolloutStates),
  reason: z.string(),
  acknowledged_failures: z.number(),
  created_by: z.string(),
  created_at: z.number(),
  changed_at: z.number(),
  revision: z.number(),
})
export type RolloutRow = z.infer<typeof RolloutRow>

const stageStates = [
  'pending',
  'admitting',
  'baking',
  'passed',
  'failed',
  'inconclusive',
] as const satisfies StageState[]

export const StageRow = z.object({
  idx: z.number(),
  name: z.string(),
  state: z.enum(stageStates),
  admitting_since: z.number().nullable(),
  baking_since: z.number().nullable(),
  ended_at: z.number().nullable(),
  verdict: jsonColumn(StageVerdict).nullable(),
})
export type StageRow = z.infer<typeof StageRow>

export const MemberRow = z.object({
  device: z.string(),
  stage: z.number(),
  stratum: z.string(),
  rank: z.number(),
  target: z.string(),
  previous: z.string().nullable(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  attempt: z.number(),
  offered_at: z.number().nullable(),
  withdrawn: BooleanColumn,
})
export type MemberRow = z.infer<typeof MemberRow>

export const DecisionRow = z.object({
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  detail: jsonColumn(z.unknown()),
})
export type DecisionRow = z.infer<typeof DecisionRow>

const rolloutColumns =
  'id, model, version, deployment, group_name, query, plan, state, reason, acknowledged_failures, created_by, created_at, changed_at, revision'

export const rolloutById = (reader: Reader, id: string): Promise<RolloutRow | undefined> =>
  reader.first(RolloutRow, `SELECT ${rolloutColumns} FROM rollouts WHERE id = ?`, [id])

export const rolloutsByState = (reader: Reader, states: readonly RolloutState[]): Promise<RolloutRow[]> =>
  reader.all(
    RolloutRow,
    `SELECT ${rolloutColumns} FROM rollouts WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id`,
    [JSON.stringify(states)],
  )

/** Those of the states, ended after `endedAfterMs`, of which a look may still change something: a device is at it, has
 *  not gone back yet, or says something else than is known. All others cost a look for nothing, every second. */
export const unsettledRollouts = (
  reader: Reader,
  states: readonly RolloutState[],
  endedAfterMs: number,
): Promise<RolloutRow[]> =>
  reader.all(
    RolloutRow,
    `SELECT ${rolloutColumns} FROM rollouts
     WHERE state IN (SELECT value FROM json_each(?1)) AND changed_at > ?2 AND EXISTS (
       SELECT 1 FROM rollout_devices m
       LEFT JOIN device_deployments r ON r.device = m.device AND r.deployment = m.deployment
         AND r.manifest = m.target AND r.attempt = m.attempt
       WHERE m.rollout = rollouts.id AND m.state NOT IN ('planned', 'cancelled', 'superseded') AND CASE
         WHEN m.withdrawn THEN m.state NOT IN ('rolled_back', 'failed', 'timed_out')
         ELSE m.state <> r.state OR m.state IN (SELECT value FROM json_each(?3))
       END)
     ORDER BY id`,
    [JSON.stringify(states), endedAfterMs, JSON.stringify(progressStates.filter((state) => !isTerminal(state)))],
  )

/** Newest first, from below the id `before`. Ids rise with time. */
export const rolloutPage = (reader: Reader, before: string, limit: number): Promise<RolloutRow[]> =>
  reader.all(RolloutRow, `SELECT ${rolloutColumns} FROM rollouts WHERE id < ? ORDER BY id DESC LIMIT ?`, [
    before,
    limit,
  ])

export const stagesOf = (reader: Reader, rollout: string): Promise<StageRow[]> =>
  reader.all(
    StageRow,
    'SELECT idx, name, state, admitting_since, baking_since, ended_at, verdict FROM rollout_stages WHERE rollout = ? ORDER BY idx',
    [rollout],
  )

export const membersOf = (reader: Reader, rollout: string): Promise<MemberRow[]> =>
  reader.all(
    MemberRow,
    `SELECT device, stage, stratum, rank, target, previous, state, reason, attempt, offered_at, withdrawn
     FROM rollout_devices WHERE rollout = ? ORDER BY stage, rank`,
    [rollout],
  )

export const decisionsOf = (reader: Reader, rollout: string): Promise<DecisionRow[]> =>
  reader.all(
    DecisionRow,
    'SELECT seq, at, actor, action, detail FROM rollout_decisions WHERE rollout = ? ORDER BY seq',
    [rollout],
  )

/** Active rollouts that hold any of these devices for this deployment. */
export const holdersOf = (
  reader: Reader,
  deployment: string,
  devices: readonly string[],
): Promise<{ rollout: string; device: string }[]> =>
  reader.all(
    z.object({ rollout: z.string(), device: z.string() }),
    `SELECT rollout, device FROM rollout_devices
     WHERE active = 1 AND deployment = ? AND device IN (SELECT value FROM json_each(?))`,
    [deployment, JSON.stringify(devices)],
  )

/** The last attempt of each bundle on each device, by `device/manifest`: a new offer is one more. */
export async function attemptsOf(
  reader: Reader,
  deployment: string,
  devices: readonly string[],
): Promise<Map<string, number>> {
  const rows = await reader.all(
    z.object({ device: z.string(), manifest: z.string(), attempt: z.number() }),
    `SELECT device, manifest, max(attempt) AS attempt FROM (
       SELECT device, manifest, attempt, deployment FROM device_deployments
       UNION ALL SELECT device, manifest, attempt, deployment FROM desired
       UNION ALL SELECT device, target, attempt, deployment FROM rollout_devices
     ) WHERE deployment = ? AND device IN (SELECT value FROM json_each(?)) GROUP BY device, manifest`,
    [deployment, JSON.stringify(devices)],
  )
  return new Map(rows.map(({ device, manifest, attempt }) => [`${device}/${manifest}`, attempt]))
}

/** The models that are wanted in the deployment on these devices, and those that rollouts are bringing there. */
export async function modelsIn(reader: Reader, deployment: string, devices: readonly string[]): Promise<string[]> {
  const ids = JSON.stringify(devices)
  const rows = await reader.all(
    z.object({ model: z.string() }),
    `SELECT m.model FROM desired d JOIN manifests m ON m.digest = d.manifest
     WHERE d.deployment = ? AND d.device IN (SELECT value FROM json_each(?))
     UNION SELECT r.model FROM rollout_devices d JOIN rollouts r ON r.id = d.rollout
     WHERE d.active = 1 AND d.deployment = ? AND d.device IN (SELECT value FROM json_each(?))`,
    [deployment, ids, deployment, ids],
  )
  return rows.map(({ model }) => model)
}

/** What is wanted in a deployment of each of these devices, and proven there: where a rollout still brings it, that is
 *  what was wanted before. A device that is not in it has nothing there. */
export async function wantedOf(
  reader: Reader,
  deployment: string,
  devices: readonly string[],
): Promise<Map<string, Digest>> {
  const rows = await reader.all(
    z.object({ device: z.string(), manifest: Digest }),
    `SELECT device, manifest FROM (
       SELECT d.device, CASE WHEN m.target = d.manifest AND m.state NOT IN ('succeeded', 'already_current')
                THEN m.previous ELSE d.manifest END AS manifest
       FROM desired d LEFT JOIN rollout_devices m
         ON m.device = d.device AND m.deployment = d.deployment AND m.active = 1
       WHERE d.deployment = ? AND d.device IN (SELECT value FROM json_each(?))
     ) WHERE manifest IS NOT NULL`,
    [deployment, JSON.stringify(devices)],
  )
  return new Map(rows.map(({ device, manifest }) => [device, manifest]))
}

export type NewRolloutRows = {
  rollout: Omit<RolloutRow, 'revision' | 'acknowledged_failures' | 'changed_at'>
  members: readonly (Drawn & { target: string; previous: string | null; attempt: number })[]
}

export function insertRollout({ rollout, members }: NewRolloutRows): Statement[] {
  return [
    {
      sql: `INSERT INTO rollouts (id, model, version, deployment, group_name, query, plan, state, reason, created_by, created_at, changed_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        rollout.id,
        rollout.model,
        rollout.version,
        rollout.deployment,
        rollout.group_name,
        rollout.query,
        JSON.stringify(rollout.plan),
        rollout.state,
        rollout.reason,
        rollout.created_by,
        rollout.created_at,
        rollout.created_at,
      ],
    },
    ...rollout.plan.stages.map((stage, idx) => ({
      sql: `INSERT INTO rollout_stages (rollout, idx, name, state) VALUES (?, ?, ?, 'pending')`,
      args: [rollout.id, idx, stage.name],
    })),
    // One statement for any number of devices: ten thousand rows are one batch entry.
    {
      sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, previous, state, attempt)
            SELECT ?, value ->> 'device', ?, value ->> 'stage', value ->> 'stratum', value ->> 'rank', value ->> 'target',
                   value ->> 'previous', 'planned',
                   value ->> 'attempt'
            FROM json_each(?)`,
      args: [rollout.id, rollout.deployment, JSON.stringify(members)],
    },
  ]
}

/** What an action changes in the rollout's own tables. */
export function statementsOf(rollout: string, action: Action, nowMs: number): Statement[] {
  switch (action.do) {
    case 'device':
      return [
        {
          sql: 'UPDATE rollout_devices SET state = ?, reason = ? WHERE rollout = ? AND device = ?',
          args: [action.state, action.reason, rollout, action.device],
        },
      ]
    case 'offer':
      return [
        {
          sql: `UPDATE rollout_devices
                SET state = ?, reason = NULL, attempt = attempt + 1, offered_at = ?, withdrawn = 0
                WHERE rollout = ? AND device = ?`,
          args: [action.as, nowMs, rollout, action.device],
        },
      ]
    case 'withdraw':
      return [
        {
          sql: 'UPDATE rollout_devices SET state = ?, withdrawn = ? WHERE rollout = ? AND device = ?',
          args: [action.as, action.as === 'planned' ? 0 : 1, rollout, action.device],
        },
      ]
    case 'stage':
      return [stageStatement(rollout, action, nowMs)]
    case 'rollout':
      return rolloutStatements(rollout, action.state, action.reason, nowMs)
  }
}

function stageStatement(rollout: string, action: Extract<Action, { do: 'stage' }>, nowMs: number): Statement {
  const ends = action.state === 'passed' || action.state === 'failed' || action.state === 'inconclusive'
  return {
    sql: `UPDATE rollout_stages
          SET state = ?, verdict = coalesce(?, verdict), ended_at = ?,
              admitting_since = CASE WHEN ? THEN ? ELSE admitting_since END,
              baking_since = CASE WHEN ? THEN ? ELSE baking_since END
          WHERE rollout = ? AND idx = ?`,
    args: [
      action.state,
      action.verdict === undefined ? null : JSON.stringify(action.verdict),
      ends ? nowMs : null,
      Number(action.state === 'admitting'),
      nowMs,
      Number(action.state === 'baking'),
      nowMs,
      rollout,
      action.index,
    ],
  }
}

/** A rollout that has ended no longer holds its devices. */
function rolloutStatements(rollout: string, state: RolloutState, reason: string, nowMs: number): Statement[] {
  const change = {
    sql: 'UPDATE rollouts SET state = ?, reason = ?, changed_at = ?, revision = revision + 1 WHERE id = ?',
    args: [state, reason, nowMs, rollout],
  }
  const holds = state === 'running' || state === 'paused' || state === 'rolling_back'
  return holds
    ? [change]
    : [change, { sql: 'UPDATE rollout_devices SET active = 0 WHERE rollout = ?', args: [rollout] }]
}

/** Appends to the rollout's history: who did what, and the numbers it was based on. */
export const decisionStatement = (
  rollout: string,
  actor: string,
  action: string,
  detail: unknown,
  nowMs: number,
): Statement => ({
  sql: `INSERT INTO rollout_decisions (rollout, seq, at, actor, action, detail)
        SELECT ?, coalesce(max(seq), 0) + 1, ?, ?, ?, ? FROM rollout_decisions WHERE rollout = ?`,
  args: [rollout, nowMs, actor, action, JSON.stringify(detail), rollout],
})
