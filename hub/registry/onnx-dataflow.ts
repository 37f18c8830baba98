// How values flow through the main graph of an ONNX file: whether every one is made once, before it is used and not out
// of itself, and how many bytes of them are alive at once. Names are numbers here; tensor data are never looked at.

import { OnnxError } from './onnx-error.ts'
import type { DeclaredValue } from './onnx-types.ts'

/** `captured`: what the node's subgraphs take from outside themselves, as far as it is known there. */
export type FlowNode = { inputs: number[]; outputs: number[]; captured: ReadonlySet<number> }
/** Of the many nodes without subgraphs: one set for each would be most of what a large graph takes. */
export const noneCaptured: ReadonlySet<number> = new Set()

export type Dataflow = {
  idOf(name: string): number
  nameOf(id: number): string
  nodes: FlowNode[]
  /** Shapes of values between nodes (value_info), as far as the file states them. */
  declared: DeclaredValue[]
}

export function emptyDataflow(): Dataflow {
  const ids = new Map<string, number>()
  const names: string[] = []
  return {
    idOf: (name) => {
      const known = ids.get(name)
      if (known !== undefined) return known
      ids.set(name, names.length)
      return names.push(name) - 1
    },
    nameOf: (id) => names[id] ?? '',
    nodes: [],
    declared: [],
  }
}

/** The nodes in an order in which each comes after those whose outputs it takes: that of the file, where it is one.
 *  @param given names that have a value without a node: inputs and initializers
 *  @throws OnnxError not-onnx, cyclic-graph */
export function executionOrder(flow: Dataflow, given: ReadonlySet<string>): number[] {
  const makers = makersOf(flow, given)
  const isInOrder = flow.nodes.every((node, i) => takenBy(node).every((id) => (makers.get(id) ?? -1) < i))
  if (isInOrder) return flow.nodes.map((_, i) => i)
  const waitsFor = flow.nodes.map((node) => {
    const before = takenBy(node).flatMap((id) => makers.get(id) ?? [])
    return new Set(before)
  })
  return sorted(flow, waitsFor)
}

/** Which node makes which value.
 *  @throws OnnxError not-onnx where two do, or a value that is taken is made by none */
function makersOf(flow: Dataflow, given: ReadonlySet<string>): Map<number, number> {
  const makers = new Map<number, number>()
  for (const [i, { outputs }] of flow.nodes.entries()) {
    for (const id of outputs) {
      const name = flow.nameOf(id)
      if (makers.has(id) || given.has(name)) {
        throw new OnnxError('not-onnx', `the value '${name}' is made twice: export the model anew`)
      }
      makers.set(id, i)
    }
  }
  for (const { inputs } of flow.nodes) {
    const missing = inputs.find((id) => !makers.has(id) && !given.has(flow.nameOf(id)))
    if (missing !== undefined) {
      const name = flow.nameOf(missing)
      throw new OnnxError('not-onnx', `the value '${name}' is taken by a node and made by none: export the model anew`)
    }
  }
  return makers
}

const takenBy = ({ inputs, captured }: FlowNode): number[] => (captured.size === 0 ? inputs : [...inputs, ...captured])

/** Kahn's algorithm.
 *  @throws OnnxError cyclic-graph */
function sorted(flow: Dataflow, waitsFor: readonly ReadonlySet<number>[]): number[] {
  const open = waitsFor.map(({ size }) => size)
  const next: number[][] = waitsFor.map(() => [])
  for (const [i, before] of waitsFor.entries()) for (const maker of before) next[maker]?.push(i)
  const order = open.flatMap((count, i) => (count === 0 ? [i] : []))
  for (let at = 0; at < order.length; at++) {
    for (const i of next[order[at] ?? 0] ?? []) {
      open[i] = (open[i] ?? 0) - 1
      if (open[i] === 0) order.push(i)
    }
  }
  if (order.length === waitsFor.length) return order
  const stuck = flow.nodes[open.findIndex((count) => count > 0)]?.outputs.map((id) => `'${flow.nameOf(id)}'`)
  const message = `the graph runs in a circle through the node that makes ${stuck?.join(', ')}: export the model anew`
  throw new OnnxError('cyclic-graph', message)
}

export type Activations = {
  /** The most that values between nodes take at once, open dimensions being 1; of those whose shape is stated. */
  bytes: number
  /** Values whose shape the file does not state. */
  unknown: number
}

/** Peak of what is alive, node after node in `order`: a value lives from the node that makes it to the last that takes
 *  it; inputs and outputs of the model live throughout their use by the caller. */
export function peakActivations(
  flow: Dataflow,
  order: readonly number[],
  inputs: readonly DeclaredValue[],
  outputs: readonly DeclaredValue[],
): Activations {
  const sizes = new Map<number, number>()
  for (const value of [...flow.declared, ...inputs, ...outputs]) {
    const size = bytesOf(value)
    if (size !== undefined) sizes.set(flow.idOf(value.name), size)
  }
  const kept = new Set(outputs.map(({ name }) => flow.idOf(name)))
  const lastUse = new Map<number, number>()
  for (const [at, i] of order.entries()) {
    const node = flow.nodes[i]
    if (node !== undefined) for (const id of [...node.outputs, ...takenBy(node)]) lastUse.set(id, at)
  }
  const made = new Set<number>()
  let live = inputs.reduce((sum, { name }) => sum + (sizes.get(flow.idOf(name)) ?? 0), 0)
  let peak = live
  let unknown = 0
  for (const [at, i] of order.entries()) {
    const node = flow.nodes[i]
    if (node === undefined) continue
    for (const id of node.outputs) {
      made.add(id)
      live += sizes.get(id) ?? 0
      if (!sizes.has(id)) unknown += 1
    }
    peak = Math.max(peak, live)
    for (const id of new Set([...node.outputs, ...takenBy(node)])) {
      if (made.has(id) && !kept.has(id) && lastUse.get(id) === at) live -= sizes.get(id) ?? 0
    }
  }
  return { bytes: Math.min(peak, Number.MAX_SAFE_INTEGER), unknown }
}

/** By TensorProto.DataType; a text is a std::string. Sub-byte types are taken for a byte. */
const elementBytes: Readonly<Record<number, number>> = {
  1: 4,
  4: 2,
  5: 2,
  6: 4,
  7: 8,
  8: 32,
  10: 2,
  11: 8,
  12: 4,
  13: 8,
  14: 8,
  15: 16,
  16: 2,
}

function bytesOf({ kind, element, shape }: DeclaredValue): number | undefined {
  if (kind !== 'tensor' || shape === undefined) return undefined
  if (shape.includes(0)) return 0
  const elements = shape.reduce((product, size) => product * (size < 0 ? 1 : size), 1)
  return Math.min(elements * (elementBytes[element] ?? 1), Number.MAX_SAFE_INTEGER)
}
