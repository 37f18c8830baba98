// What is changed about datasets after they came: description, tags, and whether a snapshot is there at all.

import { z } from '@hono/zod-openapi'
import { assertUnchanged, type IfMatch } from '../etag.ts'
import { auditStatements, type Change } from '../governance/audit.ts'
import { notFound, Problem } from '../problem.ts'
import type { Database } from '../storage/database.ts'
import { findDataset, findNumbered } from './snapshots.ts'
import { usesOf } from './uses.ts'

export const descriptionMax = 10_000
const tagsMax = 64

export const Edit = z.strictObject({
  description: z.string().max(descriptionMax).optional(),
  /** Merged into those there are; null takes one away. */
  tags: z
    .record(z.string().min(1).max(100), z.string().max(1_000).nullable())
    .refine((tags) => Object.keys(tags).length <= tagsMax, `at most ${tagsMax} tags`)
    .optional(),
})
export type Edit = z.infer<typeof Edit>
type By = Pick<Change, 'actor' | 'requestId'>
type IfMatchHeader = z.infer<typeof IfMatch>['if-match']

/** @throws Problem not-found, changed, too-many-tags */
export function editDataset(
  database: Database,
  nowMs: number,
  by: By,
  name: string,
  edit: Edit,
  ifMatch: IfMatchHeader,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await findDataset(tx, name)
    if (row === undefined) throw notFound('dataset', name)
    assertUnchanged(row, ifMatch)
    const { before, after } = edited(row, edit)
    await tx.write([
      {
        sql: 'UPDATE datasets SET description = ?, tags = ?, revision = revision + 1 WHERE name = ?',
        args: [after.description, JSON.stringify(after.tags), name],
      },
      ...(await auditStatements(tx, nowMs, [
        { ...by, action: 'dataset.edit', subject: `dataset:${name}`, before, after },
      ])),
    ])
  })
}

/** @throws Problem not-found, changed, too-many-tags */
export function editSnapshot(
  database: Database,
  nowMs: number,
  by: By,
  dataset: string,
  version: number,
  edit: Edit,
  ifMatch: IfMatchHeader,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await findNumbered(tx, dataset, version)
    if (row === undefined) throw notFound('snapshot', `${dataset}/${version}`)
    assertUnchanged(row, ifMatch)
    const { before, after } = edited(row, edit)
    await tx.write([
      {
        sql: `UPDATE dataset_snapshots SET description = ?, tags = ?, revision = revision + 1
          WHERE dataset = ? AND version = ?`,
        args: [after.description, JSON.stringify(after.tags), dataset, version],
      },
      ...(await auditStatements(tx, nowMs, [
        { ...by, action: 'snapshot.edit', subject: `dataset:${row.digest}`, before, after },
      ])),
    ])
  })
}

/** Takes a snapshot off its dataset. Its number is not given again; its bytes stay, since others may have them too.
 *  @throws Problem not-found, changed, in-use */
export function deleteSnapshot(
  database: Database,
  nowMs: number,
  by: By,
  dataset: string,
  version: number,
  ifMatch: IfMatchHeader,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await findNumbered(tx, dataset, version)
    if (row === undefined) throw notFound('snapshot', `${dataset}/${version}`)
    assertUnchanged(row, ifMatch)
    const uses = await usesOf(tx, row)
    if (uses.length > 0) {
      const listed = uses.map(({ kind, name }) => `${kind} ${name}`).join(', ')
      throw new Problem(409, 'in-use', 'Still used', `${dataset}/${version} is used by ${listed}`, {
        members: { uses },
      })
    }
    const { digest, format, rows } = row
    await tx.write([
      { sql: 'DELETE FROM dataset_snapshots WHERE dataset = ? AND version = ?', args: [dataset, version] },
      ...(await auditStatements(tx, nowMs, [
        { ...by, action: 'snapshot.delete', subject: `dataset:${digest}`, before: { dataset, version, format, rows } },
      ])),
    ])
  })
}

/** Takes away the name; what it was called may be used again.
 *  @throws Problem not-found, changed, in-use while it has snapshots */
export function deleteDataset(
  database: Database,
  nowMs: number,
  by: By,
  name: string,
  ifMatch: IfMatchHeader,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await findDataset(tx, name)
    if (row === undefined) throw notFound('dataset', name)
    assertUnchanged(row, ifMatch)
    if (row.snapshots > 0) {
      throw new Problem(409, 'in-use', 'Still used', `${name} has ${row.snapshots} snapshots: delete them first`)
    }
    const { description, tags } = row
    await tx.write([
      { sql: 'DELETE FROM datasets WHERE name = ?', args: [name] },
      ...(await auditStatements(tx, nowMs, [
        { ...by, action: 'dataset.delete', subject: `dataset:${name}`, before: { description, tags } },
      ])),
    ])
  })
}

type Described = { description: string; tags: Record<string, string> }

function edited(row: Described, edit: Edit): { before: Described; after: Described } {
  const tags = new Map(Object.entries(row.tags))
  for (const [key, value] of Object.entries(edit.tags ?? {})) {
    if (value === null) tags.delete(key)
    else tags.set(key, value)
  }
  if (tags.size > tagsMax) {
    throw new Problem(422, 'too-many-tags', 'Too many tags', `there may be ${tagsMax} tags`, { field: 'tags' })
  }
  const { description } = row
  return {
    before: { description, tags: row.tags },
    after: { description: edit.description ?? description, tags: Object.fromEntries(tags) },
  }
}
