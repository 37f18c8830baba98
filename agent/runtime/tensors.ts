// Tensors between their JSON form (Open Inference Protocol v2, golden vectors) and onnxruntime's.
// Nothing is rounded on the way: 64-bit integers stay exact, a value that does not fit its type is refused.
// JSON has no NaN and no infinities: they are the texts "NaN", "Infinity" and "-Infinity", in and out.

import { type TensorSpec, type TensorType, tensorTypes } from '@roost/shared/bundle/tensor.ts'
import { Tensor } from 'onnxruntime-node'
import { fromHalfBits, toHalfBits } from './float16.ts'

/** What is wrong with a tensor that came in, in words for the sender. */
export class TensorError extends Error {
  override readonly name = 'TensorError'
}

/** As JSON brings it: `data` is unchecked, flat or nested as the shape says. Integers beyond 2^53 may be bigints. */
export type JsonTensor = { datatype: string; shape: readonly number[]; data?: unknown }

/** onnxruntime's word for each type. BF16 is missing in its Node binding: a model with it does not load. */
export const onnxTypes = {
  BOOL: 'bool',
  UINT8: 'uint8',
  UINT16: 'uint16',
  UINT32: 'uint32',
  UINT64: 'uint64',
  INT8: 'int8',
  INT16: 'int16',
  INT32: 'int32',
  INT64: 'int64',
  FP16: 'float16',
  FP32: 'float32',
  FP64: 'float64',
  BYTES: 'string',
} as const satisfies Partial<Record<TensorType, Tensor.Type>>

/** The protocol's word for an onnxruntime type; undefined for the few it has none for. */
export function datatypeOf(type: string): TensorType | undefined {
  return tensorTypes.find((datatype) => datatype !== 'BF16' && onnxTypes[datatype] === type)
}

const integerRanges = {
  UINT8: [0, 0xff],
  UINT16: [0, 0xffff],
  UINT32: [0, 0xffff_ffff],
  INT8: [-0x80, 0x7f],
  INT16: [-0x8000, 0x7fff],
  INT32: [-0x8000_0000, 0x7fff_ffff],
} as const

