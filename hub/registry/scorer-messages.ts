// What the hub and the scorer process say to each other, as JSON over Node's IPC channel.
// The hub validates what it hears: the scorer runs a stranger's model, and what comes out of it is a stranger's word. The
// scorer takes the hub's word, and of this file the types only: zod and what goes with it were four tenths of a start.

import { type TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { z } from 'zod'
import { vectorsMax } from './scorer/bounds.ts'

const Tensors = z.record(z.string(), TensorValue)
export type Tensors = z.infer<typeof Tensors>

export type ScorerRequest =
  | { kind: 'load'; path: string; inputs: TensorSpec[]; outputs: TensorSpec[] }
  /** At most `vectorsMax`. */
  | { kind: 'run'; vectors: Tensors[] }

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
