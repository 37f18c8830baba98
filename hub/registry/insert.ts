// Models, versions and variants come into the database: whole, in one transaction with their record in the audit log,
// or not at all. Numbers and counters only grow.

import { isDeepStrictEqual } from 'node:util'
import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { auditStatements, type Change } from '../governance/audit.ts'
import { notFound, Problem } from '../problem.ts'
import { keepLockedKey } from '../sealing/content-keys.ts'
import type { Database, Reader, Statement } from '../storage/database.ts'
import { type Compatibility, unknownCompatibility } from './compatibility.ts'
import { findVersion, readManifest, type VariantRow, type VersionRow } from './store.ts'
import { setTags, type Tags } from './tags.ts'

/** What one variant brings. */
export type NewVariant = Pick<VersionRow, 'created_by' | 'created_at' | 'inspection' | 'baseline'> & {
  /** sha256 of what the manifest says apart from version, counter and time. */
  content: string
  compatibility?: Compatibility
  requestId?: string
}
export type NewVersion = NewVariant &
  Pick<VersionRow, 'description' | 'metrics'> & {
    commit: string | undefined
    run: string | undefined
    dataset: string | undefined
    framework?: string | undefined
    source?: string | undefined
    tags?: Tags
    datasets?: readonly { digest: string; role: string }[]
    beside?: Beside
  }
/** What others keep of a version that is new: written with it, or not at all. */
export type Beside = (tx: Reader, version: number) => Promise<readonly Statement[]>
type Made = {
  manifest: Manifest
  payload: Uint8Array
  digest: Digest
  envelope: Uint8Array | undefined
  /** Of a sealed bundle: its content key, locked. */
  lockedKey?: Uint8Array | undefined
}
/** A manifest for the version and counter it got, and its envelope where it is signed at once. */
export type MakeManifest = (version: number, counter: number) => Made

/** Gives the version its number and counter and stores it.
 *  @throws Problem repeat where a version of the model has this content; deleted where the model is */