const bigRanges = {
  UINT64: [0n, 2n ** 64n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/** Builds the tensor for one model input.
 *  @throws TensorError if type, shape or an element does not fit the input */
export function readTensor(spec: TensorSpec, value: JsonTensor): Tensor {
  const { name, datatype } = spec
  if (value.datatype !== datatype) {
    throw new TensorError(`input '${name}' has datatype ${datatype}, not ${value.datatype.slice(0, 16)}`)
  }
  checkShape(spec, value.shape)
  const size = value.shape.reduce((product, dimension) => product * dimension, 1)
  const items = flatten(name, value, size)
  const data = elements(name, datatype, items)
  const tensor = new Tensor(onnxTypeOf(name, datatype), data, value.shape)
  // Where Node has a Float16Array, Tensor wraps the bits in one, and the native side of 1.30 takes that for empty.
  if (datatype === 'FP16') Reflect.set(tensor, 'cpuData', data)
  return tensor
}

function onnxTypeOf(name: string, datatype: TensorType): Tensor.Type {
  if (datatype === 'BF16') throw new TensorError(`input '${name}': BF16 cannot be fed here`)
  return onnxTypes[datatype]
}

function checkShape(spec: TensorSpec, shape: readonly number[]): void {
  const fits =
    shape.length === spec.shape.length &&
    shape.every((size, axis) => spec.shape[axis] === -1 || spec.shape[axis] === size)
  if (fits) return
  throw new TensorError(`input '${spec.name}' has shape [${spec.shape.join(', ')}], not [${shape.join(', ')}]`)
}

function flatten(name: string, { data, shape }: JsonTensor, size: number): readonly unknown[] {
  if (!Array.isArray(data)) throw new TensorError(`input '${name}': data must be an array`)
  if (!data.some(Array.isArray)) {
    if (data.length === size) return data
    throw new TensorError(`input '${name}' has ${data.length} elements, its shape says ${size}`)
  }
  const flat: unknown[] = []
  flattenAxis(name, data, shape, 0, flat)
  return flat
}

function flattenAxis(name: string, data: unknown, shape: readonly number[], axis: number, flat: unknown[]): void {
  if (axis === shape.length) {
    flat.push(data)
    return
  }
  if (!Array.isArray(data) || data.length !== shape[axis]) {
    throw new TensorError(`input '${name}': data is not nested as its shape says`)
  }
  for (const part of data) flattenAxis(name, part, shape, axis + 1, flat)
}

function elements(name: string, datatype: TensorType, items: readonly unknown[]): Tensor['data'] {
  switch (datatype) {
    case 'FP32':
      return floats(name, datatype, items, new Float32Array(items.length))
    case 'FP64':
      return floats(name, datatype, items, new Float64Array(items.length))
    case 'FP16':
      return halves(name, items)
    case 'INT64':
      return bigIntegers(name, datatype, items, new BigInt64Array(items.length))
    case 'UINT64':
      return bigIntegers(name, datatype, items, new BigUint64Array(items.length))
    case 'INT32':
      return integers(name, datatype, items, new Int32Array(items.length))
    case 'UINT32':
      return integers(name, datatype, items, new Uint32Array(items.length))
    case 'INT16':
      return integers(name, datatype, items, new Int16Array(items.length))
    case 'UINT16':
      return integers(name, datatype, items, new Uint16Array(items.length))
    case 'INT8':
      return integers(name, datatype, items, new Int8Array(items.length))
    case 'UINT8':
      return integers(name, datatype, items, new Uint8Array(items.length))
    case 'BOOL':
      return booleans(name, items)
    case 'BYTES':
      return texts(name, items)
    case 'BF16':
      throw new TensorError(`input '${name}': BF16 cannot be fed here`)
  }
}

function misfit(name: string, datatype: TensorType, item: unknown, index: number): TensorError {
  const text = typeof item === 'string' ? JSON.stringify(item.slice(0, 40)) : String(item).slice(0, 40)
  return new TensorError(`input '${name}': element ${index} (${text}) is not a ${datatype}`)
}

function readFloat(item: unknown): number | undefined {
  if (typeof item === 'number') return Number.isFinite(item) ? item : undefined // JSON's 1e400 arrives as Infinity
  if (typeof item === 'bigint') return Number(item)
  if (item === 'NaN') return Number.NaN
  if (item === 'Infinity') return Infinity
  if (item === '-Infinity') return -Infinity
  return undefined
}

function floats<Floats extends Float32Array | Float64Array>(
  name: string,
  datatype: TensorType,
  items: readonly unknown[],
  into: Floats,
): Floats {
  for (let i = 0; i < items.length; i++) {
    const item = items[i]
    const value = readFloat(item)
    if (value === undefined) throw misfit(name, datatype, item, i)
    into[i] = value
    if (typeof item !== 'string' && !Number.isFinite(into[i])) throw misfit(name, datatype, item, i)
  }
  return into
}

function halves(name: string, items: readonly unknown[]): Uint16Array {
  return Uint16Array.from(items, (item, i) => {
    const value = readFloat(item)
    const half = value === undefined ? undefined : toHalfBits(value)
    const overflows = half !== undefined && typeof item !== 'string' && (half & 0x7c00) === 0x7c00
    if (half === undefined || overflows) throw misfit(name, 'FP16', item, i)
    return half
  })
}

function integers<Integers extends Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array>(
  name: string,
  datatype: keyof typeof integerRanges,
  items: readonly unknown[],
  into: Integers,
): Integers {
  const [lowest, highest] = integerRanges[datatype]
  for (let i = 0; i < items.length; i++) {
    const item = items[i]
    const fits = typeof item === 'number' && Number.isInteger(item) && item >= lowest && item <= highest
    if (!fits) throw misfit(name, datatype, item, i)
    into[i] = item
  }
  return into
}

function bigIntegers<Integers extends BigInt64Array | BigUint64Array>(
  name: string,
  datatype: keyof typeof bigRanges,
  items: readonly unknown[],
  into: Integers,
): Integers {
  const [lowest, highest] = bigRanges[datatype]
  for (let i = 0; i < items.length; i++) {
    const item = items[i]
    const value = readBigInteger(item)
    if (value === undefined || value < lowest || value > highest) throw misfit(name, datatype, item, i)
    into[i] = value
  }
  return into
}

function readBigInteger(item: unknown): bigint | undefined {
  if (typeof item === 'bigint') return item
  if (typeof item === 'number') return Number.isInteger(item) ? BigInt(item) : undefined
  return typeof item === 'string' && /^-?\d{1,20}$/.test(item) ? BigInt(item) : undefined
}

function booleans(name: string, items: readonly unknown[]): Uint8Array {
  return Uint8Array.from(items, (item, i) => {
    if (item !== true && item !== false && item !== 0 && item !== 1) throw misfit(name, 'BOOL', item, i)
    return Number(item)
  })
}

function texts(name: string, items: readonly unknown[]): string[] {
  return items.map((item, i) => {
    if (typeof item !== 'string') throw misfit(name, 'BYTES', item, i)
    return item
  })
}

/** The elements of a tensor as JavaScript has them: FP16 as numbers, BOOL as 0 and 1, 64-bit integers as bigints. */
export function elementsOf(tensor: Tensor): ArrayLike<number | bigint | string> {
  const { data } = tensor
  if (tensor.type !== 'float16') return data
  const words = halfWords(data)
  return Float64Array.from(words, fromHalfBits)
}

export function halfWords(data: Tensor['data']): Uint16Array {
  if (data instanceof Uint16Array) return data
  // A Float16Array where this Node has one: the same bits under another view.
  if (ArrayBuffer.isView(data)) return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2)
  throw new TypeError('a half-precision tensor without bits')
}

/** The `data` of a tensor as JSON text. */
export function dataText(tensor: Tensor): string {
  if (tensor.type === 'string') return JSON.stringify(tensor.data)
  if (tensor.type === 'bool') return `[${Array.from(elementsOf(tensor), (item) => item !== 0).join(',')}]`
  const items = elementsOf(tensor)
  if (items instanceof Float32Array || items instanceof Float64Array) return floatsText(items)
  return `[${Array.prototype.join.call(items, ',')}]`
}

function floatsText(items: Float32Array | Float64Array): string {
  const text = `[${items.join(',')}]`
  return /[NI]/.test(text) ? text.replace(/-?Infinity|NaN/g, '"$&"') : text
}
