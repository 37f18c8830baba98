// One ONNX model, loaded: its session in onnxruntime with the specs of its inputs and outputs.
// Loading and running both block this process (onnxruntime's Node binding calls into C++ on the main thread),
// so a model that never returns shows to the control process as missing heartbeats.

import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { InferenceSession, type Tensor } from 'onnxruntime-node'
import { datatypeOf } from './tensors.ts'

export type Tensors = Readonly<Record<string, Tensor>>

export type Session = {
  inputs: readonly TensorSpec[]
  outputs: readonly TensorSpec[]
  /** Runs one inference. `outputs`: names of those wanted, all of them by default. */
  run: (feeds: Tensors, outputs?: readonly string[]) => Promise<Tensors>
  close: () => Promise<void>
}

/** `load`: not a model, or not one we can serve. `memory`: it wanted more than the process may have. */
export class SessionError extends Error {
  override readonly name = 'SessionError'
  readonly code: 'load' | 'memory'
  constructor(code: 'load' | 'memory', message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Loads a model from its bytes: no path, hence no external data beside it.
 *  @throws SessionError */
export async function openSession(bytes: Uint8Array, options: { threads: number }): Promise<Session> {
  const session = await create(bytes, options.threads)
  try {
    const inputs = session.inputMetadata.map((metadata) => tensorSpec('input', metadata))
    const outputs = session.outputMetadata.map((metadata) => tensorSpec('output', metadata))
    return {
      inputs,
      outputs,
      run: (feeds, wanted) => (wanted === undefined ? session.run(feeds) : session.run(feeds, wanted)),
      close: () => session.release(),
    }
  } catch (error) {
    await session.release()
    throw error
  }
}

async function create(bytes: Uint8Array, threads: number): Promise<InferenceSession> {
  try {
    return await InferenceSession.create(bytes, {
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      // Errors only: a model's warnings belong to whoever trained it, not into a gateway's log.
      logSeverityLevel: 3,
    })
  } catch (error) {
    throw new SessionError(isOutOfMemory(error) ? 'memory' : 'load', messageOf(error), { cause: error })
  }
}

/** Whether onnxruntime failed for want of memory; it says so only in words. */
export function isOutOfMemory(error: unknown): boolean {
  return /bad_alloc|bad allocation|failed to allocate memory|out of memory|array buffer allocation failed/i.test(
    messageOf(error),
  )
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))

function tensorSpec(side: 'input' | 'output', metadata: InferenceSession.ValueMetadata): TensorSpec {
  const { name } = metadata
  if (!metadata.isTensor) throw new SessionError('load', `${side} '${name}' is not a tensor`)
  const datatype = datatypeOf(metadata.type)
  if (datatype === undefined) throw new SessionError('load', `${side} '${name}' has type ${metadata.type}`)
  return { name, datatype, shape: metadata.shape.map((size) => (typeof size === 'number' ? size : -1)) }
}
