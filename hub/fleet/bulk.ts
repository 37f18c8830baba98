// One change of many devices: of those that were looked at, in one transaction, recorded once.

import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { desireStatements, type Wish } from './desired.ts'
import { mergeLabels } from './labels.ts'
import type { RosterRow } from './roster.ts'

/** Devices that one request may change. */
export const bulkMax = 20_000

/** What became of it. A device is changed, or left as it was for want of anything to do, or refused. */
export type BulkOutcome = {
  changed: string[]
  refused: { device: string; code: string; detail: string }[]
}

/** Sets and takes away labels (null). Refused: a device that would have too many. */
export async function labelMany(
  tx: Reader & Writer,
  rows: readonly RosterRow[],
  labels: Readonly<Record<string, string | null>>,
  nowMs: number,
  change: Change,
): Promise<BulkOutcome> {
  const merged = rows.map((row) => ({ row, result: mergeLabels(row.labels, labels) }))
  const refused = merged.flatMap(({ row, result }) =>
    result.ok ? [] : [{ device: row.id, code: 'too-many-labels', detail: result.detail }],
  )
  const changes = merged.flatMap(({ row, result }) => {
    const isSame = Object.entries(labels).every(([key, value]) => (row.labels[key] ?? null) === value)
    return result.ok && !isSame ? [{ row, labels: result.labels }] : []
  })
  const changed = changes.map(({ row }) => row.id)
  if (changed.length === 0) return { changed, refused }
  const before = Object.fromEntries(changes.map(({ row }) => [row.id, only(row.labels, Object.keys(labels))]))
  const recorded = { ...change, before, after: { labels, count: changed.length, devices: changed } }
  await tx.write([
    {
      sql: `UPDATE devices SET labels = given.labels, revision = revision + 1
            FROM (SELECT value ->> 0 AS id, value ->> 1 AS labels FROM json_each(?)) AS given
            WHERE devices.id = given.id AND revoked_at IS NULL`,
      args: [JSON.stringify(changes.map(({ row, labels }) => [row.id, JSON.stringify(labels)]))],
    },
    ...(await auditStatements(tx, nowMs, [recorded])),
  ])
  return { changed, refused }
}

const only = (labels: Readonly<Record<string, string>>, keys: readonly string[]) =>
  Object.fromEntries(keys.map((key) => [key, labels[key] ?? null]))

const GivenUp = z.object({
  device: z.string(),
  deployment: z.string(),
  role: z.enum(['primary', 'shadow']),
  manifest: Digest,
  sample: z.number().nullable(),
  tried: z.number().int(),
  model: z.string().nullable(),
})
type GivenUp = z.infer<typeof GivenUp>

/** Asks for one more attempt wherever a device gave up what is wanted of it, and takes those back in that were set aside.
 *  Refused: what is of a model that who asks may not touch. */
export async function retryMany(
  tx: Reader & Writer,
  rows: readonly RosterRow[],
  mayTouch: (model: string) => boolean,
  nowMs: number,
  change: Change,
): Promise<BulkOutcome> {
  const ids = JSON.stringify(rows.map(({ id }) => id))
  const given = await tx.all(
    GivenUp,
    `SELECT d.device, d.deployment, d.role, d.manifest, d.sample, max(d.attempt, r.attempt) AS tried, m.model
     FROM desired d JOIN device_deployments r USING (device, deployment, manifest)
     LEFT JOIN manifests m ON m.digest = d.manifest
     WHERE d.device IN (SELECT value FROM json_each(?)) AND r.attempt >= d.attempt
       AND r.state IN ('failed', 'rolled_back', 'rejected', 'timed_out')`,
    [ids],
  )
  const [mine, others] = [given.filter(isMine(mayTouch)), given.filter((row) => !isMine(mayTouch)(row))]
  const refused = others.map(({ device, model }) => ({
    device,
    code: 'model-not-granted',
    detail: `this token is not for model ${JSON.stringify(model)}`,
  }))
  const aside = rows.filter(({ aside_until }) => aside_until !== null && aside_until > nowMs).map(({ id }) => id)
  const changed = [...new Set([...mine.map(({ device }) => device), ...aside])]
  if (changed.length === 0) return { changed, refused }
  const after = { count: changed.length, attempts: mine.length, devices: changed }
  await tx.write([
    ...desireStatements(
      mine.map((row) => againOf(row, change.actor)),
      nowMs,
    ),
    forgetFailuresOf(changed),
    ...(await auditStatements(tx, nowMs, [{ ...change, after }])),
  ])
  return { changed, refused }
}

const isMine =
  (mayTouch: (model: string) => boolean) =>
  ({ model }: GivenUp): boolean =>
    model === null || mayTouch(model)

const againOf = ({ device, deployment, role, manifest, sample, tried }: GivenUp, by: string): Wish => ({
  device,
  deployment,
  role,
  manifest,
  attempt: tried + 1,
  by,
  ...(sample === null ? {} : { sample }),
})

const forgetFailuresOf = (devices: readonly string[]): Statement => ({
  sql: 'DELETE FROM device_failures WHERE device IN (SELECT value FROM json_each(?))',
  args: [JSON.stringify(devices)],
})
