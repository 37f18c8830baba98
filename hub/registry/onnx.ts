// What an ONNX file is made of, read from the file without running it and without loading it whole.
// It decides whether the file may be registered at all; whether onnxruntime can run it is for score.ts to find out.

import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { type Activations, executionOrder, peakActivations } from './onnx-dataflow.ts'
import { OnnxError } from './onnx-error.ts'
import {
  type Calls,
  emptyTally,
  nodesMax,
  type Operator,
  operatorKey,
  readDomain,
  readFunction,
  readMainGraph,
  readTrainingInfo,
  type Tally,
} from './onnx-graph.ts'
import { modelFields, opsetFields } from './onnx-schema.ts'
import { type DeclaredValue, tensorSpec } from './onnx-types.ts'
import { type Field, openWire, type RandomAccess, readText, type Wire, WireError, walkMessage } from './protobuf.ts'

export { OnnxError } from './onnx-error.ts'

export type OnnxSummary = {
  irVersion: number
  producer: { name: string; version: string }
  /** Version of ai.onnx; where the model uses only other domains, the highest of theirs. */
  opset: number
  opsets: { domain: string; version: number }[]
  /** Initializers are none. -1 where a dimension is open. */
  inputs: TensorSpec[]
  outputs: TensorSpec[]
  /** As they stand in the file, subgraphs and functions included, most frequent first. */
  operators: { domain: string; name: string; count: number }[]
  nodes: number
  /** Values of all tensors in the file: weights and constants. */
  parameters: number
  /** Bytes these take in the file. */
  tensorBytes: number
  /** What the values between nodes take at most, beside the weights. */
  activations: Activations
}

/** What onnxruntime-node's CPU library has kernels for. com.microsoft is in that library on every platform: it is what
 *  onnxruntime's own quantizer and transformer tools write. Not so com.microsoft.nchwc and com.ms.internal.nhwc, which
 *  a session writes for the one processor it was optimised on. */
const domainsBrought = new Set(['', 'ai.onnx.ml', 'ai.onnx.preview.training', 'com.microsoft'])
const interfaceValuesMax = 64
/** Functions that call functions: how deep, and into how many nodes it all unfolds. */
const callDepthMax = 64
const textLengthMax = 1024

type Head = {
  irVersion: number
  graphs: number
  producer: OnnxSummary['producer']
  opsets: Map<string, number>
}

/** @throws OnnxError, and whatever `source.read` throws */
export async function inspectOnnx(source: RandomAccess): Promise<OnnxSummary> {
  const head: Head = { irVersion: 0, graphs: 0, producer: { name: '', version: '' }, opsets: new Map() }
  const tally = emptyTally()
  try {
    await readModel(openWire(source), source.sizeBytes, head, tally)
  } catch (error) {
    throw error instanceof WireError ? await explained(error, source, head) : error
  }
  if (head.irVersion < 1 || head.graphs === 0 || head.opsets.size === 0) {
    const missing = head.irVersion < 1 ? 'IR version' : head.graphs === 0 ? 'graph' : 'opset'
    throw new OnnxError('not-onnx', `the file names no ${missing}: ${await guessed(source)}`)
  }
  checkOperators(tally)
  const given = new Set([...tally.inputs.map(({ name }) => name), ...tally.initializers])
  const order = executionOrder(tally.flow, given)
  return summarise(head, tally, order)
}

async function readModel(wire: Wire, sizeBytes: number, head: Head, tally: Tally): Promise<void> {
  await walkMessage(wire, { start: 0, end: sizeBytes }, modelFields, async (part) => {
    if (part.number === 1) head.irVersion = part.value
    if (part.number === 2) head.producer.name = await readText(wire, part, textLengthMax)
    if (part.number === 3) head.producer.version = await readText(wire, part, textLengthMax)
    if (part.number === 7) await readMainGraph(wire, part, tally)
    if (part.number === 8) await readOpset(wire, part, head.opsets)
    if (part.number === 20) await readTrainingInfo(wire, part, tally)
    if (part.number === 25) await readFunction(wire, part, tally)
    if (part.number === 7) head.graphs += 1
  })
}

async function readOpset(wire: Wire, opset: Field, opsets: Map<string, number>): Promise<void> {
  let domain = ''
  let version = 0
  await walkMessage(wire, opset, opsetFields, async (part) => {
    if (part.number === 1) domain = await readDomain(wire, part)
    if (part.number === 2) version = part.value
  })
  if (version < 1 || !Number.isSafeInteger(version)) {
    throw new OnnxError('not-onnx', `the opset of domain '${domain}' has version ${version}: export the model anew`)
  }
  if ((opsets.get(domain) ?? version) !== version) {
    throw new OnnxError('not-onnx', `the opset of domain '${domain}' is named twice: export the model anew`)
  }
  opsets.set(domain, version)
}

/** Every operator is one that onnxruntime brings or a function of the file, and the functions end. */
function checkOperators(tally: Tally): void {
  const functions = new Map(tally.functions.map(({ key, calls }) => [key, calls]))
  if (functions.size < tally.functions.length) {
    throw new OnnxError('not-onnx', 'the file has two functions of one name: export the model anew')
  }
  const bodies = [...tally.graphs, ...functions.values()]
  for (const operator of bodies.flatMap((calls) => [...calls.values()])) {
    if (domainsBrought.has(operator.domain) || functions.has(operatorKey(operator))) continue
    const what = `operator '${operator.name}' is of the domain '${operator.domain}'`
    const hint = 'use standard operators or bring it as a function inside the model'
    throw new OnnxError('custom-domain', `${what}, which onnxruntime does not have: ${hint}`)
  }
  const known = new Map<string, Unfolded>()
  for (const calls of functions.values()) unfold(calls, functions, known, 1)
  const nodes = tally.graphs.reduce((sum, calls) => sum + unfold(calls, functions, known, 0).nodes, 0)
  if (nodes > nodesMax) {
    throw new OnnxError('too-complex', `the functions of the model unfold to more than ${nodesMax} nodes: simplify it`)
  }
}

