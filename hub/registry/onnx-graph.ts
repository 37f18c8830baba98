// Walks the graphs, functions and tensors of an ONNX file and tallies what is in them, without loading tensor data.
// A tensor can stand in many places (initializers, attributes, subgraphs, functions, training graphs); all are visited,
// because one that keeps its data in another file would make onnxruntime read that file.

import { type Dataflow, emptyDataflow, type FlowNode, noneCaptured } from './onnx-dataflow.ts'
import { OnnxError } from './onnx-error.ts'
import {
  attributeFields,
  functionFields,
  graphFields,
  nodeFields,
  sparseTensorFields,
  tensorFields,
  trainingFields,
} from './onnx-schema.ts'
import { type DeclaredValue, elementsMax, readDeclaredValue } from './onnx-types.ts'
import { type Field, readText, type Wire, walkIntegers, walkMessage } from './protobuf.ts'

const identifierLengthMax = 1024
/** Nodes as they stand in the file; the largest language models have some 50,000. */
export const nodesMax = 200_000
const distinctOperatorsMax = 2000
const functionsMax = 2000
const declaredValuesMax = 100_000
/** Values of one tensor, whatever it says. */
const tensorElementsMax = 2 ** 40
/** The smallest elements are of two bits. */
const elementsPerByteMax = 4

export type Operator = { domain: string; name: string; overload: string; count: number }
/** The nodes of a graph or function, subgraphs included, by operator. */
export type Calls = Map<string, Operator>
export type FunctionBody = { key: string; calls: Calls }

export type Tally = {
  nodes: number
  parameters: number
  tensorBytes: number
  inputs: DeclaredValue[]
  outputs: DeclaredValue[]
  /** Of the main graph: an input with one of these names has a value already. */
  initializers: Set<string>
  /** The main graph and those for training. */
  graphs: Calls[]
  functions: FunctionBody[]
  /** Of the main graph. */
  flow: Dataflow
}

export function emptyTally(): Tally {
  return {
    nodes: 0,
    parameters: 0,
    tensorBytes: 0,
    inputs: [],
    outputs: [],
    initializers: new Set(),
    graphs: [],
    functions: [],
    flow: emptyDataflow(),
  }
}

/** '' and ai.onnx are the same domain. */
export function operatorKey({ domain, name, overload }: Omit<Operator, 'count'>): string {
  return JSON.stringify([domain, name, overload])
}

/** @throws WireError, OnnxError */
export async function readMainGraph(wire: Wire, graph: Field, tally: Tally): Promise<void> {
  const calls: Calls = new Map()
  tally.graphs.push(calls)
  await walkMessage(wire, graph, graphFields, async (part) => {
    if (part.number === 1) tally.flow.nodes.push(await walkFlowNode(wire, part, calls, tally))
    if (part.number === 13) await declareValue(wire, part, tally.flow.declared, identifierLengthMax)
    if (part.number === 5) tally.initializers.add(await walkTensor(wire, part, tally))
    if (part.number === 15) tally.initializers.add(await walkSparseTensor(wire, part, tally))
    if (part.number === 11) await declareValue(wire, part, tally.inputs)
    if (part.number === 12) await declareValue(wire, part, tally.outputs)
  })
}

/** TrainingInfoProto: two graphs, which inference never runs and onnxruntime still reads.
 *  @throws WireError, OnnxError */
export async function readTrainingInfo(wire: Wire, info: Field, tally: Tally): Promise<void> {
  await walkMessage(wire, info, trainingFields, async (part) => {
    if (part.number !== 1 && part.number !== 2) return
    const calls: Calls = new Map()
    tally.graphs.push(calls)
    await walkSubgraph(wire, part, calls, tally)
  })
}

/** FunctionProto: an operator that the file itself brings.
 *  @throws WireError, OnnxError */
