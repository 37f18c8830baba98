// What the hub found in an ONNX file, as it is kept with the version and shown.

import { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { z } from 'zod'
import { Problem } from '../problem.ts'
import type { StagedBlob } from '../storage/blobs.ts'
import { inspectOnnx, OnnxError } from './onnx.ts'

export const Inspection = z.object({
  irVersion: z.number(),
  producer: z.object({ name: z.string(), version: z.string() }),
  opset: z.number().int().positive(),
  opsets: z.array(z.object({ domain: z.string(), version: z.number() })),
  inputs: z.array(TensorSpec),
  outputs: z.array(TensorSpec),
  operators: z.array(z.object({ domain: z.string(), name: z.string(), count: z.number() })),
  nodes: z.number(),
  parameters: z.number(),
  tensorBytes: z.number(),
  activations: z.object({ bytes: z.number(), unknown: z.number() }).optional(),
})
export type Inspection = z.infer<typeof Inspection>

/** @throws Problem with the code of the OnnxError: not-onnx, truncated, external-data, custom-domain, … */
export async function inspectModel(model: Pick<StagedBlob, 'sizeBytes' | 'read'>): Promise<Inspection> {
  try {
    return await inspectOnnx({ sizeBytes: model.sizeBytes, read: model.read })
  } catch (error) {
    if (!(error instanceof OnnxError)) throw error
    throw new Problem(422, error.code, 'The model cannot be registered', error.message, {
      field: 'model',
      cause: error,
    })
  }
}
