// Models and versions as the API shows them.

import { z } from '@hono/zod-openapi'
import { BundleFile, Limits, Task } from '@roost/shared/bundle/manifest.ts'
import { WindowSpec } from '@roost/shared/drift/baseline.ts'
import { Digest, ModelName, Name } from '@roost/shared/protocol/names.ts'
import { Compatibility } from './compatibility.ts'
import { Inspection } from './inspection.ts'
import { Stage } from './stages.ts'
import { BaselineSummary, type ModelRow, readManifest, type VariantRow, type VersionRow } from './store.ts'
import { Tags } from './tags.ts'

export const ModelDocument = z
  .object({
    name: ModelName,
    description: z.string(),
    tags: Tags,
    /** The highest number given out, also to a version that is deleted; 0 before the first. */
    latestVersion: z.number().int().nonnegative(),
    /** The newest version in production. */
    production: z.number().int().nullable(),
    /** Where the alias `champion` points. */
    champion: z.number().int().nullable(),
    createdAt: z.iso.datetime(),
    deletedAt: z.iso.datetime().nullable(),
  })
  .openapi('Model')

/** `awaiting_signature`: no device takes it before its manifest is signed. */
const State = z.enum(['awaiting_signature', 'released'])

const variantFields = {
  variant: Name,
  /** sha256 of the manifest's exact bytes: what an assignment names. */
  manifest: Digest,
  counter: z.number().int().positive(),
  signedAt: z.iso.datetime().nullable(),
  profiles: z.array(Name),
  /** Their bytes are encrypted, and only devices it is assigned to can read them. */
  sealed: z.boolean(),
  /** Of a sealed variant the digests are of the ciphertext, and `plain` is of the file. */
  files: z.array(BundleFile.omit({ chunks: true })),
  limits: Limits,
  window: WindowSpec,
  task: Task.nullable(),
  baseline: BaselineSummary,
  onnx: Inspection,
  compatibility: Compatibility,
}
export const VariantDocument = z.object({ state: State, ...variantFields }).openapi('Variant')

/** What a version is; what is said of a variant beside it is of the first, `variants` has all. */
export const VersionDocument = z
  .object({
    model: ModelName,
    version: z.number().int().positive(),
    /** `released` once every variant is signed. */
    state: State,
    stage: Stage,
    aliases: z.array(z.string()),
    description: z.string(),
    tags: Tags,
    metrics: z.record(z.string(), z.number()),
    commit: z.string().nullable(),
    run: z.string().nullable(),
    dataset: z.string().nullable(),
    datasets: z.array(z.object({ digest: z.string(), role: z.string() })),
    framework: z.string().nullable(),
    source: z.string().nullable(),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    changedAt: z.iso.datetime().nullable(),
    deletedAt: z.iso.datetime().nullable(),
    ...variantFields,
    variants: z.array(VariantDocument),
  })
  .openapi('Version')

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())

export const showModel = (row: ModelRow): z.infer<typeof ModelDocument> => ({
  name: row.name,
  description: row.description,
  tags: row.tags,
  latestVersion: row.last_version,
  production: row.production,
  champion: row.champion,
  createdAt: new Date(row.created_at).toISOString(),
  deletedAt: timeOf(row.deleted_at),
})

export function showVersion(row: VersionRow): z.infer<typeof VersionDocument> {
  const variants = row.variants.map(showVariant)
  return {
    ...showVariant(row),
    model: row.model,
    version: row.version,
    state: variants.every(({ state }) => state === 'released') ? 'released' : 'awaiting_signature',
    stage: row.stage,
    aliases: row.aliases,
    description: row.description,
    tags: row.tags,
    metrics: row.metrics,
    commit: row.source_commit,
    run: row.run,
    dataset: row.dataset,
    datasets: row.datasets,
    framework: row.framework,
    source: row.source,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    changedAt: timeOf(row.changed_at),
    deletedAt: timeOf(row.deleted_at),
    variants,
  }
}

function showVariant(row: VariantRow): z.infer<typeof VariantDocument> {
  const manifest = readManifest(row.payload)
  return {
    variant: row.variant,
    state: row.signed_at === null ? 'awaiting_signature' : 'released',
    signedAt: timeOf(row.signed_at),
    manifest: row.digest,
    counter: manifest.counter,
    profiles: manifest.profiles,
    sealed: manifest.sealed !== undefined,
    files: manifest.files.map(({ chunks: _, ...file }) => file),
    limits: manifest.limits,
    window: manifest.window,
    task: manifest.task ?? null,
    baseline: row.baseline,
    onnx: row.inspection,
    compatibility: row.compatibility,
  }
}
