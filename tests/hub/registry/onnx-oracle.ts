// What the generated protobuf code of onnx-buf makes of an ONNX file: the reference for the hub's own reader.

import { type DescField, type DescMessage, fromBinary, ScalarType } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { type GraphProto, ModelProtoSchema, type NodeProto, type TensorProto, type TypeProto } from 'onnx-buf'
import type { RandomAccess } from '../../../hub/registry/protobuf.ts'

/** Counts the bytes asked for. */
export function inMemory(bytes: Uint8Array): RandomAccess & { bytesRead: () => number } {
  let bytesRead = 0
  async function read(offset: number, length: number) {
    if (offset < 0 || offset + length > bytes.length) throw new RangeError(`read of ${length} at ${offset}`)
    bytesRead += length
    return bytes.subarray(offset, offset + length)
  }
  return { sizeBytes: bytes.length, read, bytesRead: () => bytesRead }
}

/** The parts of a summary that do not depend on what is allowed; shapes as they stand, types as numbers. */
export function oracleSummary(bytes: Uint8Array) {
  const model = fromBinary(ModelProtoSchema, bytes)
  const operators = new Map<string, number>()
  const tensors: TensorProto[] = []

  function walkGraph(graph: GraphProto | undefined): void {
    tensors.push(...(graph?.initializer ?? []))
    for (const { values, indices } of graph?.sparseInitializer ?? []) {
      tensors.push(...[values, indices].filter((tensor) => tensor !== undefined))
    }
    walkNodes(graph?.node ?? [])
  }
  function walkNodes(nodes: NodeProto[]): void {
    for (const { domain, opType, attribute } of nodes) {
      const key = `${spoken(domain)} ${opType}`
      operators.set(key, 1 + (operators.get(key) ?? 0))
      for (const { t, tensors: list, g, graphs, sparseTensor, sparseTensors } of attribute) {
        for (const sparse of [sparseTensor, ...sparseTensors])
          tensors.push(...[sparse?.values, sparse?.indices].filter((x) => x !== undefined))
        tensors.push(...list, ...(t === undefined ? [] : [t]))
        for (const graph of [g, ...graphs]) walkGraph(graph)
      }
    }
  }
  walkGraph(model.graph)
  for (const { initialization, algorithm } of model.trainingInfo)
    for (const graph of [initialization, algorithm]) walkGraph(graph)
  for (const { node } of model.functions) walkNodes(node)

  const initializers = [
    ...(model.graph?.initializer ?? []).map(({ name }) => name),
    ...(model.graph?.sparseInitializer ?? []).map(({ values }) => values?.name),
  ]
  return {
    irVersion: Number(model.irVersion),
    producer: { name: model.producerName, version: model.producerVersion },
    opsets: Object.fromEntries(model.opsetImport.map(({ domain, version }) => [spoken(domain), Number(version)])),
    inputs: (model.graph?.input ?? [])
      .filter(({ name }) => !initializers.includes(name))
      .map(({ name, type }) => ({ name, shape: shapeOf(type) })),
    outputs: (model.graph?.output ?? []).map(({ name, type }) => ({ name, shape: shapeOf(type) })),
    operators: Object.fromEntries([...operators].sort()),
    parameters: tensors.reduce((sum, { dims }) => sum + dims.reduce((product, size) => product * Number(size), 1), 0),
  }
}

function shapeOf(type: TypeProto | undefined): number[] | undefined {
  if (type?.value.case !== 'tensorType') return undefined
  return type.value.value.shape?.dim.map(({ value }) => (value.case === 'dimValue' ? Number(value.value) : -1))
}

function spoken(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain
}

/** Whether every message ends where it says and every known field is written as its type is. The generated code checks
 *  neither, the C++ parser in onnxruntime both; the hub's reader does for all it does not step over. */
export function isWellFormed(bytes: Uint8Array, message: DescMessage = ModelProtoSchema): boolean {
  try {
    const reader = new BinaryReader(bytes)
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag()
      const field = message.fields.find((known) => known.number === number)
      if (field !== undefined && !wiresOf(field).includes(wire)) return false
      if (field?.message === undefined) reader.skip(wire, number)
      else if (!isWellFormed(reader.bytes(), field.message)) return false
    }
    return reader.pos === reader.len
  } catch {
    return false
  }
}

function wiresOf(field: DescField): WireType[] {
  const scalar =
    field.fieldKind === 'enum' || (field.fieldKind === 'list' && field.listKind === 'enum')
      ? ScalarType.INT32
      : field.scalar
  if (scalar === undefined || scalar === ScalarType.STRING || scalar === ScalarType.BYTES)
    return [WireType.LengthDelimited]
  const wire =
    scalar === ScalarType.FLOAT ? WireType.Bit32 : scalar === ScalarType.DOUBLE ? WireType.Bit64 : WireType.Varint
  return field.fieldKind === 'list' ? [wire, WireType.LengthDelimited] : [wire]
}