export async function readFunction(wire: Wire, body: Field, tally: Tally): Promise<void> {
  const itself = { domain: '', name: '', overload: '' }
  const calls: Calls = new Map()
  await walkMessage(wire, body, functionFields, async (part) => {
    if (part.number === 1) itself.name = await readText(wire, part, identifierLengthMax)
    if (part.number === 10) itself.domain = await readDomain(wire, part)
    if (part.number === 13) itself.overload = await readText(wire, part, identifierLengthMax)
    if (part.number === 7) await walkNode(wire, part, calls, tally)
    if (part.number === 11) await walkAttribute(wire, part, calls, tally)
  })
  tally.functions.push({ key: operatorKey(itself), calls })
  if (tally.functions.length > functionsMax) throw tooMany('functions', functionsMax)
}

/** '' and ai.onnx are the same domain: ''.
 *  @throws WireError */
export async function readDomain(wire: Wire, part: Field): Promise<string> {
  const domain = await readText(wire, part, identifierLengthMax)
  return domain === 'ai.onnx' ? '' : domain
}

/** A node of the main graph, with the values it takes and makes. */
async function walkFlowNode(wire: Wire, field: Field, calls: Calls, tally: Tally): Promise<FlowNode> {
  const { idOf } = tally.flow
  const node: FlowNode = { inputs: [], outputs: [], captured: noneCaptured }
  let captured: Set<number> | undefined
  let own: Set<number> | undefined
  const inside: Scope = {
    takes: (name) => {
      captured ??= new Set()
      captured.add(idOf(name))
    },
    makes: (name) => {
      own ??= new Set()
      own.add(idOf(name))
    },
  }
  const outside: Scope = {
    takes: (name) => node.inputs.push(idOf(name)),
    makes: (name) => node.outputs.push(idOf(name)),
  }
  await walkNode(wire, field, calls, tally, outside, inside)
  if (captured === undefined) return node
  for (const id of own ?? []) captured.delete(id)
  return { ...node, captured }
}

/** Hears of the values that a node takes and makes; one without a name is none. */
type Scope = { takes(name: string): void; makes(name: string): void }

async function walkSubgraph(wire: Wire, graph: Field, calls: Calls, tally: Tally, inside?: Scope): Promise<void> {
  const makes = inside?.makes ?? (() => undefined)
  await walkMessage(wire, graph, graphFields, async (part) => {
    if (part.number === 1) await walkNode(wire, part, calls, tally, inside, inside)
    if (part.number === 5) makes(await walkTensor(wire, part, tally))
    if (part.number === 15) makes(await walkSparseTensor(wire, part, tally))
    if (part.number === 11 && inside !== undefined)
      inside.makes((await readDeclaredValue(wire, part, identifierLengthMax)).name)
  })
}

/** `scope`: of the node itself; `inside`: of the nodes in its subgraphs. */
async function walkNode(
  wire: Wire,
  node: Field,
  calls: Calls,
  tally: Tally,
  scope?: Scope,
  inside?: Scope,
): Promise<void> {
  const operator = { domain: '', name: '', overload: '' }
  const heard = async (part: Field, hear: (name: string) => void) => {
    const name = await readText(wire, part, identifierLengthMax)
    if (name !== '') hear(name)
  }
  await walkMessage(wire, node, nodeFields, async (part) => {
    if (part.number === 1 && scope !== undefined) await heard(part, scope.takes)
    if (part.number === 2 && scope !== undefined) await heard(part, scope.makes)
    if (part.number === 4) operator.name = await readText(wire, part, identifierLengthMax)
    if (part.number === 7) operator.domain = await readDomain(wire, part)
    if (part.number === 8) operator.overload = await readText(wire, part, identifierLengthMax)
    if (part.number === 5) await walkAttribute(wire, part, calls, tally, inside)
  })
  const key = operatorKey(operator)
  const known = calls.get(key)
  if (known === undefined) calls.set(key, { ...operator, count: 1 })
  else known.count += 1
  tally.nodes += 1
  if (tally.nodes > nodesMax) throw tooMany('nodes', nodesMax)
  if (calls.size > distinctOperatorsMax) throw tooMany('different operators', distinctOperatorsMax)
}

