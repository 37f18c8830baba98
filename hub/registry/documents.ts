// Models and versions as the API shows them.

import { z } from '@hono/zod-openapi'
import { BundleFile, Limits, Task } from '@roost/shared/bundle/manifest.ts'
import { WindowSpec } from '@roost/shared/drift/baseline.ts'
import { Digest, ModelName, Name } from '@roost/shared/protocol/names.ts'
import { Inspection } from './inspection.ts'
import { BaselineSummary, type ModelRow, readManifest, type VersionRow } from './store.ts'

export const ModelDocument = z
  .object({ name: ModelName, latestVersion: z.number().int().positive(), createdAt: z.iso.datetime() })
  .openapi('Model')

export const VersionDocument = z
  .object({
    model: ModelName,
    version: z.number().int().positive(),
    /** `awaiting_signature`: no device takes it before its manifest is signed. */
    state: z.enum(['awaiting_signature', 'released']),
    description: z.string(),
    metrics: z.record(z.string(), z.number()),
    commit: z.string().nullable(),
    run: z.string().nullable(),
    dataset: z.string().nullable(),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    signedAt: z.iso.datetime().nullable(),
    /** sha256 of the manifest's exact bytes: what an assignment names. */
    manifest: Digest,
    counter: z.number().int().positive(),
    variant: Name,
    profiles: z.array(Name),
    files: z.array(BundleFile.omit({ chunks: true })),
    limits: Limits,
    window: WindowSpec,
    task: Task.nullable(),
    baseline: BaselineSummary,
    onnx: Inspection,
  })
  .openapi('Version')

export const showModel = (row: ModelRow): z.infer<typeof ModelDocument> => ({
  name: row.name,
  latestVersion: row.last_version,
  createdAt: new Date(row.created_at).toISOString(),
})

export function showVersion(row: VersionRow): z.infer<typeof VersionDocument> {
  const manifest = readManifest(row.payload)
  return {
    model: row.model,
    version: row.version,
    state: row.signed_at === null ? 'awaiting_signature' : 'released',
    description: row.description,
    metrics: row.metrics,
    commit: row.source_commit,
    run: row.run,
    dataset: row.dataset,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    signedAt: row.signed_at === null ? null : new Date(row.signed_at).toISOString(),
    manifest: row.digest,
    counter: manifest.counter,
    variant: manifest.variant,
    profiles: manifest.profiles,
    files: manifest.files.map(({ role, sha256, sizeBytes }) => ({ role, sha256, sizeBytes })),
    limits: manifest.limits,
    window: manifest.window,
    task: manifest.task ?? null,
    baseline: row.baseline,
    onnx: row.inspection,
  }
}
