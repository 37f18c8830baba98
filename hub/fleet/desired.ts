// What each device shall run: the wish the hub signs. Every change of it raises the device's generation in the same
// transaction, so that a generation always means the same wish (the device checks that it does).

import { Digest } from '@roost/shared/protocol/names.ts'
import { Assignment } from '@roost/shared/trust/assignment.ts'
import { z } from 'zod'
import { auditStatements, type Change, onlyIfChanged, writeAuditedIfChanged } from '../governance/audit.ts'
import { type Database, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { forgetFailures } from './aside.ts'

export type WishRole = 'primary' | 'shadow'

/** `role` undefined: primary. `sample`: of a shadow, the share of the primary's inferences that it repeats (0 … 1).
 *  `manifest` null: nothing in this role of this deployment. `attempt` undefined: the attempt the bundle already has
 *  there, else 1. `onlyOwn`: only where what is wanted now is wanted by the same `by`. */
export type Wish = {
  device: string
  deployment: string
  role?: WishRole
  sample?: number
  manifest: Digest | null
  attempt?: number
  by: string
  onlyOwn?: boolean
}

/** As many as an assignment can name; more are not added. */
export const deploymentsMax = 64

/** Statements for one batch, any number of wishes in three of them: raise generations, take away, put in place.
 *  What is wanted already changes nothing. Devices that are revoked or unknown are left out.
 *  Rows affected of the first: the devices whose generation rose. At most one wish for a role of a deployment of a
 *  device. */
export function desireStatements(wishes: readonly Wish[], nowMs: number): Statement[] {
  if (wishes.length === 0) return []
  const list = JSON.stringify(wishes.map((wish) => ({ ...wish, attempt: wish.attempt ?? null })))
  return [
    {
      sql: `${withWishes} UPDATE devices SET generation = generation + 1 WHERE id IN (SELECT device FROM changes)`,
      args: [list],
    },
    {
      sql: `${withWishes} DELETE FROM desired WHERE (device, deployment, role) IN
              (SELECT device, deployment, role FROM changes WHERE manifest IS NULL)`,
      args: [list],
    },
    {
      sql: `${withWishes} INSERT INTO desired
              (device, deployment, role, sample, manifest, attempt, generation, changed_by, changed_at)
            SELECT c.device, c.deployment, c.role, c.sample, c.manifest,
                   coalesce(c.attempt, iif(c.present = c.manifest, c.present_attempt, NULL),
                     (SELECT r.attempt FROM device_deployments r
                      WHERE r.device = c.device AND r.deployment = c.deployment AND r.manifest = c.manifest), 1),
                   d.generation, c.changed_by, ?
            FROM changes c JOIN devices d ON d.id = c.device
            WHERE c.manifest IS NOT NULL
            ON CONFLICT (device, deployment, role) DO UPDATE SET manifest = excluded.manifest,
              attempt = excluded.attempt, sample = excluded.sample, generation = excluded.generation,
              changed_by = excluded.changed_by, changed_at = excluded.changed_at`,
      args: [list, nowMs],
    },
  ]
}

/** The wishes that differ from what is wanted now. A deployment beyond the most a device may have is no change. */
const withWishes = `
  WITH wishes AS (
    SELECT value ->> 'device' AS device, value ->> 'deployment' AS deployment, value ->> 'manifest' AS manifest,
           coalesce(value ->> 'role', 'primary') AS role, iif(value ->> 'role' = 'shadow', value ->> 'sample', NULL) AS sample, value ->> 'attempt' AS attempt,
           value ->> 'by' AS changed_by, value ->> 'onlyOwn' AS only_own
    FROM json_each(?)
  ), compared AS (
    SELECT w.*, d.manifest AS present, d.attempt AS present_attempt, d.sample AS present_sample,
           d.changed_by AS present_by,
           (SELECT count(*) FROM desired o WHERE o.device = w.device) AS held,
           row_number() OVER (PARTITION BY w.device, d.manifest IS NULL AND w.manifest IS NOT NULL
                              ORDER BY w.deployment, w.role) AS place
    FROM wishes w
    JOIN devices v ON v.id = w.device AND v.revoked_at IS NULL
    LEFT JOIN desired d ON d.device = w.device AND d.deployment = w.deployment AND d.role = w.role
  ), changes AS (
    SELECT * FROM compared WHERE CASE
      WHEN only_own AND present_by IS NOT changed_by THEN 0
      WHEN manifest IS NULL THEN present IS NOT NULL
      WHEN present IS NULL THEN held + place <= ${deploymentsMax}
      ELSE present <> manifest OR present_attempt <> coalesce(attempt, present_attempt)
        OR present_sample IS NOT sample
    END
  )`

/** Writes the wishes, and records `change` if they change anything. @returns how many devices got a new generation */
export async function storeWishes(
  database: Database,
  wishes: readonly Wish[],
  nowMs: number,
  change?: Change,
): Promise<number> {
  const [first, ...others] = desireStatements(wishes, nowMs)
  if (first === undefined) return 0
  const raised = await (change === undefined
    ? database.write([first, ...others])
    : writeAuditedIfChanged(database, nowMs, change, [first, ...others]))
  return raised[0] ?? 0
}

/** As `storeWishes`, for a transaction that has looked first whether they may be had. */
export async function recordedWishes(
  tx: Reader,
  wishes: readonly Wish[],
  nowMs: number,
  change: Change,
): Promise<Statement[]> {
  const [first, ...others] = desireStatements(wishes, nowMs)
  if (first === undefined) return []
  return [first, ...(await auditStatements(tx, nowMs, [change])).map(onlyIfChanged), ...others]
}

export const DesiredRow = z.object({
  device: z.string(),
  deployment: z.string(),
  role: z.enum(['primary', 'shadow']),
  sample: z.number().nullable(),
  manifest: Digest,
  model: z.string().nullable(),
  version: z.number().int().nullable(),
  attempt: z.number().int(),
  generation: z.number().int(),
  changed_by: z.string(),
  changed_at: z.number().int(),
})
export type DesiredRow = z.infer<typeof DesiredRow>

export const desiredOf = (reader: Reader, device: string): Promise<DesiredRow[]> =>
  reader.all(
    DesiredRow,
    `SELECT d.*, m.model, m.version FROM desired d LEFT JOIN manifests m ON m.digest = d.manifest
     WHERE d.device = ? ORDER BY d.deployment, d.role`,
    [device],
  )

/** The model that is wanted in a deployment of the device. */
export async function modelWanted(
  reader: Reader,
  device: string,
  deployment: string,
  role: WishRole = 'primary',
): Promise<string | undefined> {
  const row = await reader.first(
    z.object({ model: z.string() }),
    `SELECT m.model FROM desired d JOIN manifests m ON m.digest = d.manifest
     WHERE d.device = ? AND d.deployment = ? AND d.role = ?`,
    [device, deployment, role],
  )
  return row?.model
}

/** Asks the device to try once more what it gave up. @returns the new attempt; undefined where nothing is wanted there */
export function retryWish(
  database: Database,
  { device, deployment, role = 'primary', by }: Pick<Wish, 'device' | 'deployment' | 'role' | 'by'>,
  nowMs: number,
  requestId?: string,
): Promise<number | undefined> {
  return database.exclusively(async (tx) => {
    const row = await tx.first(
      z.object({ manifest: Digest, sample: z.number().nullable(), tried: z.number().int() }),
      `SELECT d.manifest, d.sample, max(d.attempt, coalesce(r.attempt, 0)) AS tried
       FROM desired d LEFT JOIN device_deployments r USING (device, deployment, manifest)
       WHERE d.device = ? AND d.deployment = ? AND d.role = ?`,
      [device, deployment, role],
    )
    if (row === undefined) return undefined
    const attempt = row.tried + 1
    const after = { deployment, role, manifest: row.manifest, attempt }
    const wish = { device, deployment, role, manifest: row.manifest, attempt, by }
    const change = { actor: by, action: 'device.retry', subject: `device:${device}`, after, requestId }
    await tx.write([
      ...desireStatements([row.sample === null ? wish : { ...wish, sample: row.sample }], nowMs),
      forgetFailures(device),
      ...(await auditStatements(tx, nowMs, [change])),
    ])
    return attempt
  })
}

/** From now on devices may install no version of the model whose counter is below. A floor only rises; every device that
 *  is to run the model gets a new generation, for the floor is part of what is signed.
 *  Rows affected of the second: the devices whose generation rose. */
export const floorStatements = (model: string, counter: number, by: string, nowMs: number): [Statement, Statement] => [
  {
    sql: `INSERT INTO counter_floors (model, counter, changed_by, changed_at) VALUES (?, ?, ?, ?)
          ON CONFLICT (model) DO UPDATE SET counter = excluded.counter, changed_by = excluded.changed_by,
            changed_at = excluded.changed_at WHERE excluded.counter > counter`,
    args: [model, counter, by, nowMs],
  },
  {
    sql: `UPDATE devices SET generation = generation + 1 WHERE changes() > 0 AND revoked_at IS NULL AND id IN
            (SELECT d.device FROM desired d JOIN manifests m ON m.digest = d.manifest WHERE m.model = ?)`,
    args: [model],
  },
]

const WholeWish = z.object({
  generation: z.number().int(),
  root_version: z.number().int().nullable(),
  deployments: jsonColumn(z.array(Assignment.shape.deployments.element)),
  floors: jsonColumn(z.record(z.string(), z.number().int())),
})
export type WholeWish = z.infer<typeof WholeWish>

/** All that is wanted of a device, read in one statement: a generation must never be read with the deployments of the
 *  one before. Undefined where the device is revoked or unknown. */
export const wholeWish = (reader: Reader, device: string): Promise<WholeWish | undefined> =>
  reader.first(
    WholeWish,
    `SELECT generation, root_version,
       (SELECT json_group_array(json_patch(
          json_object('deployment', deployment, 'manifest', manifest, 'attempt', attempt),
          iif(role = 'shadow', json_object('role', role, 'sample', sample), '{}')))
        FROM (SELECT * FROM desired WHERE device = v.id ORDER BY deployment, role)) AS deployments,
       (SELECT json_group_object(f.model, f.counter) FROM counter_floors f WHERE f.model IN
         (SELECT m.model FROM desired d JOIN manifests m ON m.digest = d.manifest WHERE d.device = v.id)) AS floors
     FROM devices v WHERE id = ? AND revoked_at IS NULL`,
    [device],
  )

/** Whether the blob belongs to a bundle that is wanted on the device, or makes a file of such a bundle. */
export async function mayReadBlob(hub: { database: Reader }, device: string, blob: string): Promise<boolean> {
  const row = await hub.database.first(
    z.object({ one: z.literal(1) }),
    `SELECT 1 AS one FROM manifest_files f
     JOIN desired d ON d.manifest = f.manifest AND d.device = ?1
     JOIN devices v ON v.id = d.device AND v.revoked_at IS NULL
     WHERE f.sha256 IN (SELECT ?2 UNION ALL SELECT target FROM deltas WHERE patch = ?2) LIMIT 1`,
    [device, blob],
  )
  return row !== undefined
}
