// Models, versions and manifests in the database. A version appears whole, in one transaction, or not at all.

import { Manifest } from '@roost/shared/bundle/manifest.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { Problem } from '../problem.ts'
import { BytesColumn, type Database, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { Inspection } from './inspection.ts'

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

const ModelRow = z.object({ name: z.string(), last_version: z.number(), created_at: z.number() })
export type ModelRow = z.infer<typeof ModelRow>

const VersionRow = z.object({
  model: z.string(),
  version: z.number(),
  description: z.string(),
  metrics: jsonColumn(z.record(z.string(), z.number())),
  source_commit: z.string().nullable(),
  run: z.string().nullable(),
  dataset: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  digest: Digest,
  payload: BytesColumn,
  signed_at: z.number().nullable(),
  inspection: jsonColumn(Inspection),
  baseline: jsonColumn(BaselineSummary),
})
export type VersionRow = z.infer<typeof VersionRow>

export type NewVersion = Pick<
  VersionRow,
  'description' | 'metrics' | 'created_by' | 'created_at' | 'inspection' | 'baseline'
> & {
  commit: string | undefined
  run: string | undefined
  dataset: string | undefined
  /** sha256 of what the manifest says apart from version, counter and time. */
  content: string
}
/** A manifest for the version and counter it got, and its envelope where it is signed at once. */
export type MakeManifest = (
  version: number,
  counter: number,
) => { manifest: Manifest; payload: Uint8Array; digest: Digest; envelope: Uint8Array | undefined }

/** Gives the version its number and counter and stores it.
 *  @throws Problem repeat where a version of the model has this content */
export async function insertVersion(
  database: Database,
  model: string,
  version: NewVersion,
  makeManifest: MakeManifest,
): Promise<{ version: number; digest: Digest }> {
  return database.exclusively(async (tx) => {
    await assertNoRepeat(tx, model, version.content)
    const last = await tx.first(
      z.object({ last_version: z.number(), last_counter: z.number() }),
      'SELECT last_version, last_counter FROM models WHERE name = ?',
      [model],
    )
    const number = (last?.last_version ?? 0) + 1
    const counter = (last?.last_counter ?? 0) + 1
    const made = makeManifest(number, counter)
    await tx.write(insertStatements(model, number, counter, version, made))
    return { version: number, digest: made.digest }
  })
}

/** @throws Problem repeat */
export async function assertNoRepeat(database: Reader, model: string, content: string): Promise<void> {
  const same = await database.first(
    z.object({ version: z.number() }),
    'SELECT version FROM manifests WHERE model = ? AND content = ?',
    [model, content],
  )
  if (same === undefined) return
  throw new Problem(409, 'repeat', 'Registered already', `version ${same.version} of ${model} has this very content`, {
    members: { model, version: same.version },
  })
}

function insertStatements(
  model: string,
  number: number,
  counter: number,
  version: NewVersion,
  { manifest, payload, digest, envelope }: ReturnType<MakeManifest>,
): Statement[] {
  const { created_at: at, created_by: by } = version
  return [
    {
      sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET last_version = excluded.last_version, last_counter = excluded.last_counter`,
      args: [model, number, counter, at],
    },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, source_commit, run, dataset, created_by, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        model,
        number,
        version.description,
        JSON.stringify(version.metrics),
        version.commit ?? null,
        version.run ?? null,
        version.dataset ?? null,
        by,
        at,
      ],
    },
    {
      sql: `INSERT INTO manifests
        (digest, model, version, variant, counter, payload, envelope, signed_at, content, inspection, baseline)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        digest,
        model,
        number,
        manifest.variant,
        counter,
        payload,
        envelope ?? null,
        envelope === undefined ? null : at,
        version.content,
        JSON.stringify(version.inspection),
        JSON.stringify(version.baseline),
      ],
    },
    ...manifest.files.map(({ role, sha256, sizeBytes }) => ({
      sql: 'INSERT INTO manifest_files (manifest, role, sha256, size_bytes) VALUES (?, ?, ?, ?)',
      args: [digest, role, sha256, sizeBytes],
    })),
  ]
}

/** The envelope of a manifest that was awaiting it; a later one replaces it. */
export async function storeEnvelope(
  database: Database,
  digest: Digest,
  envelope: Uint8Array,
  at: number,
): Promise<void> {
  await database.write([
    {
      sql: 'UPDATE manifests SET envelope = ?, signed_at = coalesce(signed_at, ?) WHERE digest = ?',
      args: [envelope, at, digest],
    },
  ])
}

export function listModels(database: Reader, after: string, limit: number): Promise<ModelRow[]> {
  return database.all(
    ModelRow,
    'SELECT name, last_version, created_at FROM models WHERE name > ? ORDER BY name LIMIT ?',
    [after, limit],
  )
}

export function findModel(database: Reader, model: string): Promise<ModelRow | undefined> {
  return database.first(ModelRow, 'SELECT name, last_version, created_at FROM models WHERE name = ?', [model])
}

const versionColumns = `SELECT v.model, v.version, description, metrics, source_commit, run, dataset, created_by, created_at,
  m.digest, m.payload, m.signed_at, m.inspection, m.baseline
  FROM versions v JOIN manifests m ON m.model = v.model AND m.version = v.version`

/** Newest first, those before `before`. */
export function listVersions(database: Reader, model: string, before: number, limit: number): Promise<VersionRow[]> {
  return database.all(
    VersionRow,
    `${versionColumns} WHERE v.model = ? AND v.version < ? ORDER BY v.version DESC LIMIT ?`,
    [model, before, limit],
  )
}

export function findVersion(database: Reader, model: string, version: number): Promise<VersionRow | undefined> {
  return database.first(VersionRow, `${versionColumns} WHERE v.model = ? AND v.version = ?`, [model, version])
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
 *  Undefined where there is no such version, it awaits its signature, or no variant is for the profile. */
export async function releasedVersion(
  database: Reader,
  model: string,
  version: number,
  profile: string,
): Promise<{ digest: Digest; manifest: Manifest } | undefined> {
  const rows = await database.all(
    Signed,
    'SELECT digest, envelope, payload FROM manifests WHERE model = ? AND version = ? AND envelope IS NOT NULL ORDER BY variant',
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
