// Models, versions and manifests as they lie in the database: finding them. insert.ts puts them there.

import assert from 'node:assert'
import { Manifest } from '@roost/shared/bundle/manifest.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { BytesColumn, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { championAlias } from './aliases.ts'
import { Compatibility } from './compatibility.ts'
import { Inspection } from './inspection.ts'
import { Stage } from './stages.ts'

/** What became of the sample: how much the baseline knows, and whether drift can be told from it. */
export const BaselineSummary = z.object({
  source: z.enum(['sample', 'golden', 'none']),
  rows: z.number(),
  rowsLeftOut: z.number(),
  windows: z.number(),
  columns: z.number(),
  /** Why no drift verdict will be given; null where one will. */
  noVerdict: z.string().nullable(),
})
export type BaselineSummary = z.infer<typeof BaselineSummary>

const ModelRow = z.object({
  name: z.string(),
  description: z.string(),
  tags: jsonColumn(z.record(z.string(), z.string())),
  /** 0 before its first version. */
  last_version: z.number(),
  created_at: z.number(),
  revision: z.number(),
  deleted_at: z.number().nullable(),
  /** The newest version in production; null where none is. */
  production: z.number().nullable(),
  champion: z.number().nullable(),
})
export type ModelRow = z.infer<typeof ModelRow>

const VariantRow = z.object({
  version: z.number(),
  variant: z.string(),
  digest: Digest,
  payload: BytesColumn,
  signed_at: z.number().nullable(),
  inspection: jsonColumn(Inspection),
  baseline: jsonColumn(BaselineSummary),
  compatibility: jsonColumn(Compatibility),
})
export type VariantRow = z.infer<typeof VariantRow>

const PlainVersion = z.object({
  model: z.string(),
  version: z.number(),
  stage: Stage,
  description: z.string(),
  tags: jsonColumn(z.record(z.string(), z.string())),
  aliases: jsonColumn(z.array(z.string())),
  datasets: jsonColumn(z.array(z.object({ digest: z.string(), role: z.string() }))),
  framework: z.string().nullable(),
  source: z.string().nullable(),
  metrics: jsonColumn(z.record(z.string(), z.number())),
  source_commit: z.string().nullable(),
  run: z.string().nullable(),
  dataset: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  changed_at: z.number().nullable(),
  revision: z.number(),
  deleted_at: z.number().nullable(),
})

/** A version with all its variants, oldest first; what is said of one of them beside the version is the first's. */
export type VersionRow = z.infer<typeof PlainVersion> & VariantRow & { variants: VariantRow[] }

/** The envelope of a manifest that was awaiting it; a later one replaces it. */
export const setEnvelope = (digest: Digest, envelope: Uint8Array, at: number): Statement => ({
  sql: 'UPDATE manifests SET envelope = ?, signed_at = coalesce(signed_at, ?) WHERE digest = ?',
  args: [envelope, at, digest],
})

const modelColumns = `name, description, last_version, created_at, revision, deleted_at,
  (SELECT max(version) FROM versions v WHERE v.model = models.name AND v.stage = 'production' AND v.deleted_at IS NULL)
    AS production,
  (SELECT version FROM aliases a WHERE a.model = models.name AND a.alias = '${championAlias}') AS champion,
  (SELECT json_group_object(key, value) FROM model_tags t WHERE t.model = models.name) AS tags`

/** `deleted`: those instead of the ones that are there. `tags`: all of these, a value of null for any. */
export type Filter = { deleted?: boolean; tags?: readonly TagFilter[] }
/** `granted`: names, or prefixes with * at their end; null for all. */
type ModelFilter = Filter & { granted?: readonly string[] | null }
export type TagFilter = { key: string; value: string | null }

/** By name, those after `after`. */
export function listModels(reader: Reader, filter: ModelFilter, after: string, limit: number): Promise<ModelRow[]> {
  const { tags = [], deleted = false, granted = null } = filter
  const tagged = tags.map(
    () =>
      'AND EXISTS (SELECT 1 FROM model_tags t WHERE t.model = name AND t.key = ? AND t.value = coalesce(?, t.value))',
  )
  return reader.all(
    ModelRow,
    `SELECT ${modelColumns} FROM models WHERE name > ? AND ${isDeleted('models', deleted)}
      AND (? IS NULL OR EXISTS (SELECT 1 FROM json_each(?) g WHERE name = g.value
        OR (g.value LIKE '%*' AND substr(name, 1, length(g.value) - 1) || '*' = g.value)))
      ${tagged.join(' ')} ORDER BY name LIMIT ?`,
    [after, ...twice(granted && JSON.stringify(granted)), ...tags.flatMap(({ key, value }) => [key, value]), limit],
  )
}

/** Undefined also where it is deleted, unless `deleted` asks for such a one. */
export function findModel(reader: Reader, model: string, deleted = false): Promise<ModelRow | undefined> {
  return reader.first(
    ModelRow,
    `SELECT ${modelColumns} FROM models WHERE name = ? AND ${isDeleted('models', deleted)}`,
    [model],
  )
}

const twice = (value: string | null) => [value, value]
const isDeleted = (table: string, deleted: boolean) => `${table}.deleted_at IS ${deleted ? 'NOT ' : ''}NULL`

