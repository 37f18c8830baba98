// Measures in a thread of its own: a thousand resamples take seconds, in which the hub has devices to answer.

import { Worker } from 'node:worker_threads'
import { EvaluationError } from './evaluation-error.ts'
import type { Measured, Measurement } from './measure.ts'

/** Answers of both models, their slices and what a resample needs. */
const heapMebibytes = 1024

/** @throws EvaluationError measuring-failed; the reason of `signal` */
export async function measureApart(measurement: Measurement, signal: AbortSignal): Promise<Measured> {
  signal.throwIfAborted()
  const worker = new Worker(new URL('./measure-worker.ts', import.meta.url), {
    workerData: measurement,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: heapMebibytes },
  })
  const { promise, resolve, reject } = Promise.withResolvers<Measured>()
  worker.once('message', resolve)
  worker.once('error', (cause) => reject(new EvaluationError('measuring-failed', cause.message, { cause })))
  worker.once('exit', (code) => reject(new EvaluationError('measuring-failed', `the thread ended with code ${code}`)))
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
    await worker.terminate()
  }
}
