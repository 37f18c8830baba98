// Writes small ONNX models. The same parts give the same bytes, so a model's sha256 can be compared between runs.

import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf'
import {
  AttributeProto_AttributeType,
  type AttributeProtoSchema,
  type FunctionProtoSchema,
  type GraphProtoSchema,
  ModelProtoSchema,
  type NodeProtoSchema,
  type TensorProtoSchema,
  type TrainingInfoProtoSchema,
  type ValueInfoProtoSchema,
} from 'onnx-buf'

/** The fields of a message as a plain object. */
type Fields<Schema extends DescMessage> = Exclude<MessageInitShape<Schema>, MessageShape<Schema>>

export type Node = Fields<typeof NodeProtoSchema>
export type Graph = Fields<typeof GraphProtoSchema>
export type Tensor = Fields<typeof TensorProtoSchema>
export type Attribute = Fields<typeof AttributeProtoSchema>
export type Value = Fields<typeof ValueInfoProtoSchema>
export type FunctionBody = Fields<typeof FunctionProtoSchema>
/** A name where the dimension is open. */
export type Dimension = number | string

/** TensorProto.DataType */
export const elementTypes = { float: 1, int64: 7, string: 8, bool: 9, double: 11 } as const
export type ElementType = keyof typeof elementTypes

export type ModelParts = {
  graph: Graph
  functions?: FunctionBody[]
  training?: Fields<typeof TrainingInfoProtoSchema>[]
  /** Beside ai.onnx 17. */
  domains?: string[]
}

/** ONNX IR 8 with opset 17: read by every onnxruntime since 1.12. */
export function encodeModel({ graph, functions = [], training = [], domains = [] }: ModelParts): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: 8n,
    producerName: 'roost-demo',
    opsetImport: [{ domain: '', version: 17n }, ...domains.map((domain) => ({ domain, version: 1n }))],
    graph,
    functions,
    trainingInfo: training,
  })
  return toBinary(ModelProtoSchema, model)
}

export function node(
  opType: string,
  input: string[],
  output: string[],
  attribute: Attribute[] = [],
  domain = '',
): Node {
  return { opType, input, output, attribute, ...(domain !== '' && { domain }) }
}

/** A graph input or output. */
export function value(name: string, type: ElementType, dimensions: Dimension[]): Value {
  const dim = dimensions.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue' as const, value: BigInt(size) }
        : { case: 'dimParam' as const, value: size },
  }))
  return { name, type: { value: { case: 'tensorType', value: { elemType: elementTypes[type], shape: { dim } } } } }
}

export function floats(name: string, dimensions: number[], values: ArrayLike<number>): Tensor {
  return {
    name,
    dataType: elementTypes.float,
    dims: dimensions.map(BigInt),
    rawData: littleEndian(Float32Array.from(values)),
  }
}

export function integers(name: string, dimensions: number[], values: bigint[]): Tensor {
  return {
    name,
    dataType: elementTypes.int64,
    dims: dimensions.map(BigInt),
    rawData: littleEndian(BigInt64Array.from(values)),
  }
}

export function truths(name: string, dimensions: number[], values: boolean[]): Tensor {
  return { name, dataType: elementTypes.bool, dims: dimensions.map(BigInt), rawData: Uint8Array.from(values, Number) }
}

export function intAttribute(name: string, i: bigint): Attribute {
  return { name, type: AttributeProto_AttributeType.INT, i }
}

export function tensorAttribute(name: string, t: Tensor): Attribute {
  return { name, type: AttributeProto_AttributeType.TENSOR, t }
}

export function graphAttribute(name: string, g: Graph): Attribute {
  return { name, type: AttributeProto_AttributeType.GRAPH, g }
}

/** ONNX raw data is little endian; so are the processors Node runs on here (x64, arm64). */
function littleEndian(values: Float32Array<ArrayBuffer> | BigInt64Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
