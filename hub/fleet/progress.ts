// What devices say of their bundles, and the rule by which it moves the record: forward within an attempt.
// Reports come late, twice and out of order; the newest is not always the furthest.

import type { SlotReport } from '@roost/shared/protocol/messages.ts'
import { DeploymentName, Digest } from '@roost/shared/protocol/names.ts'
import { FailureReason, isTerminal, ProgressState, progressStates } from '@roost/shared/protocol/progress.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { BooleanColumn, type Reader, type Statement } from '../storage/database.ts'
import { tallyStatements } from './aside.ts'

const installed: ReadonlySet<ProgressState> = new Set(['succeeded', 'already_current'])
/** What may become of a bundle after it had succeeded: it failed after all. */
const fallen: ReadonlySet<ProgressState> = new Set(['failed', 'rolled_back'])
/** The hub's own conclusions for want of news; any true report corrects them. */
const presumed: ReadonlySet<ProgressState> = new Set(['timed_out', 'unreachable'])
/** A slot in one of these serves. */
const serving: ReadonlySet<ProgressState> = new Set(['probation', ...installed])

const rank = (state: ProgressState): number => progressStates.indexOf(state)

/** Whether a report of `next` moves a record that says `current`, within one attempt. */
export function advances(current: ProgressState, next: ProgressState): boolean {
  if (presumed.has(current)) return !presumed.has(next)
  if (installed.has(current)) return fallen.has(next)
  return !isTerminal(current) && rank(next) > rank(current)
}

/** The record's change by an event out of a device's outbox, to be committed in the same batch. Other events than
 *  progress change nothing here. */
export function progressStatements(device: string, event: DeviceEvent, nowMs: number): Statement[] {
  if (event.event !== 'progress') return []
  const { deployment, manifest, state, reason } = event
  const record = [recordStatement(device, event, event, nowMs), ...tallyStatements(device, state, nowMs)]
  if (serving.has(state)) return [...record, ...runsStatements(device, deployment, manifest, nowMs)]
  if (!fallen.has(state)) return record
  return [...record, ...endedStatements(device, deployment, manifest, reason !== 'unable_to_roll_back')]
}

/** The record's change by what a hello says: its slots are all that serves on the device now. */
export function slotStatements(device: string, slots: readonly SlotReport[], nowMs: number): Statement[] {
  const running = JSON.stringify(slots.filter((slot) => serving.has(slot.state)))
  const isRunning = `(deployment, manifest) IN (SELECT value ->> 'deployment', value ->> 'manifest' FROM json_each(?))`
  return [
    ...slots.flatMap((slot) => [
      recordStatement(device, slot, {}, nowMs),
      ...tallyStatements(device, slot.state, nowMs),
    ]),
    {
      sql: `UPDATE device_deployments SET running = ${isRunning},
              ran_at = CASE WHEN running = 0 AND ${isRunning} THEN ? ELSE ran_at END
            WHERE device = ?`,
      args: [running, running, nowMs, device],
    },
  ]
}

const runsStatements = (device: string, deployment: string, manifest: string, nowMs: number): Statement[] => [
  {
    sql: `UPDATE device_deployments SET running = (manifest = ?),
            ran_at = CASE WHEN manifest = ? AND running = 0 THEN ? ELSE ran_at END
          WHERE device = ? AND deployment = ?`,
    args: [manifest, manifest, nowMs, device, deployment],
  },
]

/** What ran last before it serves again, as far as the hub knows; the next hello says for sure. */
function endedStatements(device: string, deployment: string, manifest: string, restored: boolean): Statement[] {
  const stop: Statement = {
    sql: 'UPDATE device_deployments SET running = 0 WHERE device = ? AND deployment = ? AND manifest = ?',
    args: [device, deployment, manifest],
  }
  const restore: Statement = {
    sql: `UPDATE device_deployments SET running = 1
          WHERE device = ?1 AND deployment = ?2
            AND NOT EXISTS (SELECT 1 FROM device_deployments WHERE device = ?1 AND deployment = ?2 AND running = 1)
            AND manifest = (SELECT manifest FROM device_deployments
              WHERE device = ?1 AND deployment = ?2 AND manifest <> ?3 AND ran_at IS NOT NULL
                AND state IN ('succeeded', 'already_current')
              ORDER BY ran_at DESC LIMIT 1)`,
    args: [device, deployment, manifest],
  }
  return restored ? [stop, restore] : [stop]
}

type Report = { deployment: string; manifest: string; attempt: number; state: ProgressState }

function recordStatement(
  device: string,
  { deployment, manifest, attempt, state }: Report,
  why: { reason?: FailureReason | undefined; detail?: string | undefined },
  nowMs: number,
): Statement {
  const from = progressStates.filter((current) => advances(current, state))
  return {
    sql: `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, reason, detail, changed_at)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (device, deployment, manifest) DO UPDATE SET attempt = excluded.attempt, state = excluded.state,
            reason = excluded.reason, detail = excluded.detail, changed_at = excluded.changed_at
          WHERE excluded.attempt > attempt
            OR (excluded.attempt = attempt AND state IN (SELECT value FROM json_each(?)))`,
    args: [
      device,
      deployment,
      manifest,
      attempt,
      state,
      why.reason ?? null,
      why.detail ?? null,
      nowMs,
      JSON.stringify(from),
    ],
  }
}

export const DeploymentRow = z.object({
  device: z.string(),
  deployment: DeploymentName,
  manifest: Digest,
  /** Undefined in the registry where null: a bundle of another hub, or from before a restore. */
  model: z.string().nullable(),
  version: z.number().int().nullable(),
  attempt: z.number().int(),
  state: ProgressState,
  reason: FailureReason.nullable(),
  detail: z.string().nullable(),
  running: BooleanColumn,
  changed_at: z.number().int(),
})
export type DeploymentRow = z.infer<typeof DeploymentRow>

/** What these devices reported, of one deployment where given. */
export function reportedOf(reader: Reader, devices: readonly string[], deployment?: string): Promise<DeploymentRow[]> {
  return reader.all(
    DeploymentRow,
    `SELECT r.device, r.deployment, r.manifest, m.model, m.version, r.attempt, r.state, r.reason, r.detail, r.running,
            r.changed_at
     FROM device_deployments r LEFT JOIN manifests m ON m.digest = r.manifest
     WHERE r.device IN (SELECT value FROM json_each(?)) AND (? IS NULL OR r.deployment = ?)
     ORDER BY r.device, r.deployment, r.changed_at`,
    [JSON.stringify(devices), deployment ?? null, deployment ?? null],
  )
}
