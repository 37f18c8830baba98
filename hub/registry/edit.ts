// Changes of what is said about models and versions: descriptions, tags, stages, aliases. Each reads, checks and writes
// in one transaction, with its record in the audit log; asked for again it changes nothing.

import { z } from 'zod'
import { changedSince, etagOf } from '../etag.ts'
import { auditStatements, type Change } from '../governance/audit.ts'
import { notFound, Problem } from '../problem.ts'
import { assertAliasFree, assertMovedByHand } from '../promotion/guards.ts'
import type { Database, Reader, Statement } from '../storage/database.ts'
import { aliasesOf, removeAlias, setAlias } from './aliases.ts'
import { assertNotDeleted, insertModel, type NewModel } from './insert.ts'
import { type Stage, stageStatements } from './stages.ts'
import { findModel, findVersion, type ModelRow, type VersionRow } from './store.ts'
import { editedTags, setTags, type TagEdit, tagsMax } from './tags.ts'

/** Who asks, and under which request: what an audit record has beside what changed. */
export type Asker = Pick<Change, 'actor' | 'requestId'>
export type Edit = { description?: string | undefined; tags?: TagEdit | undefined }

/** @throws Problem model-exists, deleted */
export function createModel(database: Database, model: NewModel, nowMs: number, asker: Asker): Promise<void> {
  return database.exclusively(async (tx) => {
    await assertNotDeleted(tx, model.name)
    if ((await findModel(tx, model.name)) !== undefined) {
      throw new Problem(409, 'model-exists', 'There is such a model', `${model.name} is taken`, { field: 'name' })
    }
    const { description, tags } = model
    const change = { ...asker, action: 'model.create', subject: `model:${model.name}`, after: { description, tags } }
    await tx.write([...insertModel(model, nowMs), ...(await auditStatements(tx, nowMs, [change]))])
  })
}

/** `ifMatch`: the ETag of what the edit was made from, `*` for whatever is there.
 *  @throws Problem not-found, changed, too-many-tags */
