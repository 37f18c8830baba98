// From an ONNX file to a version or one more variant of it: looks into the model, runs it on what CI sent, writes the
// manifest, signs it where this hub may. Nothing is kept of what is refused.

import { createHash } from 'node:crypto'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import {
  type BundleFile,
  contentCipher,
  type Manifest,
  manifestDigest,
  manifestPayload,
  parseManifest,
  partBytesMax,
  signManifest,
} from '@roost/shared/bundle/manifest.ts'
import { contentKeyBytes, contentKeyId } from '@roost/shared/bundle/sealing.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { type CompiledFeatures, compileFeatures, FeatureError } from '@roost/shared/features/compile.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { type Content, storeSealed } from '../sealing/bundle-content.ts'
import { lockContentKey } from '../sealing/content-keys.ts'
import { sealingOf } from '../sealing/sealed-models.ts'
import type { StagedBlob } from '../storage/blobs.ts'
import { judgeProfiles } from './compatibility.ts'
import { type Evidence, gatherEvidence } from './evidence.ts'
import { parseGolden } from './golden.ts'
import { assertNoRepeat, assertNotDeleted, type Beside, insertVariant, insertVersion } from './insert.ts'
import { type Inspection, inspectModel } from './inspection.ts'
import { limitsFor, type Metadata, parseMetadata } from './metadata.ts'
import { readProfiles } from './profiles.ts'
import { readRows } from './sample.ts'
import type { Score } from './scoring.ts'
import { rowsByColumns, rowsByFeatures } from './training-rows.ts'

/** What is registered, wherever it came from: `keep` is called once it is found good, and not where it is sealed. */
export type Source = {
  model: HashedBlob & Pick<StagedBlob, 'path' | 'read' | 'keep'>
  metadata: unknown
  sample: StagedBlob | undefined
  golden: unknown
}
export type Registration = {
  model: string
  createdBy: string
  requestId: string | undefined
  /** The version this is a further variant of; undefined for a new version. */
  variantOf?: number
  beside?: Beside
}

export type Registered = { version: number; sealed: boolean }

/** Looks into the model, runs it, writes and signs its manifest, stores the version, sealed where it or its model is to be.
 *  @throws Problem: docs/registering.md lists them */
export async function register(
  hub: Hub,
  score: Score,
  source: Source,
  { model, createdBy, requestId, variantOf, beside }: Registration,
): Promise<Registered> {
  const metadata = parseMetadata(source.metadata)
  if (variantOf !== undefined) assertOnlyOfVariant(metadata)
  const sealed = await sealingOf(hub.database, model, metadata.sealed)
  const content = contentDigest(source, metadata, sealed)
  await assertNotDeleted(hub.database, model)
  await assertNoRepeat(hub.database, model, content)
  const inspection = await inspectModel(source.model)
  const { manifest: draft, parts, baseline, tookMs } = await draftManifest(score, source, metadata, inspection)
  const contentKey = sealed ? hub.random(contentKeyBytes) : undefined
  const contents = [contentOf('model', source.model), ...parts]
  const measured = {
    inspection,
    limits: draft.limits,
    meantFor: draft.profiles,
    modelBytes: source.model.sizeBytes,
    bundleBytes: contents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    tookMs,
  }
  const compatibility = judgeProfiles(measured, await readProfiles())
  const files = await storeFiles(hub, source, parts, contentKey)
  const created_at = hub.clock()
  const made = { created_by: createdBy, created_at, content, inspection, baseline, compatibility }
  const variant = requestId === undefined ? made : { ...made, requestId }
  const makeManifest = (version: number, counter: number) => {
    const manifest: Manifest = {
      ...draft,
      files,
      ...(contentKey && { sealed: { cipher: contentCipher, key: contentKeyId(contentKey) } }),
      model,
      version,
      counter,
      created: new Date(created_at).toISOString(),
    }
    const payload = manifestPayload(manifest)
    // what devices will check, checked here
    parseManifest(payload)
    const release = metadata.sign ? hub.keys.release : undefined
    const digest = manifestDigest(payload)
    return {
      manifest,
      payload,
      digest,
      envelope: release && signManifest(payload, [release]),
      lockedKey: contentKey && lockContentKey(hub.keys.seal, digest, contentKey, hub.random),
    }
  }
  if (variantOf !== undefined) {
    const { version } = await insertVariant(hub.database, model, variantOf, variant, makeManifest)
    return { version, sealed }
  }
  const { description, metrics, commit, run, dataset, framework, source: from, tags, datasets } = metadata
  const said = {
    description,
    metrics,
    commit,
    run,
    dataset,
    framework,
    source: from,
    tags,
    datasets,
    ...(beside && { beside }),
  }
  const { version } = await insertVersion(hub.database, model, { ...variant, ...said }, makeManifest)
  return { version, sealed }
}

