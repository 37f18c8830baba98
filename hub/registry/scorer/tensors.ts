// Tensors between their JSON form and onnxruntime's. The hub has checked what comes in against the model's inputs.

import type { TensorType, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { Tensor } from 'onnxruntime-node'

/** onnxruntime's word for each type it has tensors of. */
const onnxTypes = new Map<TensorType, Tensor.Type>([
  ['BOOL', 'bool'],
  ['UINT8', 'uint8'],
  ['UINT16', 'uint16'],
  ['UINT32', 'uint32'],
  ['UINT64', 'uint64'],
  ['INT8', 'int8'],
  ['INT16', 'int16'],
  ['INT32', 'int32'],
  ['INT64', 'int64'],
  ['FP16', 'float16'],
  ['FP32', 'float32'],
  ['FP64', 'float64'],
  ['BYTES', 'string'],
])

export function datatypeOf(type: string): TensorType | undefined {
  for (const [datatype, onnxType] of onnxTypes) if (onnxType === type) return datatype
  return undefined
}

/** @throws Error when a value is none of its type */
export function toTensor({ datatype, shape, data }: TensorValue): Tensor {
  switch (datatype) {
    case 'BYTES':
      return new Tensor('string', data.map(String), shape)
    case 'BOOL':
      return new Tensor('bool', data.map(Boolean), shape)
    case 'INT64':
      return new Tensor('int64', BigInt64Array.from(data, BigInt), shape)
    case 'UINT64':
      return new Tensor('uint64', BigUint64Array.from(data, BigInt), shape)
    case 'BF16':
      throw new TypeError('onnxruntime-node has no bfloat16')
    case 'FP16':
      return withBits(new Tensor('float16', data.map(Number), shape))
    default:
      // Number also reads the texts for what is not finite.
      return new Tensor(onnxTypes.get(datatype) ?? 'float32', data.map(Number), shape)
  }
}

/** onnxruntime-node 1.30 takes halves as bits only: the Float16Array that Tensor makes where Node has one is empty to it
 *  ("not enough space: expected 4, got 0", https://github.com/microsoft/onnxruntime/pull/32323). */
function withBits(tensor: Tensor): Tensor {
  const halves = tensor.data
  if (!ArrayBuffer.isView(halves)) throw new TypeError('a half-precision tensor without bits')
  return Object.defineProperty(tensor, 'data', {
    value: new Uint16Array(halves.buffer, halves.byteOffset, tensor.size),
  })
}

/** What an output is in JSON: texts for integers beyond 2^53 and for what is not finite.
 *  @throws TypeError for a type that has no name in JSON */
export function toValue(tensor: Tensor): TensorValue {
  const datatype = datatypeOf(tensor.type)
  if (datatype === undefined) throw new TypeError(`an output is of ${tensor.type}`)
  return {
    datatype,
    shape: [...tensor.dims],
    data: Array.from<number | bigint | string, JsonElement>(tensor.data, (x) => toJson(x, datatype)),
  }
}

type JsonElement = TensorValue['data'][number]

function toJson(element: number | bigint | string, datatype: TensorType): JsonElement {
  if (datatype === 'BOOL') return element !== 0
  if (typeof element === 'bigint') return Number.isSafeInteger(Number(element)) ? Number(element) : String(element)
  return typeof element === 'number' && !Number.isFinite(element) ? String(element) : element
}
