// What the registry asks of the process that runs models: outputs for inputs, in order, or a reason why not.

import type { Limits } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'

export type ScoreRequest = {
  /** The ONNX file. */
  path: string
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
  limits: Limits
  /** One inference each. */
  vectors: Iterable<Record<string, TensorValue>>
  /** How long the inferences took, in their order, without what it takes to hand them over: told before their outputs. */
  onTimes?: (tookMs: readonly number[]) => void
}

/** Outputs of each vector, as they come. Loads the model also where there are no vectors.
 *  @throws ScoreError */
export type Score = (request: ScoreRequest) => AsyncIterable<Record<string, TensorValue>>

/** `code` becomes the problem's: does-not-load, memory-limit, time-limit, inference-failed, … */
export class ScoreError extends Error {
  override readonly name = 'ScoreError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
