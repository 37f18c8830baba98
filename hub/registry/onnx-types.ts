// ONNX value types: how an input or output is declared in the file, and what that is in Roost's words.
// Field numbers and codes: onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).

import type { TensorSpec, TensorType } from '@roost/shared/bundle/tensor.ts'
import { OnnxError } from './onnx-error.ts'
import { dimensionFields, shapeFields, tensorTypeFields, typeFields, valueFields } from './onnx-schema.ts'
import { type Field, readText, type Wire, walkMessage } from './protobuf.ts'

const valueNameLengthMax = 256
const rankMax = 16
/** Elements of one input or output whose open dimensions are 1: 256 MiB of FP32. */
export const elementsMax = 2 ** 26

/** TensorProto.DataType, where onnxruntime-node has tensors of it. */
const tensorTypes: Record<number, TensorType> = {
  1: 'FP32',
  2: 'UINT8',
  3: 'INT8',
  4: 'UINT16',
  5: 'INT16',
  6: 'INT32',
  7: 'INT64',
  8: 'BYTES',
  9: 'BOOL',
  10: 'FP16',
  11: 'FP64',
  12: 'UINT32',
  13: 'UINT64',
}
const otherElements: Record<number, string> = {
  14: 'complex64',
  15: 'complex128',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  18: 'float8e4m3fnuz',
  19: 'float8e5m2',
  20: 'float8e5m2fnuz',
  21: 'uint4',
  22: 'int4',
  23: 'float4e2m1',
  24: 'float8e8m0',
  25: 'uint2',
  26: 'int2',
}
/** The fields of TypeProto.value. */
const otherKinds: Record<number, string> = {
  4: 'sequence',
  5: 'map',
  7: 'opaque value',
  8: 'sparse tensor',
  9: 'optional',
}

/** A ValueInfoProto as it stands in the file. `kind`: 'tensor', or what it is instead. */
export type DeclaredValue = { name: string; kind: string | undefined; element: number; shape: number[] | undefined }

/** @throws WireError, OnnxError */
export async function readDeclaredValue(
  wire: Wire,
  field: Field,
  nameLengthMax = valueNameLengthMax,
): Promise<DeclaredValue> {
  const value: DeclaredValue = { name: '', kind: undefined, element: 0, shape: undefined }
  await walkMessage(wire, field, valueFields, async (part) => {
    if (part.number === 1) value.name = await readText(wire, part, nameLengthMax)
    if (part.number === 2) await readType(wire, part, value)
  })
  return value
}

/** What the manifest says about a declared input or output.
 *  @throws OnnxError `unsupported-type` or `too-complex` */
export function tensorSpec(role: 'input' | 'output', value: DeclaredValue): TensorSpec {
  const what = `${role} '${value.name}'`
  if (value.kind !== 'tensor') {
    const kind = value.kind === undefined ? 'has no type' : `is a ${value.kind}`
    const hint = role === 'output' ? ' (skl2onnx: options={"zipmap": False})' : ''
    throw new OnnxError('unsupported-type', `${what} ${kind}: export the model so that it is a tensor${hint}`)
  }
  const datatype = tensorTypes[value.element]
  if (datatype === undefined) {
    const element = otherElements[value.element] ?? `unknown type ${value.element}`
    throw new OnnxError('unsupported-type', `${what} is of ${element}: cast it to FP32 or FP16 inside the model`)
  }
  if (value.shape === undefined) {
    const hint = 'state it at export or run onnx.shape_inference.infer_shapes; single dimensions may stay open'
    throw new OnnxError('unsupported-type', `${what} has no shape: ${hint}`)
  }
  const elements = value.shape.reduce((product, dimension) => product * Math.abs(dimension), 1)
  if (elements > elementsMax) {
    throw new OnnxError('too-complex', `${what} has ${elements} elements: make it at most ${elementsMax}`)
  }
  return { name: value.name, datatype, shape: value.shape }
}

async function readType(wire: Wire, type: Field, value: DeclaredValue): Promise<void> {
  await walkMessage(wire, type, typeFields, async (part) => {
    if (part.number === 1) await readTensorType(wire, part, value)
    value.kind = part.number === 1 ? 'tensor' : (otherKinds[part.number] ?? value.kind)
  })
}

async function readTensorType(wire: Wire, type: Field, value: DeclaredValue): Promise<void> {
  await walkMessage(wire, type, tensorTypeFields, async (part) => {
    if (part.number === 1) value.element = part.value
    if (part.number === 2) value.shape = await readShape(wire, part, value.shape ?? [])
  })
}

async function readShape(wire: Wire, shape: Field, dimensions: number[]): Promise<number[]> {
  await walkMessage(wire, shape, shapeFields, async (part) => {
    if (part.number === 1) dimensions.push(await readDimension(wire, part))
    if (dimensions.length > rankMax) {
      throw new OnnxError('too-complex', `an input, output or value has more than ${rankMax} dimensions: reshape it`)
    }
  })
  return dimensions
}

/** A dimension with a name, or with neither name nor value, is open; so is a negative one, which some exporters write. */
async function readDimension(wire: Wire, dimension: Field): Promise<number> {
  let size = -1
  await walkMessage(wire, dimension, dimensionFields, async (part) => {
    if (part.number === 1) size = Math.max(-1, part.value)
    if (part.number === 2) size = -1
  })
  return size
}