/** What is said of a version stands once, with the version. */
function assertOnlyOfVariant(metadata: Metadata): void {
  const { description, metrics, commit, run, dataset, framework, source, tags, datasets } = metadata
  const of = { description: description || undefined, commit, run, dataset, framework, source }
  const lists = { metrics, tags, datasets }
  const field =
    Object.entries(of).find(([, value]) => value !== undefined)?.[0] ??
    Object.entries(lists).find(([, value]) => Object.keys(value).length > 0)?.[0]
  if (field === undefined) return
  const detail = `${field} is said of a version, not of a variant: PATCH the version`
  throw new Problem(422, 'not-of-a-variant', 'Not of a variant', detail, { field: `metadata.${field}` })
}

/** The model and the parts into the blob store: as they are, or only as ciphertext.
 *  @throws Problem too-large where it does not fit once sealed */
async function storeFiles(
  { blobs }: Hub,
  source: Source,
  parts: readonly Part[],
  contentKey: Uint8Array | undefined,
): Promise<BundleFile[]> {
  const files: BundleFile[] = []
  if (contentKey === undefined) {
    files.push(fileOf('model', source.model))
    for (const { role, bytes } of parts) files.push(fileOf(role, await blobs.put([bytes], { bytesMax: partBytesMax })))
    await source.model.keep()
    return files
  }
  for (const content of [contentOf('model', source.model), ...parts]) {
    files.push(await storeSealed(blobs, contentKey, content))
  }
  return files
}

const contentOf = (role: BundleFile['role'], { sizeBytes, read }: Source['model']): Content => ({
  role,
  sizeBytes,
  read,
})

type Part = Content & { bytes: Uint8Array }

function partOf(role: BundleFile['role'], part: unknown): Part {
  const bytes = jsonBytes(part)
  const read = (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length))
  return { role, bytes, sizeBytes: bytes.length, read }
}

type Draft = {
  manifest: Omit<Manifest, 'files' | 'model' | 'version' | 'counter' | 'created'>
  parts: Part[]
  baseline: Evidence['summary']
  tookMs: number[]
}

async function draftManifest(score: Score, upload: Source, metadata: Metadata, inspection: Inspection): Promise<Draft> {
  const { inputs, outputs, opset } = inspection
  const { task, variant, profiles, window } = metadata
  if (inputs.length === 0) {
    throw new Problem(422, 'no-inputs', 'The model cannot be registered', 'the model has no input', { field: 'model' })
  }
  assertTaskFits(metadata.task, outputs)
  const limits = limitsFor(metadata.limits, upload.model.sizeBytes)
  const features = metadata.features && compileFor(metadata.features, inputs)
  const given = upload.golden === undefined ? undefined : parseGolden(upload.golden, inputs, outputs)
  const sample = upload.sample && readRows(upload.sample)
  const rows =
    sample &&
    (await (features === undefined ? rowsByColumns(sample, inputs, outputs) : rowsByFeatures(sample, features, inputs)))
  const model = { path: upload.model.path, inputs, outputs, limits, window, features }
  const evidence = await gatherEvidence(model, rows, given, score)
  const parts = [
    ...(metadata.features === undefined ? [] : [partOf('features', metadata.features)]),
    ...(evidence.baseline === undefined ? [] : [partOf('baseline', evidence.baseline)]),
    ...(evidence.golden === undefined ? [] : [partOf('golden', evidence.golden)]),
  ]
  const manifest: Draft['manifest'] = {
    type: 'manifest',
    formatVersion: 1,
    variant,
    profiles,
    inputs: [...inputs],
    outputs: [...outputs],
    opset,
    limits,
    window,
    ...(task === undefined ? {} : { task }),
  }
  return { manifest, parts, baseline: evidence.summary, tookMs: evidence.tookMs }
}