const versionColumns = `v.model, v.version, v.stage, v.description, v.framework, v.source, v.metrics, v.source_commit,
  v.run, v.dataset, v.created_by, v.created_at, v.changed_at, v.revision, v.deleted_at,
  (SELECT json_group_object(key, value) FROM version_tags t WHERE t.model = v.model AND t.version = v.version) AS tags,
  (SELECT json_group_array(alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version) AS aliases,
  (SELECT json_group_array(json_object('digest', dataset, 'role', role)) FROM version_datasets d
    WHERE d.model = v.model AND d.version = v.version) AS datasets
  FROM versions v JOIN models ON models.name = v.model`

/** Newest first, those before `before`. */
export async function listVersions(
  reader: Reader,
  model: string,
  filter: Filter & { stage?: Stage | undefined },
  before: number,
  limit: number,
): Promise<VersionRow[]> {
  const { tags = [], deleted = false, stage } = filter
  const tagged = tags.map(
    () => `AND EXISTS (SELECT 1 FROM version_tags t WHERE t.model = v.model AND t.version = v.version AND t.key = ?
      AND t.value = coalesce(?, t.value))`,
  )
  const rows = await reader.all(
    PlainVersion,
    `SELECT ${versionColumns} WHERE v.model = ? AND v.version < ? AND ${isDeleted('v', deleted)}
      AND (? IS NULL OR v.stage = ?) ${tagged.join(' ')} ORDER BY v.version DESC LIMIT ?`,
    [model, before, stage ?? null, stage ?? null, ...tags.flatMap(({ key, value }) => [key, value]), limit],
  )
  return withVariants(reader, model, rows)
}

/** Undefined also where it or its model is deleted, unless `deleted` asks for such a one. */
export async function findVersion(
  reader: Reader,
  model: string,
  version: number,
  deleted = false,
): Promise<VersionRow | undefined> {
  const rows = await reader.all(
    PlainVersion,
    `SELECT ${versionColumns} WHERE v.model = ? AND v.version = ? AND ${isDeleted('v', deleted)}
      AND models.deleted_at IS NULL`,
    [model, version],
  )
  return (await withVariants(reader, model, rows))[0]
}

async function withVariants(
  reader: Reader,
  model: string,
  rows: readonly z.infer<typeof PlainVersion>[],
): Promise<VersionRow[]> {
  const variants = await reader.all(
    VariantRow,
    `SELECT version, variant, digest, payload, signed_at, inspection, baseline, compatibility FROM manifests
      WHERE model = ? AND version IN (SELECT value FROM json_each(?)) ORDER BY counter`,
    [model, JSON.stringify(rows.map(({ version }) => version))],
  )
  const byVersion = Map.groupBy(variants, ({ version }) => version)
  return rows.map((row) => {
    const own = byVersion.get(row.version) ?? []
    const [first] = own
    assert(first !== undefined, `version ${row.version} of ${model} has no manifest`)
    return { ...row, ...first, variants: own }
  })
}

export async function findEnvelope(database: Reader, digest: Digest): Promise<Uint8Array | undefined> {
  const row = await database.first(
    z.object({ envelope: BytesColumn.nullable() }),
    'SELECT envelope FROM manifests WHERE digest = ?',
    [digest],
  )
  return row?.envelope ?? undefined
}

const Signed = z.object({ digest: Digest, envelope: BytesColumn, payload: BytesColumn })

/** A signed manifest by its digest; undefined where there is none or it awaits its signature. */
export async function manifestByDigest(
  database: Reader,
  digest: Digest,
): Promise<{ envelope: Uint8Array; manifest: Manifest } | undefined> {
  const row = await database.first(
    Signed,
    'SELECT digest, envelope, payload FROM manifests WHERE digest = ? AND envelope IS NOT NULL',
    [digest],
  )
  return row && { envelope: row.envelope, manifest: readManifest(row.payload) }
}

/** The signed variant of a version for a device profile: one that names the profile before one that is for any.
 *  Undefined where there is no such version, it is deleted, awaits its signature, or has no variant for the profile. */
export async function releasedVersion(
  database: Reader,
  model: string,
  version: number,
  profile: string,
): Promise<{ digest: Digest; manifest: Manifest } | undefined> {
  const rows = await database.all(
    Signed,
    `SELECT m.digest, m.envelope, m.payload FROM manifests m
      JOIN versions v ON v.model = m.model AND v.version = m.version JOIN models ON models.name = m.model
      WHERE m.model = ? AND m.version = ? AND m.envelope IS NOT NULL
        AND v.deleted_at IS NULL AND models.deleted_at IS NULL
      ORDER BY m.variant`,
    [model, version],
  )
  const variants = rows.map(({ digest, payload }) => ({ digest, manifest: readManifest(payload) }))
  return (
    variants.find(({ manifest }) => manifest.profiles.includes(profile)) ??
    variants.find(({ manifest }) => manifest.profiles.length === 0)
  )
}

export const readManifest = (payload: Uint8Array): Manifest =>
  Manifest.parse(JSON.parse(Buffer.from(payload).toString()))
