// A snapshot arrives: its bytes are streamed to disk, read in a process of its own, and only then there. The same bytes
// again are the snapshot that is there already.

import { auditStatements, type Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { BlobError, type StagedBlob } from '../storage/blobs.ts'
import type { Reader, Writer } from '../storage/database.ts'
import { readInProcess } from './reader-process.ts'
import { findDataset, findNumbered, findSnapshotOf, type Snapshot } from './snapshots.ts'
import type { ColumnSummary } from './summary.ts'
import type { Format } from './table.ts'

type Source = Pick<StagedBlob, 'sha256' | 'sizeBytes' | 'path' | 'keep'>
export type Arrival = {
  dataset: string
  format: Format
  description: string
  /** Who brings it, under which request. */
  by: Pick<Change, 'actor' | 'requestId'>
}

/** Streams that may be arriving at once. */
export const arrivalsMax = 8
let arriving = 0

/** Takes in a snapshot that is streamed.
 *  @throws Problem too-large, empty, overloaded, and as takeSnapshot */
export async function receiveSnapshot(
  hub: Hub,
  arrival: Arrival,
  body: AsyncIterable<Uint8Array> | null,
): Promise<{ snapshot: Snapshot; isNew: boolean }> {
  const bytesMax = hub.config.uploadBytesMax
  if (arriving >= arrivalsMax) {
    throw new Problem(503, 'overloaded', 'Try again later', `${arrivalsMax} snapshots are arriving already`, {
      headers: { 'retry-after': '5' },
    })
  }
  arriving += 1
  try {
    await using staged = await hub.blobs.stage(body ?? [], { bytesMax })
    if (staged.sizeBytes === 0) {
      throw new Problem(
        422,
        'invalid-dataset',
        'The dataset cannot be read',
        'the body is empty: send the file as body',
      )
    }
    return await takeSnapshot(hub, arrival, staged)
  } catch (error) {
    if (!(error instanceof BlobError) || error.code !== 'too-large') throw error
    throw new Problem(413, 'too-large', 'Too large', `a snapshot may have ${bytesMax} bytes; it was cut there`)
  } finally {
    arriving -= 1
  }
}

/** Takes in a snapshot that is a blob already.
 *  @throws Problem as takeSnapshot */
export async function adoptSnapshot(
  hub: Hub,
  arrival: Arrival,
  sha256: string,
): Promise<{ snapshot: Snapshot; isNew: boolean }> {
  const sizeBytes = await hub.blobs.sizeBytes(sha256)
  return takeSnapshot(hub, arrival, {
    sha256,
    sizeBytes,
    path: hub.blobs.pathOf(sha256),
    keep: () => Promise.resolve(),
  })
}

/** Takes in a snapshot whose bytes are here.
 *  @throws Problem invalid-dataset, dataset-too-large, overloaded */
export async function takeSnapshot(
  hub: Hub,
  arrival: Arrival,
  source: Source,
): Promise<{ snapshot: Snapshot; isNew: boolean }> {
  const known = await findSnapshotOf(hub.database, arrival.dataset, source.sha256)
  if (known !== undefined) return { snapshot: known, isNew: false }
  const { rows, columns } = await readInProcess(
    { kind: 'describe', path: source.path, format: arrival.format },
    'described',
  )
  await source.keep()
  return hub.database.exclusively((tx) => insertSnapshot(tx, hub.clock(), arrival, { ...source, rows, columns }))
}

type Described = Pick<Source, 'sha256' | 'sizeBytes'> & { rows: number; columns: ColumnSummary[] }

async function insertSnapshot(
  tx: Reader & Writer,
  nowMs: number,
  { dataset, format, description, by }: Arrival,
  { sha256, sizeBytes, rows, columns }: Described,
): Promise<{ snapshot: Snapshot; isNew: boolean }> {
  const meanwhile = await findSnapshotOf(tx, dataset, sha256)
  if (meanwhile !== undefined) return { snapshot: meanwhile, isNew: false }
  const version = ((await findDataset(tx, dataset))?.lastVersion ?? 0) + 1
  const after = { dataset, version, format, sizeBytes, rows }
  await tx.write([
    {
      sql: `INSERT INTO datasets (name, last_version, created_by, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET last_version = excluded.last_version`,
      args: [dataset, version, by.actor, nowMs],
    },
    {
      sql: `INSERT INTO dataset_snapshots
        (dataset, version, digest, format, size_bytes, row_count, columns, description, created_by, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [dataset, version, sha256, format, sizeBytes, rows, JSON.stringify(columns), description, by.actor, nowMs],
    },
    ...(await auditStatements(tx, nowMs, [{ ...by, action: 'dataset.snapshot', subject: `dataset:${sha256}`, after }])),
  ])
  const snapshot = await findNumbered(tx, dataset, version)
  if (snapshot === undefined) throw new Error(`${dataset}/${version} was written and is not there`)
  return { snapshot, isNew: true }
}
