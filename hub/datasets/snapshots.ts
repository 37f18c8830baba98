// Datasets and snapshots in the database: finding them. What changes them is in changes.ts.

import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { notFound } from '../problem.ts'
import { jsonColumn, type Reader } from '../storage/database.ts'
import { ColumnSummary } from './summary.ts'
import { formats } from './table.ts'

export const Tags = z.record(z.string(), z.string())

const SnapshotRow = z
  .object({
    dataset: z.string(),
    version: z.number(),
    digest: z.string(),
    format: z.enum(formats),
    size_bytes: z.number(),
    row_count: z.number(),
    columns: jsonColumn(z.array(ColumnSummary)),
    description: z.string(),
    tags: jsonColumn(Tags),
    revision: z.number(),
    created_by: z.string(),
    created_at: z.number(),
  })
  .transform(({ size_bytes, row_count, created_by, created_at, ...row }) => ({
    ...row,
    sizeBytes: size_bytes,
    rows: row_count,
    createdBy: created_by,
    createdAt: created_at,
  }))
export type Snapshot = z.output<typeof SnapshotRow>

const columns = `dataset, version, digest, format, size_bytes, row_count, columns, description, tags, revision,
  created_by, created_at`

const NumberedSnapshot = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/[1-9]\d{0,8}$/, 'call a snapshot by its digest, or as name/version')

/** How a request names a snapshot: its digest, or `name/version`. */
export const SnapshotReference = z.union(
  [Digest, NumberedSnapshot],
  'call a snapshot by its digest, or as name/version',
)

/** The snapshot of that digest (where several datasets have it, the one that came first) or of that `name/version`. */
export async function findSnapshot(reader: Reader, reference: string): Promise<Snapshot | undefined> {
  if (Digest.safeParse(reference).success) {
    return reader.first(
      SnapshotRow,
      `SELECT ${columns} FROM dataset_snapshots WHERE digest = ? ORDER BY created_at, dataset LIMIT 1`,
      [reference],
    )
  }
  if (!SnapshotReference.safeParse(reference).success) return undefined
  const [dataset = '', version = ''] = reference.split('/')
  return findNumbered(reader, dataset, Number(version))
}

/** @throws Problem not-found */
export async function needSnapshot(reader: Reader, reference: string): Promise<Snapshot> {
  const snapshot = await findSnapshot(reader, reference)
  if (snapshot === undefined) throw notFound('snapshot', reference)
  return snapshot
}

export function findNumbered(reader: Reader, dataset: string, version: number): Promise<Snapshot | undefined> {
  return reader.first(SnapshotRow, `SELECT ${columns} FROM dataset_snapshots WHERE dataset = ? AND version = ?`, [
    dataset,
    version,
  ])
}

/** The snapshot of `dataset` that has these bytes. */
export function findSnapshotOf(reader: Reader, dataset: string, digest: string): Promise<Snapshot | undefined> {
  return reader.first(SnapshotRow, `SELECT ${columns} FROM dataset_snapshots WHERE dataset = ? AND digest = ?`, [
    dataset,
    digest,
  ])
}

/** Newest first, those below `before`. */
export function listSnapshots(reader: Reader, dataset: string, before: number, limit: number): Promise<Snapshot[]> {
  return reader.all(
    SnapshotRow,
    `SELECT ${columns} FROM dataset_snapshots WHERE dataset = ? AND version < ? ORDER BY version DESC LIMIT ?`,
    [dataset, before, limit],
  )
}

const DatasetRow = z
  .object({
    name: z.string(),
    description: z.string(),
    tags: jsonColumn(Tags),
    last_version: z.number(),
    revision: z.number(),
    created_by: z.string(),
    created_at: z.number(),
    /** Snapshots that are there. */
    snapshots: z.number(),
    latest: z.number().nullable(),
  })
  .transform(({ last_version, created_by, created_at, ...row }) => ({
    ...row,
    lastVersion: last_version,
    createdBy: created_by,
    createdAt: created_at,
  }))
export type Dataset = z.output<typeof DatasetRow>

const datasets = `SELECT name, description, tags, last_version, revision, created_by, created_at,
  (SELECT count(*) FROM dataset_snapshots WHERE dataset = name) AS snapshots,
  (SELECT max(version) FROM dataset_snapshots WHERE dataset = name) AS latest FROM datasets`

export function findDataset(reader: Reader, name: string): Promise<Dataset | undefined> {
  return reader.first(DatasetRow, `${datasets} WHERE name = ?`, [name])
}

/** By name, those after `after`. */
export function listDatasets(reader: Reader, after: string, limit: number): Promise<Dataset[]> {
  return reader.all(DatasetRow, `${datasets} WHERE name > ? ORDER BY name LIMIT ?`, [after, limit])
}
