// What the hub and the scorer process say to each other, as JSON over Node's IPC channel.
// Both ends validate: the scorer runs a stranger's model, and what comes out of it is a stranger's word.

import { TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { z } from 'zod'

/** Vectors of one request. The hub sends the next request when all of these are answered. */
export const vectorsMax = 64
/** Elements of all outputs of one vector; a model that answers with more is not scored. */
export const outputElementsMax = 1_000_000

const Tensors = z.record(z.string(), TensorValue)
export type Tensors = z.infer<typeof Tensors>

export const ScorerRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('load'), path: z.string(), inputs: z.array(TensorSpec), outputs: z.array(TensorSpec) }),
  z.object({ kind: z.literal('run'), vectors: z.array(Tensors).max(vectorsMax) }),
])
export type ScorerRequest = z.infer<typeof ScorerRequest>

export const ScorerReply = z.discriminatedUnion('kind', [
  /** The bare process with onnxruntime's library, nothing loaded: the moment to limit it. */
  z.object({ kind: z.literal('up') }),
  z.object({ kind: z.literal('loaded') }),
  /** Outputs of the next vectors in order, and how long the inference of each took; a request may be answered in several
   *  of these. */
  z.object({
    kind: z.literal('outputs'),
    outputs: z.array(Tensors).min(1).max(vectorsMax),
    tookMs: z.array(z.number().nonnegative()).max(vectorsMax),
  }),
  z.object({
    kind: z.literal('failed'),
    code: z.enum(['does-not-load', 'interface-differs', 'memory-limit', 'inference-failed', 'output-too-large']),
    message: z.string(),
  }),
])
export type ScorerReply = z.infer<typeof ScorerReply>
