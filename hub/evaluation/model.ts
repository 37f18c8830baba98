// A version as an evaluation needs it: its file, its interface, and the features that fill its inputs.

import { readFile } from 'node:fs/promises'
import type { Limits, Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { type CompiledFeatures, compileFeatures } from '@roost/shared/features/compile.ts'
import { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { Hub } from '../hub.ts'
import { readManifest, type VersionRow } from '../registry/store.ts'

export type EvaluatedModel = {
  version: number
  variant: string
  /** Of its manifest. */
  digest: string
  manifest: Manifest
  path: string
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
  limits: Limits
  features: CompiledFeatures | undefined
}

/** @param variant of the version */
export async function openModel(
  { blobs }: Pick<Hub, 'blobs'>,
  { version }: Pick<VersionRow, 'version'>,
  variant: Pick<VersionRow['variants'][number], 'variant' | 'digest' | 'payload'>,
): Promise<EvaluatedModel> {
  const manifest = readManifest(variant.payload)
  const fileOf = (role: Manifest['files'][number]['role']) => manifest.files.find((file) => file.role === role)
  const features = fileOf('features')
  const model = fileOf('model')
  if (model === undefined) throw new Error(`manifest ${variant.digest} has no model file`)
  const { inputs, outputs, limits } = manifest
  return {
    version,
    variant: variant.variant,
    digest: variant.digest,
    manifest,
    path: blobs.pathOf(model.sha256),
    inputs,
    outputs,
    limits,
    features:
      features === undefined
        ? undefined
        : compileFeatures(FeatureDefinitions.parse(JSON.parse(await readFile(blobs.pathOf(features.sha256), 'utf8')))),
  }
}
