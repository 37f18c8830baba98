// How datasets and snapshots are shown.

import { z } from '@hono/zod-openapi'
import { type Dataset, type Snapshot, Tags } from './snapshots.ts'
import { ColumnSummary } from './summary.ts'
import { formats } from './table.ts'

export const DatasetDocument = z
  .object({
    name: z.string(),
    description: z.string(),
    tags: Tags,
    /** How many there are, and the newest one's number; null where all were deleted. */
    snapshots: z.number().int(),
    latestVersion: z.number().int().nullable(),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
  })
  .openapi('Dataset')
export type DatasetDocument = z.infer<typeof DatasetDocument>

/** What is told of a column; the scale it is compared on is told by a comparison. */
const ColumnDocument = ColumnSummary.omit({ scale: true })

export const SnapshotDocument = z
  .object({
    dataset: z.string(),
    version: z.number().int(),
    digest: z.string(),
    format: z.enum(formats),
    sizeBytes: z.number().int(),
    rows: z.number().int(),
    columns: z.array(ColumnDocument),
    description: z.string(),
    tags: Tags,
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
  })
  .openapi('Snapshot')
export type SnapshotDocument = z.infer<typeof SnapshotDocument>

/** Without its columns, as lists show it. */
export const SnapshotSummary = SnapshotDocument.omit({ columns: true })
export type SnapshotSummary = z.infer<typeof SnapshotSummary>

export const showDataset = ({
  name,
  description,
  tags,
  snapshots,
  latest,
  createdBy,
  createdAt,
}: Dataset): DatasetDocument => ({
  name,
  description,
  tags,
  snapshots,
  latestVersion: latest,
  createdBy,
  createdAt: new Date(createdAt).toISOString(),
})

export function summariseSnapshot(snapshot: Snapshot): SnapshotSummary {
  const { dataset, version, digest, format, sizeBytes, rows, description, tags, createdBy, createdAt } = snapshot
  return {
    dataset,
    version,
    digest,
    format,
    sizeBytes,
    rows,
    description,
    tags,
    createdBy,
    createdAt: new Date(createdAt).toISOString(),
  }
}

export const showSnapshot = (snapshot: Snapshot): SnapshotDocument => ({
  ...summariseSnapshot(snapshot),
  columns: snapshot.columns.map(({ scale: _, ...column }) => column),
})
