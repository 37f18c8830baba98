// The manifest: what one variant of one version is made of. Signed with a release key, never changed afterwards.

import { z } from 'zod'
import { WindowSpec } from '../drift/baseline.ts'
import { Digest, ModelName, Name } from '../protocol/names.ts'
import { TensorSpec } from './tensor.ts'

export const chunkBytes = 65_536
/** A file of a bundle: 4,096 chunks, so that their hashes (128 KiB) fit into the manifest and the manifest into a message. */
export const fileBytesMax = 4096 * chunkBytes

/** `chunks`: the sha256 of every 64 KiB of the file, raw and concatenated, base64. */
export const BundleFile = z.object({
  role: z.enum(['model', 'features', 'baseline', 'golden']),
  sha256: Digest,
  sizeBytes: z.number().int().positive().max(fileBytesMax),
  chunks: z.base64(),
})
export type BundleFile = z.infer<typeof BundleFile>

/** What the runtime may use and must reach on the device; the profile may be stricter. */
export const Limits = z.object({
  /** Memory the model may add to the bare runtime. */
  memoryBytes: z.number().int().positive(),
  /** Loading and all golden vectors together. */
  trialMs: z.number().int().positive(),
  /** One inference; a runtime whose inference takes longer than this is killed as hung. */
  inferenceMs: z.number().int().positive(),
})
export type Limits = z.infer<typeof Limits>

/** What an output means, where it means something a label can be held against. */
export const Task = z.object({
  kind: z.literal('binary-classification'),
  output: z.string(),
  threshold: z.number(),
})
export type Task = z.infer<typeof Task>

export const Manifest = z.object({
  type: z.literal('manifest'),
  formatVersion: z.literal(1),
  model: ModelName,
  version: z.number().int().positive(),
  /** Only grows over all versions of a model; the floor a device remembers is of this. */
  counter: z.number().int().positive(),
  variant: Name,
  /** Device profiles it is for; empty: any. */
  profiles: z.array(Name).max(64),
  files: z.array(BundleFile).min(1).max(4),
  inputs: z.array(TensorSpec).min(1).max(64),
  outputs: z.array(TensorSpec).min(1).max(64),
  opset: z.number().int().positive(),
  limits: Limits,
  window: WindowSpec,
  task: Task.optional(),
  created: z.iso.datetime(),
})
export type Manifest = z.infer<typeof Manifest>