async function walkAttribute(wire: Wire, attribute: Field, calls: Calls, tally: Tally, inside?: Scope): Promise<void> {
  await walkMessage(wire, attribute, attributeFields, async (part) => {
    if (part.number === 5 || part.number === 10) await walkTensor(wire, part, tally)
    if (part.number === 22 || part.number === 23) await walkSparseTensor(wire, part, tally)
    if (part.number === 6 || part.number === 11) await walkSubgraph(wire, part, calls, tally, inside)
  })
}

/** A TensorProto; its name is returned. */
async function walkTensor(wire: Wire, tensor: Field, tally: Tally): Promise<string> {
  let name = ''
  let elements = 1
  let dataBytes = 0
  let external = false
  await walkMessage(wire, tensor, tensorFields, async (part) => {
    if (part.number === 1) elements *= await readDimensions(wire, part)
    else if (part.number === 8) name = await readText(wire, part, identifierLengthMax)
    else if (part.number === 13) external = true
    else if (part.number === 14) external ||= part.value !== 0
    else if (dataFields.has(part.number)) dataBytes += dataBytesOf(part)
  })
  if (external) {
    const hint = 'save the model as one file, with save_as_external_data=False'
    throw new OnnxError('external-data', `tensor '${name}' keeps its data in another file: ${hint}`)
  }
  if (elements > tensorElementsMax) {
    throw new OnnxError('too-complex', `tensor '${name}' says it has ${elements} values: export the model anew`)
  }
  if (elements > dataBytes * elementsPerByteMax) {
    const message = `tensor '${name}' says it has ${elements} values and holds ${dataBytes} bytes: export the model anew`
    throw new OnnxError('not-onnx', message)
  }
  tally.parameters += elements
  tally.tensorBytes += dataBytes
  return name
}

/** float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data. */
const dataFields = new Set([4, 5, 6, 7, 9, 10, 11])

/** A text or number given one by one counts with its tag: a text may be empty. */
function dataBytesOf(part: Field): number {
  const alone = part.number === 6
  return part.end - (alone ? part.tagStart : part.start)
}

/** A SparseTensorProto: values and indices are tensors, its dimensions are of what they unpack to. */
async function walkSparseTensor(wire: Wire, sparse: Field, tally: Tally): Promise<string> {
  let name = ''
  let elements = 1
  await walkMessage(wire, sparse, sparseTensorFields, async (part) => {
    if (part.number === 1) name = await walkTensor(wire, part, tally)
    if (part.number === 2) await walkTensor(wire, part, tally)
    if (part.number === 3) elements *= await readDimensions(wire, part)
  })
  if (elements > elementsMax) {
    const message = `sparse tensor '${name}' unpacks to ${elements} values: at most ${elementsMax} are taken, use a dense one`
    throw new OnnxError('too-complex', message)
  }
  return name
}

/** The product of the dimensions in this field. */
async function readDimensions(wire: Wire, part: Field): Promise<number> {
  let product = 1
  await walkIntegers(wire, part, (dimension) => {
    if (dimension < 0)
      throw new OnnxError('not-onnx', `a tensor has a dimension of ${dimension}: export the model anew`)
    product *= dimension
  })
  return product
}

async function declareValue(wire: Wire, part: Field, values: DeclaredValue[], nameLengthMax?: number): Promise<void> {
  values.push(await readDeclaredValue(wire, part, nameLengthMax))
  if (values.length > declaredValuesMax) throw tooMany('inputs, outputs or described values', declaredValuesMax)
}

function tooMany(what: string, bound: number): OnnxError {
  return new OnnxError('too-complex', `the model has more than ${bound} ${what}: simplify it before registering`)
}
