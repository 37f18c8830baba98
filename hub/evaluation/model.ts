// A version as an evaluation needs it: its file, its interface, and the features that fill its inputs.

import type { Limits, Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { type CompiledFeatures, compileFeatures } from '@roost/shared/features/compile.ts'
import { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { Hub } from '../hub.ts'
import { readManifest, type VersionRow } from '../registry/store.ts'
import { type OpenedFile, openModelFile, readPart } from '../sealing/bundle-content.ts'

export type EvaluatedModel = {
  version: number
  variant: string
  /** Of its manifest. */
  digest: string
  manifest: Manifest
  /** The ONNX file; of a sealed version opened for as long as it is not disposed of. */
  openFile: () => Promise<OpenedFile>
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
  limits: Limits
  features: CompiledFeatures | undefined
}

/** @param variant of the version */
export async function openModel(
  hub: Pick<Hub, 'database' | 'blobs' | 'keys' | 'config' | 'random'>,
  { version }: Pick<VersionRow, 'version'>,
  variant: Pick<VersionRow['variants'][number], 'variant' | 'digest' | 'payload'>,
): Promise<EvaluatedModel> {
  const manifest = readManifest(variant.payload)
  const features = await readPart(hub, variant.digest, manifest, 'features')
  const { inputs, outputs, limits } = manifest
  return {
    version,
    variant: variant.variant,
    digest: variant.digest,
    manifest,
    openFile: () => openModelFile(hub, variant.digest, manifest),
    inputs,
    outputs,
    limits,
    features:
      features === undefined
        ? undefined
        : compileFeatures(FeatureDefinitions.parse(JSON.parse(Buffer.from(features).toString('utf8')))),
  }
}