export async function insertVersion(
  database: Database,
  model: string,
  version: NewVersion,
  makeManifest: MakeManifest,
): Promise<{ version: number; digest: Digest }> {
  return database.exclusively(async (tx) => {
    await assertNoRepeat(tx, model, version.content)
    const last = await lastOf(tx, model)
    const number = (last?.last_version ?? 0) + 1
    const counter = (last?.last_counter ?? 0) + 1
    const made = makeManifest(number, counter)
    const change = {
      ...changeOf(version, 'version.register', `version:${model}/${number}`),
      after: afterOf(made),
    }
    await tx.write([
      {
        sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES (?, ?, ?, ?)
          ON CONFLICT (name) DO UPDATE SET last_version = excluded.last_version, last_counter = excluded.last_counter`,
        args: [model, number, counter, version.created_at],
      },
      ...versionStatements(model, number, version),
      ...variantStatements(model, number, counter, version, made),
      ...((await version.beside?.(tx, number)) ?? []),
      ...(await auditStatements(tx, version.created_at, [change])),
    ])
    return { version: number, digest: made.digest }
  })
}

/** Adds a variant to a version that no device has seen.
 *  @throws Problem not-found, repeat, variant-exists, profile-taken, interface-differs, not-in-development, in-use */
export async function insertVariant(
  database: Database,
  model: string,
  version: number,
  variant: NewVariant,
  makeManifest: MakeManifest,
): Promise<{ version: number; digest: Digest }> {
  return database.exclusively(async (tx) => {
    await assertNoRepeat(tx, model, variant.content)
    const last = await lastOf(tx, model)
    const row = await findVersion(tx, model, version)
    if (last === undefined || row === undefined) throw notFound('version', `${model}/${version}`)
    const counter = last.last_counter + 1
    const made = makeManifest(version, counter)
    assertJoins(row, made.manifest)
    await assertUnseen(tx, row.variants)
    const change = {
      ...changeOf(variant, 'version.add-variant', `version:${model}/${version}`),
      after: afterOf(made),
    }
    await tx.write([
      { sql: 'UPDATE models SET last_counter = ? WHERE name = ?', args: [counter, model] },
      {
        sql: 'UPDATE versions SET revision = revision + 1, changed_at = ? WHERE model = ? AND version = ?',
        args: [variant.created_at, model, version],
      },
      ...variantStatements(model, version, counter, variant, made),
      ...(await auditStatements(tx, variant.created_at, [change])),
    ])
    return { version, digest: made.digest }
  })
}

export type NewModel = { name: string; description: string; tags: Tags }

/** A model without versions. `tx`: of a transaction that found no model of this name. */
export const insertModel = ({ name, description, tags }: NewModel, nowMs: number): Statement[] => [
  {
    sql: 'INSERT INTO models (name, description, last_version, last_counter, created_at) VALUES (?, ?, 0, 0, ?)',
    args: [name, description, nowMs],
  },
  ...setTags({ model: name }, tags),
]

/** @throws Problem repeat */
export async function assertNoRepeat(database: Reader, model: string, content: string): Promise<void> {
  const same = await database.first(
    z.object({ version: z.number(), deleted_at: z.number().nullable() }),
    `SELECT m.version, v.deleted_at FROM manifests m JOIN versions v ON v.model = m.model AND v.version = m.version
      WHERE m.model = ? AND m.content = ?`,
    [model, content],
  )
  if (same === undefined) return
  const deleted = same.deleted_at === null ? '' : '; it is deleted, restore it'
  throw new Problem(
    409,
    'repeat',
    'Registered already',
    `version ${same.version} of ${model} has this very content${deleted}`,
    { members: { model, version: same.version } },
  )
}

/** @throws Problem deleted: its name stays taken */
export async function assertNotDeleted(reader: Reader, model: string): Promise<void> {
  await lastOf(reader, model)
}

async function lastOf(
  reader: Reader,
  model: string,
): Promise<{ last_version: number; last_counter: number } | undefined> {
  const row = await reader.first(
    z.object({ last_version: z.number(), last_counter: z.number(), deleted_at: z.number().nullable() }),
    'SELECT last_version, last_counter, deleted_at FROM models WHERE name = ?',
    [model],
  )
  if (row === undefined || row.deleted_at === null) return row
  throw new Problem(409, 'deleted', 'The model is deleted', `restore ${model}, or take another name`, {
    members: { model },
  })
}

const afterOf = ({ digest, manifest: { variant, sealed }, envelope }: Made) => ({
  manifest: digest,
  variant,
  signed: envelope !== undefined,
  ...(sealed === undefined ? {} : { sealed: true }),
})

const changeOf = ({ created_by, requestId }: NewVariant, action: string, subject: string): Change => ({
  actor: created_by,
  action,
  subject,
  requestId,
})

/** @throws Problem variant-exists, profile-taken, interface-differs, not-in-development */
function assertJoins(row: VersionRow, manifest: Manifest): void {
  const what = `version ${row.version} of ${row.model}`
  if (row.stage !== 'development') {
    const detail = `${what} is in ${row.stage}; variants are added in development, register a new version`
    throw new Problem(409, 'not-in-development', 'The version is closed', detail)
  }
  for (const present of row.variants) {
    const { variant, profiles, inputs, outputs } = readManifest(present.payload)
    if (variant === manifest.variant) {
      throw new Problem(409, 'variant-exists', 'The variant is there already', `${what} has a variant ${variant}`, {
        field: 'metadata.variant',
      })
    }
    const taken =
      profiles.length === 0 && manifest.profiles.length === 0
        ? 'any profile'
        : profiles.find((profile) => manifest.profiles.includes(profile))
    if (taken !== undefined) {
      throw new Problem(
        409,
        'profile-taken',
        'Two variants for one profile',
        `the variant ${variant} of ${what} is for ${taken} already; name other profiles`,
        { field: 'metadata.profiles' },
      )
    }
    if (!isDeepStrictEqual([inputs, outputs], [manifest.inputs, manifest.outputs])) {
      throw new Problem(
        422,
        'interface-differs',
        'Another interface',
        `the variant ${variant} of ${what} has other inputs or outputs: variants differ in how they compute, not in what`,
        { field: 'model' },
      )
    }
  }
}

/** @throws Problem in-use */
async function assertUnseen(tx: Reader, variants: readonly VariantRow[]): Promise<void> {
  const seen = await tx.first(
    z.object({ device: z.string() }),
    `WITH ours AS (SELECT value AS digest FROM json_each(?))
      SELECT device FROM desired WHERE manifest IN (SELECT digest FROM ours)
      UNION ALL SELECT device FROM device_deployments WHERE manifest IN (SELECT digest FROM ours)
      UNION ALL SELECT device FROM rollout_devices WHERE target IN (SELECT digest FROM ours) AND active = 1 LIMIT 1`,
    [JSON.stringify(variants.map(({ digest }) => digest))],
  )
  if (seen === undefined) return
  const detail = `a device (${seen.device}) has it or will; register a new version`
  throw new Problem(409, 'in-use', 'The version is closed', detail, { members: { devices: [seen.device] } })
}

function versionStatements(model: string, number: number, version: NewVersion): Statement[] {
  return [
    {
      sql: `INSERT INTO versions (model, version, description, metrics, source_commit, run, dataset, framework, source,
          created_by, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        model,
        number,
        version.description,
        JSON.stringify(version.metrics),
        version.commit ?? null,
        version.run ?? null,
        version.dataset ?? null,
        version.framework ?? null,
        version.source ?? null,
        version.created_by,
        version.created_at,
      ],
    },
    ...setTags({ model, version: number }, version.tags ?? {}),
    ...(version.datasets ?? []).map(({ digest, role }) => ({
      sql: 'INSERT OR IGNORE INTO version_datasets (model, version, dataset, role) VALUES (?, ?, ?, ?)',
      args: [model, number, digest, role],
    })),
  ]
}

function variantStatements(
  model: string,
  number: number,
  counter: number,
  variant: NewVariant,
  { manifest, payload, digest, envelope, lockedKey }: Made,
): Statement[] {
  return [
    {
      sql: `INSERT INTO manifests
        (digest, model, version, variant, counter, payload, envelope, signed_at, content, inspection, baseline, compatibility)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      args: [
        digest,
        model,
        number,
        manifest.variant,
        counter,
        payload,
        envelope ?? null,
        envelope === undefined ? null : variant.created_at,
        variant.content,
        JSON.stringify(variant.inspection),
        JSON.stringify(variant.baseline),
        JSON.stringify(variant.compatibility ?? unknownCompatibility),
      ],
    },
    ...manifest.files.map(({ role, sha256, sizeBytes }) => ({
      sql: 'INSERT INTO manifest_files (manifest, role, sha256, size_bytes) VALUES (?, ?, ?, ?)',
      args: [digest, role, sha256, sizeBytes],
    })),
    ...(lockedKey === undefined ? [] : [keepLockedKey(digest, lockedKey)]),
  ]
}
