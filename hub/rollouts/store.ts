// Rollouts in the database, read: rows in, plain data out.

import { Digest } from '@roost/shared/protocol/names.ts'
import { FailureReason, isTerminal, ProgressState, progressStates } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'
import { BooleanColumn, jsonColumn, type Reader } from '../storage/database.ts'
import { manyRows } from '../storage/many-rows.ts'
import { StageVerdict } from './evidence/judge.ts'
import { Finding } from './plan/check.ts'
import { RolloutPlan } from './plan/plan.ts'
import { pauseKinds, type RolloutState, rolloutStates, stageStates } from './states.ts'

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
  /** Null unless it is paused. */
  paused_by: z.enum(pauseKinds).nullable(),
  supersede: BooleanColumn,
  created_by: z.string(),
  created_at: z.number(),
  /** Of one that has not started: null, and when it was written. */
  started_by: z.string().nullable(),
  started_at: z.number(),
  changed_at: z.number(),
  revision: z.number(),
})
export type RolloutRow = z.infer<typeof RolloutRow>

/** One whose plan cannot be read any more is there with the others. */
export const StoredRollout = RolloutRow.extend({ plan: jsonColumn(RolloutPlan).nullable().catch(null) })
export type StoredRollout = z.infer<typeof StoredRollout>

export const StageRow = z.object({
  idx: z.number(),
  name: z.string(),
  state: z.enum(stageStates),
  held_since: z.number().nullable(),
  /** Who let it begin, where it was held. */
  released_by: z.string().nullable(),
  admitting_since: z.number().nullable(),
  baking_since: z.number().nullable(),
  ended_at: z.number().nullable(),
  /** Null also where a hub of before has stored what cannot be read any more. */
  verdict: jsonColumn(StageVerdict).nullable().catch(null),
})
export type StageRow = z.infer<typeof StageRow>

