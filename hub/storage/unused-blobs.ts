// Blobs that nothing names any more: of runs whose files were removed, of snapshots that were deleted, of registrations
// that were refused half way. They go a day after they came, so that what is about to be named has long been.

import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Hub } from '../hub.ts'
import type { Reader } from './database.ts'

/** No registration takes nearly as long from its first file to its row. */
const graceMs = 86_400_000
const sweepEveryMs = 86_400_000
/** Digests looked up by one query. */
const atOnceMax = 500

/** Removes them at start and once a day, until the hub stops. */
export async function removeUnusedForever(hub: Hub): Promise<void> {
  while (!hub.stopping.aborted) {
    try {
      const removed = await removeUnused(hub, graceMs)
      if (removed > 0) hub.log.info({ removed }, 'blobs that nothing names were removed')
    } catch (error) {
      hub.log.error({ err: error }, 'unused blobs could not be removed; trying again tomorrow')
    }
    await delay(sweepEveryMs, undefined, { signal: hub.stopping, ref: false }).catch((error: unknown) => {
      if (!hub.stopping.aborted) throw error
    })
  }
}

/** Removes the blobs that nothing names and that came more than `olderThanMs` ago. @returns how many */
export async function removeUnused(
  { database, blobs, clock, stopping }: Pick<Hub, 'database' | 'blobs' | 'clock' | 'stopping'>,
  olderThanMs: number,
): Promise<number> {
  const beforeMs = clock() - olderThanMs
  let removed = 0
  const sweep = async (digests: readonly string[]) => {
    const named = await namedOf(database, digests)
    for (const digest of digests) if (!named.has(digest) && blobs.removeOld(digest, beforeMs)) removed += 1
  }
  let batch: string[] = []
  for await (const digest of blobs.old(beforeMs)) {
    if (stopping.aborted) return removed
    batch.push(digest)
    if (batch.length < atOnceMax) continue
    await sweep(batch)
    batch = []
  }
  await sweep(batch)
  return removed
}

/** Removes one blob at once, unless something names it. */
export async function removeIfUnused(
  { database, blobs }: Pick<Hub, 'database' | 'blobs'>,
  sha256: string,
): Promise<void> {
  const named = await namedOf(database, [sha256])
  if (!named.has(sha256)) blobs.removeOld(sha256, Number.POSITIVE_INFINITY)
}

/** Every table that names blobs. Versions that were deleted still do: they can be restored. */
const naming = [
  'SELECT sha256 FROM manifest_files',
  'SELECT sha256 FROM artifacts',
  'SELECT digest FROM dataset_snapshots',
  'SELECT patch FROM deltas WHERE patch IS NOT NULL',
  'SELECT digest FROM uploads WHERE digest IS NOT NULL',
]

async function namedOf(reader: Reader, digests: readonly string[]): Promise<Set<string>> {
  if (digests.length === 0) return new Set()
  const rows = await reader.all(
    z.object({ digest: z.string() }),
    `SELECT value AS digest FROM json_each(?) WHERE ${naming.map((from) => `value IN (${from})`).join(' OR ')}`,
    [JSON.stringify(digests)],
  )
  return new Set(rows.map(({ digest }) => digest))
}