export function editModel(
  database: Database,
  model: string,
  edit: Edit,
  ifMatch: string,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await needModel(tx, model)
    const change = prepared(row, edit, ifMatch, { ...asker, action: 'model.edit', subject: `model:${model}` })
    if (change === undefined) return
    await tx.write([
      {
        sql: 'UPDATE models SET description = ?, revision = revision + 1, changed_at = ? WHERE name = ?',
        args: [edit.description ?? row.description, nowMs, model],
      },
      ...setTags({ model }, edit.tags ?? {}),
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** As `editModel`.
 *  @throws Problem not-found, changed, too-many-tags */
export function editVersion(
  database: Database,
  model: string,
  version: number,
  edit: Edit,
  ifMatch: string,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await needVersion(tx, model, version)
    const subject = `version:${model}/${version}`
    const change = prepared(row, edit, ifMatch, { ...asker, action: 'version.edit', subject })
    if (change === undefined) return
    await tx.write([
      {
        sql: `UPDATE versions SET description = ?, revision = revision + 1, changed_at = ?
          WHERE model = ? AND version = ?`,
        args: [edit.description ?? row.description, nowMs, model, version],
      },
      ...setTags({ model, version }, edit.tags ?? {}),
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** Puts a version into a stage by hand; with `archivingOthers` those that are in that stage leave it at once.
 *  @throws Problem not-found, promotion-policy */
export function moveToStage(
  database: Database,
  model: string,
  version: number,
  stage: Stage,
  nowMs: number,
  asker: Asker,
  archivingOthers = false,
): Promise<void> {
  return database.exclusively(async (tx) => {
    const row = await needVersion(tx, model, version)
    const others = archivingOthers ? (await versionsIn(tx, model, stage)).filter((other) => other !== version) : []
    const moves = [
      ...(row.stage === stage ? [] : [{ version, from: row.stage, to: stage }]),
      ...others.map((other) => ({ version: other, from: stage, to: 'archived' as const })),
    ]
    if (moves.length === 0) return
    await assertMovedByHand(tx, model, version)
    const changes = moves.map(({ version, from, to }) => ({
      ...asker,
      action: 'version.stage',
      subject: `version:${model}/${version}`,
      before: { stage: from },
      after: { stage: to },
    }))
    await tx.write([
      ...moves.flatMap(({ version, to }) => stageStatements(model, version, to, nowMs)),
      ...(await auditStatements(tx, nowMs, changes)),
    ])
  })
}

async function versionsIn(tx: Reader, model: string, stage: Stage): Promise<number[]> {
  const rows = await tx.all(
    z.object({ version: z.number() }),
    'SELECT version FROM versions WHERE model = ? AND stage = ? AND deleted_at IS NULL ORDER BY version',
    [model, stage],
  )
  return rows.map(({ version }) => version)
}

/** Aliases of one model; one more is refused. */
export const aliasesMax = 200

/** @throws Problem not-found, promotion-policy, too-many-aliases */
export function pointAlias(
  database: Database,
  model: string,
  alias: string,
  version: number,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    await needVersion(tx, model, version)
    const present = await aliasesOf(tx, model)
    const before = present.find((row) => row.alias === alias)?.version
    if (before === version) return
    await assertAliasFree(tx, model, alias)
    if (before === undefined && present.length >= aliasesMax) {
      throw new Problem(409, 'too-many-aliases', 'Too many aliases', `a model has at most ${aliasesMax}`)
    }
    const change = {
      ...asker,
      action: 'alias.set',
      subject: `model:${model}`,
      ...(before === undefined ? {} : { before: { alias, version: before } }),
      after: { alias, version },
    }
    await tx.write([
      setAlias(model, alias, version, asker.actor, nowMs),
      ...[before, version].flatMap((number) => (number === undefined ? [] : [touchVersion(model, number, nowMs)])),
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** @throws Problem not-found, promotion-policy */
export function dropAlias(
  database: Database,
  model: string,
  alias: string,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    await needModel(tx, model)
    const before = (await aliasesOf(tx, model)).find((row) => row.alias === alias)
    if (before === undefined) throw notFound('alias', `${model}@${alias}`)
    await assertAliasFree(tx, model, alias)
    const { version } = before
    const change = { ...asker, action: 'alias.remove', subject: `model:${model}`, before: { alias, version } }
    await tx.write([
      removeAlias(model, alias),
      touchVersion(model, version, nowMs),
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** What a version's document says has changed: its ETag is another. */
export const touchVersion = (model: string, version: number, nowMs: number): Statement => ({
  sql: 'UPDATE versions SET revision = revision + 1, changed_at = ? WHERE model = ? AND version = ?',
  args: [nowMs, model, version],
})

/** What an edit changes, with only what differs; undefined where it changes nothing.
 *  @throws Problem changed, too-many-tags */
function prepared(row: ModelRow | VersionRow, edit: Edit, ifMatch: string, change: Change): Change | undefined {
  if (ifMatch !== '*' && ifMatch !== etagOf(row)) throw changedSince(row)
  const before: Record<string, unknown> = {}
  const after: Record<string, unknown> = {}
  if (edit.description !== undefined && edit.description !== row.description) {
    before.description = row.description
    after.description = edit.description
  }
  const tags = editedTags(row.tags, edit.tags ?? {})
  if (Object.keys(tags).length > tagsMax) {
    throw new Problem(422, 'too-many-tags', 'Too many tags', `there may be ${tagsMax}`, { field: 'tags' })
  }
  const touched = Object.keys(edit.tags ?? {}).filter((key) => tags[key] !== row.tags[key])
  if (touched.length > 0) {
    before.tags = Object.fromEntries(touched.map((key) => [key, row.tags[key] ?? null]))
    after.tags = Object.fromEntries(touched.map((key) => [key, tags[key] ?? null]))
  }
  return Object.keys(after).length === 0 ? undefined : { ...change, before, after }
}

/** @throws Problem not-found */
export async function needModel(reader: Reader, model: string): Promise<ModelRow> {
  const row = await findModel(reader, model)
  if (row === undefined) throw notFound('model', model)
  return row
}

/** @throws Problem not-found */
export async function needVersion(reader: Reader, model: string, version: number): Promise<VersionRow> {
  const row = await findVersion(reader, model, version)
  if (row === undefined) throw notFound('version', `${model}/${version}`)
  return row
}
