// The trial: what a bundle must show on this device before it may serve. It has been loaded; now every golden vector
// is run and its outputs held against the ones the version was registered with. A bundle without any answers zeros once:
// whether it may be wrong nobody can say then, but that it takes no more memory than it may, and ends.

import type { Golden } from '@roost/shared/bundle/golden.ts'
import type { TensorValue } from '@roost/shared/bundle/tensor.ts'
import type { Tensor } from 'onnxruntime-node'
import { BundleError, type OpenBundle } from './bundle.ts'
import type { TrialResult } from './messages.ts'
import { isOutOfMemory, type Tensors } from './session.ts'
import { datatypeOf, elementsOf, readTensor, TensorError } from './tensors.ts'

/** Runs the golden vectors, each inference and the whole trial within the manifest's limits.
 *  @throws BundleError `golden_mismatch`, `latency`, `memory` or `errors` */
export async function runTrial(open: OpenBundle, clock: () => number): Promise<TrialResult> {
  const { deployment, digest, manifest } = open.bundle
  const started = clock()
  let inferenceMsMax = 0
  const vectors = open.golden?.vectors ?? []
  for (const [index, vector] of vectors.entries()) {
    const feeds = readInputs(open, vector.inputs, index)
    const before = clock()
    const results = await run(open, feeds, index)
    inferenceMsMax = Math.max(inferenceMsMax, clock() - before)
    const mismatch = open.golden && findMismatch(vector.outputs, results, open.golden.tolerance)
    if (mismatch !== undefined) {
      throw new BundleError('golden_mismatch', deployment, `golden vector ${index}: ${mismatch}`)
    }
  }
  if (vectors.length === 0) await runOnZeros(open)
  const goldenMs = clock() - started
  if (inferenceMsMax > manifest.limits.inferenceMs) {
    const text = `a golden inference took ${Math.round(inferenceMsMax)} ms, ${manifest.limits.inferenceMs} allowed`
    throw new BundleError('latency', deployment, text)
  }
  if (open.loadMs + goldenMs > manifest.limits.trialMs) {
    const text = `the trial took ${Math.round(open.loadMs + goldenMs)} ms, ${manifest.limits.trialMs} allowed`
    throw new BundleError('latency', deployment, text)
  }
  return { deployment, digest, loadMs: open.loadMs, goldenMs, vectors: vectors.length, inferenceMsMax }
}

/** Longest input that zeros are made for; the trial of a longer one ends with loading. */
const zerosMax = 1_048_576

/** One inference with every open dimension 1. Zeros may be no sensible input (an index, a length): an error is no verdict
 *  then, unless it is about memory; a crash or a hang shows in control.
 *  @throws BundleError `memory` */
async function runOnZeros({ bundle, session }: OpenBundle): Promise<void> {
  const feeds: Record<string, Tensor> = Object.create(null)
  for (const spec of bundle.manifest.inputs) {
    const shape = spec.shape.map((size) => Math.max(1, size))
    const size = shape.reduce((product, dimension) => product * dimension, 1)
    if (size > zerosMax) return
    const zero = spec.datatype === 'BOOL' ? false : spec.datatype === 'BYTES' ? '' : 0
    feeds[spec.name] = readTensor(spec, { datatype: spec.datatype, shape, data: Array(size).fill(zero) })
  }
  try {
    await session.run(feeds)
  } catch (error) {
    if (isOutOfMemory(error)) throw new BundleError('memory', bundle.deployment, `zeros: ${error}`, { cause: error })
  }
}

function readInputs(open: OpenBundle, inputs: Record<string, TensorValue>, index: number): Tensors {
  const feeds: Record<string, Tensor> = Object.create(null)
  try {
    for (const spec of open.bundle.manifest.inputs) {
      const value = inputs[spec.name]
      if (value === undefined) throw new TensorError(`input '${spec.name}' is missing`)
      feeds[spec.name] = readTensor(spec, value)
    }
    return feeds
  } catch (error) {
    if (!(error instanceof TensorError)) throw error
    const { deployment } = open.bundle
    throw new BundleError('golden_mismatch', deployment, `golden vector ${index}: ${error.message}`, { cause: error })
  }
}

async function run(open: OpenBundle, feeds: Tensors, index: number): Promise<Tensors> {
  try {
    return await open.session.run(feeds)
  } catch (error) {
    const reason = isOutOfMemory(error) ? 'memory' : 'errors'
    throw new BundleError(reason, open.bundle.deployment, `golden vector ${index}: ${error}`, { cause: error })
  }
}

/** What differs first, in words; undefined when all wanted outputs fit (Golden.tolerance says how near is near). */
export function findMismatch(
  wanted: Record<string, TensorValue>,
  results: Tensors,
  tolerance: Golden['tolerance'],
): string | undefined {
  for (const [name, want] of Object.entries(wanted)) {
    const got = results[name]
    if (got === undefined) return `there is no output '${name}'`
    if (datatypeOf(got.type) !== want.datatype) return `output '${name}' is ${got.type}, not ${want.datatype}`
    if (got.dims.join() !== want.shape.join()) {
      return `output '${name}' has shape [${got.dims.join(', ')}], not [${want.shape.join(', ')}]`
    }
    const gotItems = elementsOf(got)
    const wantedItems = wantedElements(name, want)
    if (wantedItems === undefined) return `output '${name}' of the golden vector is no ${want.datatype} of its shape`
    for (let i = 0; i < gotItems.length; i++) {
      if (!fits(gotItems[i], wantedItems[i], tolerance)) {
        return `output '${name}' element ${i} is ${gotItems[i]}, not ${wantedItems[i]}`
      }
    }
  }
  return undefined
}

function wantedElements(name: string, want: TensorValue): ReturnType<typeof elementsOf> | undefined {
  try {
    return elementsOf(readTensor({ name, datatype: want.datatype, shape: want.shape }, want))
  } catch (error) {
    if (error instanceof TensorError) return undefined
    throw error
  }
}

type Element = number | bigint | string | undefined

/** NaN fits NaN and an infinity itself, and nothing else does. */
function fits(got: Element, want: Element, { absolute, relative }: Golden['tolerance']): boolean {
  if (typeof got === 'number' && typeof want === 'number') {
    if (!Number.isFinite(got) || !Number.isFinite(want)) return Object.is(got, want)
    return Math.abs(got - want) <= absolute + relative * Math.abs(want)
  }
  if (typeof got === 'bigint' && typeof want === 'bigint') {
    const distance = got > want ? got - want : want - got
    return distance === 0n || Number(distance) <= absolute + relative * Math.abs(Number(want))
  }
  return got === want
}
