// Devices in the database: who they are, whether their secret is right, their labels, and their end.
// A device is never deleted: its name stays taken, so that nobody can come back under it.

import { createHash, timingSafeEqual } from 'node:crypto'
import { DeviceId } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub, Random } from '../hub.ts'
import { BooleanColumn, BytesColumn, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { Labels, matches, type Query } from './labels.ts'
import { passwordHash } from './mosquitto/password.ts'

const Time = z.number().int().nullable()

export const DeviceRow = z.object({
  id: DeviceId,
  labels: jsonColumn(Labels),
  profile: z.string(),
  claim: z.string(),
  enrolled_at: z.number().int(),
  revoked_at: Time,
  generation: z.number().int(),
  revision: z.number().int(),
  hello_at: Time,
  agent: z.string().nullable(),
  root_version: z.number().int().nullable(),
  reported_generation: z.number().int().nullable(),
  stale: BooleanColumn.nullable(),
  last_seen_at: Time,
  /** Failed too often of late: rollouts leave it alone until then. */
  aside_until: Time,
})
export type DeviceRow = z.infer<typeof DeviceRow>

const columns = [
  ...Object.keys(DeviceRow.shape).filter((name) => name !== 'aside_until'),
  '(SELECT aside_until FROM device_failures WHERE device = devices.id) AS aside_until',
].join(', ')

export function findDevice(reader: Reader, device: string): Promise<DeviceRow | undefined> {
  return reader.first(DeviceRow, `SELECT ${columns} FROM devices WHERE id = ?`, [device])
}

/** In order of id, from after `after`; with a query only those it holds for, and `holds`. Revoked ones only when asked for. */
export async function listDevices(
  reader: Reader,
  filter: { query: Query; revoked: boolean; holds?: (row: DeviceRow) => boolean },
  after: string,
  limit: number,
): Promise<DeviceRow[]> {
  const found: DeviceRow[] = []
  // where every one of them holds, no more is read than is wanted
  const rowsAtOnce =
    filter.query.kind === 'all' && filter.holds === undefined ? Math.min(limit, rowsPerRead) : rowsPerRead
  for (let from = after; ; ) {
    const rows = await reader.all(
      DeviceRow,
      `SELECT ${columns} FROM devices WHERE id > ? AND (revoked_at IS NULL OR ?) ORDER BY id LIMIT ?`,
      [from, filter.revoked, rowsAtOnce],
    )
    const holding = rows.filter((row) => matches(filter.query, row) && (filter.holds?.(row) ?? true))
    found.push(...holding.slice(0, limit - found.length))
    const last = rows.at(-1)
    if (found.length === limit || rows.length < rowsAtOnce || last === undefined) return found
    from = last.id
  }
}

/** These, in this order; those that are gone are left out. */
export async function devicesById(reader: Reader, ids: readonly string[]): Promise<DeviceRow[]> {
  const rows = await reader.all(
    DeviceRow,
    `SELECT ${columns} FROM devices WHERE id IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(ids)],
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => byId.get(id) ?? [])
}

/** Devices evaluated against a query in one go; others get a turn in between. */
const rowsPerRead = 1_000

/** Everyone the query holds for who is not revoked: the members of a group. */
export const devicesMatching = (reader: Reader, query: Query): Promise<DeviceRow[]> =>
  listDevices(reader, { query, revoked: false }, '', Number.POSITIVE_INFINITY)

/** Sets the labels if the device still has `revision`. Rows affected 0: it has another, or is gone. */
export const setLabels = (device: string, labels: Labels, revision: number): Statement => ({
  sql: `UPDATE devices SET labels = ?, revision = revision + 1
        WHERE id = ? AND revoked_at IS NULL AND revision = ?`,
  args: [JSON.stringify(labels), device, revision],
})

/** From here on no secret of the device is right and nothing can be wanted of it. Rows affected 0: it is revoked already, or unknown. */
export const revokeDevice = (device: string, nowMs: number): Statement => ({
  sql: 'UPDATE devices SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL',
  args: [nowMs, device],
})

/** 256 random bits. */
export const makeSecret = (random: Random): string => Buffer.from(random(32)).toString('base64url')
export const hashSecret = (secret: string): Uint8Array => createHash('sha256').update(secret).digest()

const Secrets = z.object({ secret_sha256: BytesColumn, next_secret_sha256: BytesColumn.nullable() })

/** Whether the secret is the device's and the device is not revoked. The first use of a rotated secret ends the old one. */
export async function authenticateDevice(hub: Pick<Hub, 'database'>, device: string, secret: string): Promise<boolean> {
  const row = await hub.database.first(
    Secrets,
    'SELECT secret_sha256, next_secret_sha256 FROM devices WHERE id = ? AND revoked_at IS NULL',
    [device],
  )
  const hash = hashSecret(secret)
  // The same work whether there is such a device and such a secret or not.
  const isCurrent = timingSafeEqual(hash, row?.secret_sha256 ?? nobodysHash) && row !== undefined
  const next = row?.next_secret_sha256 ?? undefined
  const isNext = timingSafeEqual(hash, next ?? nobodysHash) && next !== undefined
  if (!isNext) return isCurrent
  const [taken] = await hub.database.write([
    {
      sql: `UPDATE devices SET secret_sha256 = next_secret_sha256, next_secret_sha256 = NULL,
              broker_password = next_broker_password, next_broker_password = NULL
            WHERE id = ? AND next_secret_sha256 = ? AND revoked_at IS NULL`,
      args: [device, hash],
    },
  ])
  // Where another connection took it a moment before, it is the current one by now.
  return taken === 1 || isCurrent || authenticateDevice(hub, device, secret)
}

/** Not the hash of anything anybody knows. */
const nobodysHash = new Uint8Array(32)

/** Makes the device's next secret. The present one stays right until the next one is used for the first time, so that
 *  an answer that is lost locks nobody out: the device asks again and the one that was lost is never right.
 *  @returns undefined where the device is revoked or unknown */
export async function rotateSecret(
  hub: Pick<Hub, 'database' | 'random' | 'clock'>,
  device: string,
  requestId?: string,
): Promise<string | undefined> {
  const secret = makeSecret(hub.random)
  const own = `device:${device}`
  const change = { actor: own, action: 'device.rotate-secret', subject: own, requestId }
  const [changed] = await writeAuditedIfChanged(hub.database, hub.clock(), change, [
    {
      sql: `UPDATE devices SET next_secret_sha256 = ?, next_broker_password = ?
            WHERE id = ? AND revoked_at IS NULL`,
      args: [hashSecret(secret), passwordHash(secret, hub.random), device],
    },
  ])
  return changed === 1 ? secret : undefined
}