const jsonBytes = (part: unknown): Uint8Array => Buffer.from(JSON.stringify(part))

function fileOf(role: BundleFile['role'], { sha256, sizeBytes, chunks }: HashedBlob): BundleFile {
  return { role, sha256, sizeBytes, chunks }
}

/** Names what was sent, so that the same again is known as a repeat: everything that reaches a device. */
function contentDigest({ model, sample, golden }: Source, metadata: Metadata, sealed: boolean): string {
  const { task, features, limits, window, variant, profiles } = metadata
  const content = {
    model: model.sha256,
    sample: sample?.sha256,
    golden,
    task,
    features,
    limits,
    window,
    variant,
    profiles,
    ...(sealed ? { sealed } : {}),
  }
  return createHash('sha256').update(jsonBytes(content)).digest('hex')
}

function assertTaskFits(task: Metadata['task'], outputs: readonly TensorSpec[]): void {
  if (task === undefined || outputs.some(({ name }) => name === task.output)) return
  const names = outputs.map(({ name }) => name).join(', ')
  throw new Problem(
    422,
    'unknown-output',
    'The task does not fit the model',
    `there is no output ${task.output}; it has ${names}`,
    {
      field: 'metadata.task.output',
    },
  )
}

/** @throws Problem with the code of the FeatureError, or features-misfit where they do not fill the model's inputs */
function compileFor(definitions: NonNullable<Metadata['features']>, inputs: readonly TensorSpec[]): CompiledFeatures {
  let compiled: CompiledFeatures
  try {
    compiled = compileFeatures(definitions)
  } catch (error) {
    if (!(error instanceof FeatureError)) throw error
    throw new Problem(422, error.code, 'The features cannot be computed', error.message, {
      field: 'metadata.features',
      members: { wrong: error.wrong },
      cause: error,
    })
  }
  for (const { name, features } of definitions.inputs) {
    const spec = inputs.find((input) => input.name === name)
    if (spec === undefined)
      throw misfit(`there is no input ${name}; the model has ${inputs.map(({ name }) => name).join(', ')}`)
    if (spec.datatype !== 'FP32') throw misfit(`input ${name} is ${spec.datatype}; features are FP32`)
    if (!holdsRow(spec, features.length)) {
      throw misfit(
        `input ${name} takes [${spec.shape.join(', ')}]; ${features.length} features are [1, ${features.length}] or [${features.length}]`,
      )
    }
  }
  const unfed = inputs.find(({ name }) => !definitions.inputs.some((input) => input.name === name))
  if (unfed !== undefined) throw misfit(`the model's input ${unfed.name} gets no features`)
  return compiled
}

/** Whether one row of features can be fed as [1, features] or [features]. */
function holdsRow({ shape }: TensorSpec, features: number): boolean {
  const row = shape.at(-1)
  const batch = shape.length === 2 ? shape[0] : 1
  const ranks = shape.length === 1 || shape.length === 2
  return ranks && (row === -1 || row === features) && (batch === -1 || batch === 1)
}

const misfit = (detail: string) =>
  new Problem(422, 'features-misfit', 'The features do not fit the model', detail, {
    field: 'metadata.features.inputs',
  })