type Unfolded = { nodes: number; depth: number }

/** Nodes after every call of a function is replaced by its body, as onnxruntime does when it loads the model, and how
 *  deep calls go below. Each function is unfolded once (`known`): their number may double with each one. */
function unfold(
  calls: Calls,
  functions: Map<string, Calls>,
  known: Map<string, Unfolded>,
  depthAbove: number,
): Unfolded {
  let nodes = 0
  let depth = 0
  for (const [key, { count }] of calls) {
    const body = functions.get(key)
    if (body === undefined) {
      nodes += count
      continue
    }
    if (depthAbove >= callDepthMax) throw tooDeep()
    const unfolded = known.get(key) ?? unfold(body, functions, known, depthAbove + 1)
    known.set(key, unfolded)
    nodes += count * unfolded.nodes
    depth = Math.max(depth, 1 + unfolded.depth)
  }
  if (depthAbove + depth > callDepthMax) throw tooDeep()
  return { nodes, depth }
}

function tooDeep(): OnnxError {
  const message = `functions call functions deeper than ${callDepthMax}, or in a circle: inline them before registering`
  return new OnnxError('too-complex', message)
}

function summarise(head: Head, tally: Tally, order: readonly number[]): OnnxSummary {
  const given = tally.inputs.filter(({ name }) => !tally.initializers.has(name))
  const opsets = [...head.opsets].map(([domain, version]) => ({ domain: spokenDomain(domain), version }))
  return {
    irVersion: head.irVersion,
    producer: head.producer,
    opset: head.opsets.get('') ?? Math.max(...head.opsets.values()),
    opsets,
    inputs: interfaceOf('input', given),
    outputs: interfaceOf('output', tally.outputs),
    operators: countedOperators([...tally.graphs, ...tally.functions.map(({ calls }) => calls)]),
    nodes: tally.nodes,
    parameters: tally.parameters,
    tensorBytes: tally.tensorBytes,
    activations: peakActivations(tally.flow, order, given, tally.outputs),
  }
}

function interfaceOf(role: 'input' | 'output', values: DeclaredValue[]): TensorSpec[] {
  if (values.length > interfaceValuesMax) {
    const message = `the model has ${values.length} ${role}s: join them into at most ${interfaceValuesMax}`
    throw new OnnxError('too-complex', message)
  }
  if (values.length === 0 && role === 'output') {
    throw new OnnxError('not-onnx', 'the model has no output: export it anew')
  }
  const names = new Set(values.map(({ name }) => name))
  if (names.has('') || names.size < values.length) {
    throw new OnnxError('not-onnx', `an ${role} has no name, or two have the same: export the model anew`)
  }
  return values.map((value) => tensorSpec(role, value))
}

function countedOperators(bodies: Calls[]): OnnxSummary['operators'] {
  const counts = new Map<string, Omit<Operator, 'overload'>>()
  for (const { domain, name, count } of bodies.flatMap((calls) => [...calls.values()])) {
    const key = operatorKey({ domain, name, overload: '' })
    counts.set(key, { domain: spokenDomain(domain), name, count: count + (counts.get(key)?.count ?? 0) })
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
}

function spokenDomain(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain
}

/** A cut file starts as ONNX does, with its IR version; anything else was never one. */
async function explained(error: WireError, source: RandomAccess, head: Head): Promise<OnnxError> {
  const options = { cause: error }
  if (error.code === 'too-complex') {
    return new OnnxError('too-complex', `${error.message}: simplify the model before registering`, options)
  }
  if (error.code === 'truncated' && head.irVersion > 0) {
    return new OnnxError('truncated', `the file is cut off, ${error.message}: upload it again`, options)
  }
  return new OnnxError('not-onnx', `${error.message}: ${await guessed(source)}`, options)
}

/** What people upload instead, told by its first bytes. */
const lookalikes: { at: number; bytes: string; hint: string }[] = [
  {
    at: 0,
    bytes: 'PK',
    hint: 'this is a zip archive (PyTorch, Keras, MLflow?); export the model with torch.onnx or tf2onnx',
  },
  { at: 0, bytes: '\x89HDF', hint: 'this is HDF5 (Keras?); export the model with tf2onnx' },
  { at: 0, bytes: '\x80', hint: 'this is a Python pickle; export the model with skl2onnx or torch.onnx' },
  { at: 0, bytes: '\x1f\x8b', hint: 'this is gzip; unpack it first' },
  { at: 0, bytes: 'version https://git-lfs', hint: 'this is a Git LFS pointer; run git lfs pull first' },
  { at: 0, bytes: '<', hint: 'this is a web page or XML; look at how it was downloaded' },
  { at: 4, bytes: 'TFL3', hint: 'this is TensorFlow Lite; export the model with tf2onnx' },
  { at: 4, bytes: 'ORTM', hint: "this is onnxruntime's own format; register the .onnx it was made from" },
]

async function guessed(source: RandomAccess): Promise<string> {
  if (source.sizeBytes === 0) return 'it is empty; upload it again'
  const start = Buffer.from(await source.read(0, Math.min(32, source.sizeBytes))).toString('latin1')
  const known = lookalikes.find(({ at, bytes }) => start.startsWith(bytes, at))
  return known?.hint ?? 'it is not an ONNX file; export the model as .onnx'
}