export const MemberRow = z.object({
  device: z.string(),
  stage: z.number(),
  serves_from: z.number(),
  stratum: z.string(),
  /** Whether it was connected when the stages were drawn. */
  standing: z.string(),
  rank: z.number(),
  target: z.string(),
  previous: z.string().nullable(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  attempt: z.number(),
  role: z.enum(['primary', 'shadow']),
  offered_at: z.number().nullable(),
  progress_at: z.number().nullable(),
  withdrawn: BooleanColumn,
  acknowledged_attempt: z.number().nullable(),
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

const rolloutColumns = Object.keys(RolloutRow.shape).join(', ')
const stageColumns = Object.keys(StageRow.shape).join(', ')

export const rolloutById = (reader: Reader, id: string): Promise<StoredRollout | undefined> =>
  reader.first(StoredRollout, `SELECT ${rolloutColumns} FROM rollouts WHERE id = ?`, [id])

const Id = z.object({ id: z.string() })

/** Ids only: a row that cannot be read any more must not stop those that can. */
export const rolloutsByState = async (reader: Reader, states: readonly RolloutState[]): Promise<string[]> =>
  (
    await reader.all(Id, 'SELECT id FROM rollouts WHERE state IN (SELECT value FROM json_each(?)) ORDER BY id', [
      JSON.stringify(states),
    ])
  ).map(({ id }) => id)

export const rolloutsOfVersion = async (
  reader: Reader,
  model: string,
  version: number,
  state: RolloutState,
): Promise<string[]> =>
  (
    await reader.all(Id, 'SELECT id FROM rollouts WHERE model = ? AND version = ? AND state = ? ORDER BY id', [
      model,
      version,
      state,
    ])
  ).map(({ id }) => id)

/** Those of the states, ended after `endedAfterMs`, of which a look may still change something: a device is at it, has
 *  not gone back yet, or says something else than is known. All others cost a look for nothing, every second. */
export const unsettledRollouts = async (
  reader: Reader,
  states: readonly RolloutState[],
  endedAfterMs: number,
): Promise<string[]> =>
  (
    await reader.all(
      Id,
      `SELECT id FROM rollouts
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
  ).map(({ id }) => id)

const Late = z.object({ rollout: z.string(), device: z.string() })

/** Devices that were away when a rollout with a maintenance window completed, and have not been offered it since. */
export const lateDevices = (reader: Reader, endedAfterMs: number): Promise<z.infer<typeof Late>[]> =>
  reader.all(
    Late,
    `SELECT m.rollout, m.device FROM rollouts r JOIN rollout_devices m ON m.rollout = r.id
     WHERE r.state = 'completed' AND r.changed_at > ? AND r.plan ->> '$.window' IS NOT NULL
       AND m.state IN ('planned', 'shadowing') AND m.withdrawn = 0`,
    [endedAfterMs],
  )

/** Those for which something else is wanted by now than before the rollout, or that a later rollout holds or has had. */
export async function overtakenAmong(
  reader: Reader,
  rollout: string,
  devices: readonly string[],
): Promise<Set<string>> {
  const rows = await reader.all(
    z.object({ device: z.string() }),
    `SELECT m.device FROM rollout_devices m
     LEFT JOIN desired d ON d.device = m.device AND d.deployment = m.deployment AND d.role = 'primary'
     WHERE m.rollout = ?1 AND m.device IN (SELECT value FROM json_each(?2)) AND (d.manifest IS NOT m.previous OR EXISTS (
       SELECT 1 FROM rollouts n JOIN rollout_devices o ON o.rollout = n.id
       WHERE n.id > ?1 AND (n.state = 'completed' OR o.active = 1) AND o.device = m.device AND o.deployment = m.deployment))`,
    [rollout, JSON.stringify(devices)],
  )
  return new Set(rows.map(({ device }) => device))
}

export type RolloutFilter = {
  model?: string | undefined
  version?: number | undefined
  /** One of these. */
  state?: readonly RolloutState[] | undefined
}

/** Newest first, from below the id `before`. Ids rise with time. */
export const rolloutPage = (
  reader: Reader,
  { model, version, state }: RolloutFilter,
  before: string,
  limit: number,
): Promise<StoredRollout[]> =>
  reader.all(
    StoredRollout,
    `SELECT ${rolloutColumns} FROM rollouts
     WHERE id < ?1 AND (?2 IS NULL OR model = ?2) AND (?3 IS NULL OR version = ?3)
       AND (?4 IS NULL OR state IN (SELECT value FROM json_each(?4)))
     ORDER BY id DESC LIMIT ?5`,
    [before, model ?? null, version ?? null, state === undefined ? null : JSON.stringify(state), limit],
  )

const StageState = StageRow.pick({ name: true, state: true }).extend({ rollout: z.string() })

/** Where the stages of these rollouts are, in their order. */
export const stageStatesOf = (reader: Reader, rollouts: readonly string[]): Promise<z.infer<typeof StageState>[]> =>
  reader.all(
    StageState,
    `SELECT rollout, name, state FROM rollout_stages WHERE rollout IN (SELECT value FROM json_each(?))
     ORDER BY rollout, idx`,
    [JSON.stringify(rollouts)],
  )

export const stagesOf = (reader: Reader, rollout: string): Promise<StageRow[]> =>
  reader.all(StageRow, `SELECT ${stageColumns} FROM rollout_stages WHERE rollout = ? ORDER BY idx`, [rollout])

export const membersOf = (reader: Reader, rollout: string): Promise<MemberRow[]> =>
  manyRows(reader, MemberRow, 'FROM rollout_devices WHERE rollout = ? ORDER BY stage, rank', [rollout])

export async function membersCount(reader: Reader, rollout: string): Promise<number> {
  const row = await reader.first(
    z.object({ members: z.number() }),
    'SELECT count(*) AS members FROM rollout_devices WHERE rollout = ?',
    [rollout],
  )
  return row?.members ?? 0
}

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
       WHERE d.role = 'primary' AND d.deployment = ? AND d.device IN (SELECT value FROM json_each(?))
     ) WHERE manifest IS NOT NULL`,
    [deployment, JSON.stringify(devices)],
  )
  return new Map(rows.map(({ device, manifest }) => [device, manifest]))
}

export const ApprovalRow = z.object({
  stage: z.number(),
  approver: z.string(),
  name: z.string(),
  decision: z.enum(['approve', 'reject']),
  comment: z.string(),
  at: z.number(),
  /** A rejection, or the stage's beginning anew, came after it. */
  void: BooleanColumn,
})
export type ApprovalRow = z.infer<typeof ApprovalRow>

/** What approvers said, in order. */
export const approvalsOf = (reader: Reader, rollout: string): Promise<ApprovalRow[]> =>
  reader.all(
    ApprovalRow,
    `SELECT ${Object.keys(ApprovalRow.shape).join(', ')} FROM rollout_approvals WHERE rollout = ? ORDER BY id`,
    [rollout],
  )

const Circumstances = z.object({
  device: z.string(),
  gone: BooleanColumn,
  timezone: z.string().nullable(),
  aside_until: z.number().nullable(),
})
export type Circumstances = z.infer<typeof Circumstances>

/** What else of a device matters to its rollouts: revoked, where its clock is, put aside. */
export const circumstancesOf = (reader: Reader, rollout: string): Promise<Circumstances[]> =>
  manyRows(
    reader,
    Circumstances,
    `FROM (SELECT m.device, d.revoked_at IS NOT NULL AS gone, d.labels ->> '$.timezone' AS timezone, f.aside_until
           FROM rollout_devices m JOIN devices d ON d.id = m.device LEFT JOIN device_failures f ON f.device = d.id
           WHERE m.rollout = ?)`,
    [rollout],
  )

const SaidRow = z.object({
  device: z.string(),
  manifest: z.string(),
  attempt: z.number(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  running: BooleanColumn,
})
export type SaidRow = z.infer<typeof SaidRow>

/** What the rollout's devices say of its version, and of what runs in the deployment. */
export const saidIn = (reader: Reader, rollout: string): Promise<SaidRow[]> =>
  manyRows(
    reader,
    SaidRow,
    `FROM (SELECT r.* FROM rollout_devices m JOIN device_deployments r ON r.device = m.device AND r.deployment = m.deployment
           WHERE m.rollout = ? AND (r.manifest = m.target OR r.running = 1) ORDER BY r.device, r.changed_at)`,
    [rollout],
  )

const Runs = z.object({ model: z.string().nullable(), version: z.number().nullable(), devices: z.number() })

/** What the rollout's devices say they run in its deployment. */
export const runningIn = (reader: Reader, rollout: string): Promise<z.infer<typeof Runs>[]> =>
  reader.all(
    Runs,
    `SELECT b.model, b.version, count(*) AS devices FROM rollout_devices m
     LEFT JOIN device_deployments r ON r.device = m.device AND r.deployment = m.deployment AND r.running = 1
     LEFT JOIN manifests b ON b.digest = r.manifest
     WHERE m.rollout = ? GROUP BY b.model, b.version ORDER BY devices DESC, b.version DESC`,
    [rollout],
  )

/** Those that have failed too often of late. */
export async function asideAmong(reader: Reader, devices: readonly string[], nowMs: number): Promise<Set<string>> {
  const rows = await reader.all(
    z.object({ device: z.string() }),
    `SELECT device FROM device_failures WHERE aside_until > ? AND device IN (SELECT value FROM json_each(?))`,
    [nowMs, JSON.stringify(devices)],
  )
  return new Set(rows.map(({ device }) => device))
}

/** What was doubtful about the plan when the rollout started, or when its draft was written. */
export async function warningsOf(reader: Reader, rollout: string): Promise<Finding[]> {
  const row = await reader.first(
    z.object({ warnings: jsonColumn(z.array(Finding)) }),
    `SELECT detail ->> '$.warnings' AS warnings FROM rollout_decisions
     WHERE rollout = ? AND json_type(detail, '$.warnings') = 'array' ORDER BY seq DESC LIMIT 1`,
    [rollout],
  )
  return row?.warnings ?? []
}
