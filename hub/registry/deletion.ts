// Deletion hides, it does not destroy: a device may still have the version, and what was decided about it stays known.
// Refused while a device or a rollout uses it; numbers are never given out again.

import { z } from 'zod'
import { auditStatements } from '../governance/audit.ts'
import { notFound, Problem } from '../problem.ts'
import { assertDeletable } from '../promotion/guards.ts'
import type { Database, Reader } from '../storage/database.ts'
import { type Asker, needModel, needVersion } from './edit.ts'
import { findModel, findVersion } from './store.ts'

/** Names of each kind that are told; `count` says of how many. */
const namedMax = 20

/** Hides a version; aliases that point at it go.
 *  @throws Problem not-found, in-use, promotion-policy */
export function deleteVersion(
  database: Database,
  model: string,
  version: number,
  nowMs: number,
  asker: Asker,
  isGranted?: (model: string) => boolean,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await needVersion(tx, model, version)
    await assertUnused(tx, model, version, isGranted)
    await assertDeletable(tx, row)
    const before = { stage: row.stage, aliases: row.aliases }
    const change = { ...asker, action: 'version.delete', subject: `version:${model}/${version}`, before }
    await tx.write([
      {
        sql: `UPDATE versions SET deleted_at = ?, changed_at = ?, revision = revision + 1
          WHERE model = ? AND version = ?`,
        args: [nowMs, nowMs, model, version],
      },
      { sql: 'DELETE FROM aliases WHERE model = ? AND version = ?', args: [model, version] },
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** @throws Problem not-found where no such version is deleted */
export function restoreVersion(
  database: Database,
  model: string,
  version: number,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    if ((await findVersion(tx, model, version, true)) === undefined) {
      throw notFound('deleted version', `${model}/${version}`)
    }
    const change = { ...asker, action: 'version.restore', subject: `version:${model}/${version}` }
    await tx.write([
      {
        sql: `UPDATE versions SET deleted_at = NULL, changed_at = ?, revision = revision + 1
          WHERE model = ? AND version = ?`,
        args: [nowMs, model, version],
      },
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** Hides a model with all its versions; they come back with it as they were.
 *  @throws Problem not-found, in-use */
export function deleteModel(
  database: Database,
  model: string,
  nowMs: number,
  asker: Asker,
  isGranted?: (model: string) => boolean,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const { last_version } = await needModel(tx, model)
    await assertUnused(tx, model, undefined, isGranted)
    const change = { ...asker, action: 'model.delete', subject: `model:${model}`, before: { latest: last_version } }
    await tx.write([
      {
        sql: 'UPDATE models SET deleted_at = ?, changed_at = ?, revision = revision + 1 WHERE name = ?',
        args: [nowMs, nowMs, model],
      },
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** @throws Problem not-found where no such model is deleted */
export function restoreModel(database: Database, model: string, nowMs: number, asker: Asker): Promise<void> {
  return database.exclusively(async (tx) => {
    if ((await findModel(tx, model, true)) === undefined) throw notFound('deleted model', model)
    const change = { ...asker, action: 'model.restore', subject: `model:${model}` }
    await tx.write([
      {
        sql: 'UPDATE models SET deleted_at = NULL, changed_at = ?, revision = revision + 1 WHERE name = ?',
        args: [nowMs, model],
      },
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

const Named = z.object({ name: z.string() })
const NamedRollout = Named.extend({ model: z.string() })

/** In use: wanted of a device, serving on one, or that to which or from which a rollout still moves devices.
 *  `version` undefined: any of the model. Rollouts of models that the asker may not see are counted, not named.
 *  @throws Problem in-use, naming who uses it */
async function assertUnused(
  tx: Reader,
  model: string,
  version: number | undefined,
  isGranted: (model: string) => boolean = () => true,
): Promise<void> {
  const ours = 'SELECT digest FROM manifests WHERE model = ? AND (? IS NULL OR version = ?)'
  const one = [model, version ?? null, version ?? null]
  const devices = await tx.all(
    Named,
    `SELECT id AS name FROM devices WHERE revoked_at IS NULL AND id IN (
        SELECT device FROM desired WHERE manifest IN (${ours})
        UNION SELECT device FROM device_deployments WHERE running = 1 AND manifest IN (${ours})) ORDER BY id`,
    [...one, ...one],
  )
  const rollouts = await tx.all(
    NamedRollout,
    `SELECT id AS name, model FROM rollouts WHERE id IN (
        SELECT rollout FROM rollout_devices WHERE active = 1 AND (target IN (${ours}) OR previous IN (${ours}))) ORDER BY id`,
    [...one, ...one],
  )
  if (devices.length === 0 && rollouts.length === 0) return
  const seen = rollouts.filter((rollout) => isGranted(rollout.model))
  const users = [
    ...(devices.length > 0 ? [`${devices.length} devices (${listed(devices)})`] : []),
    ...(rollouts.length > 0 ? [`${rollouts.length} rollouts${seen.length > 0 ? ` (${listed(seen)})` : ''}`] : []),
  ]
  const what = version === undefined ? model : `version ${version} of ${model}`
  throw new Problem(409, 'in-use', 'It is in use', `${what} is used by ${users.join(' and ')}`, {
    members: {
      devices: { count: devices.length, names: named(devices) },
      rollouts: { count: rollouts.length, names: named(seen) },
    },
  })
}

type NamedRow = z.infer<typeof Named>
const named = (rows: readonly NamedRow[]): string[] => rows.slice(0, namedMax).map(({ name }) => name)
const listed = (rows: readonly NamedRow[]): string =>
  rows.length <= namedMax ? named(rows).join(', ') : `${named(rows).join(', ')}, …`
