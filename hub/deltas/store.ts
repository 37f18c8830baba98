// The patches the hub has, or knows that it will not have, by the pair of files they lead from and to.

import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import type { Database, Reader, Statement } from '../storage/database.ts'
import type { Pair } from './make.ts'

const dayMs = 86_400_000
/** A patch that nobody was offered for so long goes, and is made anew when somebody needs it. */
export const keptForMs = 30 * dayMs

/** One step of a device from a manifest it runs to one that is wanted in its place. */
export type Step = { from: Digest; to: Digest }

const PairRow = z.object({
  base: Digest,
  base_bytes: z.number().int(),
  target: Digest,
  target_bytes: z.number().int(),
  known: z.number().int().nullable(),
  patch: Digest.nullable(),
  size_bytes: z.number().int().nullable(),
  chunks: z.string().nullable(),
  offered_at: z.number().int().nullable(),
})

/** `patch`: where there is one. `isKnown`: whether it was tried. */
export type KnownPair = Pair & { isKnown: boolean; patch: Patch | undefined; offeredAt: number }

/** The pairs of model files of these steps. What is sealed has none: no two seals resemble each other, nor do files that
 *  are so small that they go in one chunk. */
export async function pairsOf(reader: Reader, steps: readonly Step[]): Promise<KnownPair[]> {
  if (steps.length === 0) return []
  const rows = await reader.all(
    PairRow,
    `SELECT DISTINCT b.sha256 AS base, b.size_bytes AS base_bytes, t.sha256 AS target, t.size_bytes AS target_bytes,
            d.made_at AS known, d.patch, d.size_bytes, d.chunks, d.offered_at
     FROM json_each(?) s
     JOIN manifest_files b ON b.manifest = s.value ->> 'from' AND b.role = 'model'
     JOIN manifest_files t ON t.manifest = s.value ->> 'to' AND t.role = 'model' AND t.sha256 <> b.sha256
     LEFT JOIN deltas d ON d.base = b.sha256 AND d.target = t.sha256
     WHERE t.size_bytes > ${wholeBytesMax}
       AND NOT EXISTS (SELECT 1 FROM sealed_keys k WHERE k.manifest IN (b.manifest, t.manifest))`,
    [JSON.stringify(steps)],
  )
  return rows.map((row) => ({
    base: { sha256: row.base, sizeBytes: row.base_bytes },
    target: { sha256: row.target, sizeBytes: row.target_bytes },
    isKnown: row.known !== null,
    patch: patchOf(row),
    offeredAt: row.offered_at ?? 0,
  }))
}

/** A chunk: there is nothing to be saved. */
const wholeBytesMax = 65_536

function patchOf({ base, target, patch, size_bytes: sizeBytes, chunks }: z.infer<typeof PairRow>): Patch | undefined {
  if (patch === null || sizeBytes === null || chunks === null) return undefined
  return { from: base, to: target, blob: patch, sizeBytes, chunks }
}

/** From what serves in each deployment, by the device's latest word (of a hello or of its progress), to what is wanted. */
export async function stepsOf(
  reader: Reader,
  device: string,
  wanted: readonly { deployment: string; manifest: Digest }[],
): Promise<Step[]> {
  const rows = await reader.all(
    z.object({ deployment: z.string(), manifest: Digest }),
    'SELECT deployment, manifest FROM device_deployments WHERE device = ? AND running = 1',
    [device],
  )
  const running = new Map(rows.map(({ deployment, manifest }) => [deployment, manifest]))
  return wanted.flatMap(({ deployment, manifest: to }) => {
    const from = running.get(deployment)
    return from === undefined || from === to ? [] : [{ from, to }]
  })
}

/** The steps of a rollout's devices, as they were when it began. */
export const stepsOfRollout = (reader: Reader, rollout: string): Promise<Step[]> =>
  reader.all(
    z.object({ from: Digest, to: Digest }),
    `SELECT DISTINCT previous AS "from", target AS "to" FROM rollout_devices
     WHERE rollout = ? AND previous IS NOT NULL AND previous <> target LIMIT 1000`,
    [rollout],
  )

const shownMax = 200

/** The patches there are to the model's files of a version. */
export const patchesTo = (
  reader: Reader,
  model: string,
  version: number,
): Promise<{ variant: string; from: number; fromVariant: string; sizeBytes: number; wholeBytes: number }[]> =>
  reader.all(
    z.object({
      variant: z.string(),
      from: z.number().int(),
      fromVariant: z.string(),
      sizeBytes: z.number().int(),
      wholeBytes: z.number().int(),
    }),
    `SELECT t.variant, b.version AS "from", b.variant AS fromVariant, d.size_bytes AS sizeBytes,
            tf.size_bytes AS wholeBytes
     FROM manifests t JOIN manifest_files tf ON tf.manifest = t.digest AND tf.role = 'model'
     JOIN deltas d ON d.target = tf.sha256 AND d.patch IS NOT NULL
     JOIN manifest_files bf ON bf.sha256 = d.base AND bf.role = 'model'
     JOIN manifests b ON b.digest = bf.manifest AND b.model = t.model
     WHERE t.model = ? AND t.version = ? ORDER BY b.version DESC, t.counter, b.counter LIMIT ${shownMax}`,
    [model, version],
  )

/** `patch` undefined: there is none, for this reason. */
export async function keepDelta(
  database: Database,
  { base, target }: Pair,
  outcome: { patch: HashedBlob } | { patch?: undefined; reason: string },
  nowMs: number,
): Promise<void> {
  const { patch } = outcome
  const reason = patch === undefined ? outcome.reason : null
  const file = patch === undefined ? [null, null, null] : [patch.sha256, patch.sizeBytes, patch.chunks]
  await database.write([
    {
      sql: `INSERT INTO deltas (base, target, patch, size_bytes, chunks, reason, made_at, offered_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      args: [base.sha256, target.sha256, ...file, reason, nowMs, nowMs],
    },
  ])
}

/** Notes that it was offered, once a day: a wave of a thousand devices is one write. */
export function offeredStatements(pairs: readonly KnownPair[], nowMs: number): Statement[] {
  return pairs
    .filter(({ offeredAt }) => nowMs - offeredAt > dayMs)
    .map(({ base, target }) => ({
      sql: 'UPDATE deltas SET offered_at = ? WHERE base = ? AND target = ?',
      args: [nowMs, base.sha256, target.sha256],
    }))
}

/** Forgets patches that were not offered for long: nothing names their blobs then. */
export async function forgetUnused(database: Database, nowMs: number): Promise<void> {
  await database.write([{ sql: 'DELETE FROM deltas WHERE offered_at < ?', args: [nowMs - keptForMs] }])
}
