// Which columns a tensor is watched through, and how its rows become values of them.
// A table row is watched element by element, an image or a stretch of audio through a few statistics of it.

import type { TensorSpec } from '../bundle/tensor.ts'

/** Rows of up to this many elements are watched element by element. */
export const elementsMax = 64

/** What a tensor's column is fed into: a ColumnRecorder, or whatever collects values for a baseline. */
export type ColumnSink = { record(value: number): void }

/** A tensor's data as runtimes and JSON hand it over, row-major. FP16 and BF16 as their bits are Uint16Array. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | ArrayLike<number | bigint | boolean | string>

export interface TensorWatcher {
  /** One sink each, in this order, is what `watch` wants. */
  readonly columns: readonly string[]
  /** Feeds every row into the sinks. `shape` is the shape this tensor came with. A tensor that does not divide into rows
   *  of the specified size is not watched at all (no model takes it): returns the number of rows fed. */
  watch(data: TensorData, shape: readonly number[], sinks: readonly ColumnSink[]): number
}

/** The columns of a tensor. The first dimension is the batch when it is open (-1) or 1; of the rest:
 *  - one element: `name`; up to 64 elements: `name[0]`, `name[1]`, … (flat, row-major);
 *  - `featureNames`, one for each element, take their place, however many they are;
 *  - more than 64, or of open size: `name.mean`, `name.deviation`, `name.min`, `name.max` of each row;
 *  - BYTES: none. Texts have no place on a numeric scale, and a baseline holds numbers only. */
export function tensorColumns(spec: TensorSpec, featureNames?: readonly string[]): string[] {
  if (spec.datatype === 'BYTES') return []
  const elements = rowElements(spec)
  if (featureNames !== undefined && featureNames.length === elements) return [...featureNames]
  if (elements === null || elements > elementsMax) return statistics.map((statistic) => `${spec.name}.${statistic}`)
  return elements === 1 ? [spec.name] : Array.from({ length: elements }, (_, i) => `${spec.name}[${i}]`)
}

const statistics = ['mean', 'deviation', 'min', 'max'] as const

/** Compiles the way from a tensor to its columns; `watch` allocates nothing. */
export function createTensorWatcher(spec: TensorSpec, featureNames?: readonly string[]): TensorWatcher {
  const columns = tensorColumns(spec, featureNames)
  const batched = hasBatch(spec)
  const elements = rowElements(spec)
  const byStatistics = elements === null || columns.length !== elements
  const decode = bitsDecoder(spec)
  return {
    columns,
    watch(data, shape, sinks) {
      if (columns.length === 0 || data.length === 0) return 0
      const rows = batched ? (shape[0] ?? 1) : 1
      const size = elements ?? data.length / rows
      if (rows * size !== data.length || !Number.isInteger(size) || sinks.length !== columns.length) return 0
      const toNumber = decode !== null && data instanceof Uint16Array ? decode : asNumber
      if (byStatistics) for (let row = 0; row < rows; row++) recordStatistics(data, row * size, size, toNumber, sinks)
      else if (isPlain(data)) recordPlain(data, size, sinks)
      else recordElements(data, size, toNumber, sinks)
      return rows
    },
  }
}

function hasBatch({ shape }: TensorSpec): boolean {
  return shape[0] === -1 || shape[0] === 1
}

/** Elements of one row; null where a dimension other than the batch is open. */
function rowElements(spec: TensorSpec): number | null {
  const rest = hasBatch(spec) ? spec.shape.slice(1) : spec.shape
  return rest.includes(-1) ? null : rest.reduce((product, size) => product * size, 1)
}

type ToNumber = (value: number | bigint | boolean | string | undefined) => number

/** true is 1, text is read as a number (64-bit integers in JSON); beyond 2^53 the nearest double. */
function asNumber(value: number | bigint | boolean | string | undefined): number {
  return typeof value === 'number' ? value : Number(value)
}

/** Arrays whose elements are doubles or small integers already: the fast way. */
function isPlain(data: TensorData): data is Float32Array | Float64Array | Int32Array {
  return data instanceof Float32Array || data instanceof Float64Array || data instanceof Int32Array
}

function recordPlain(data: Float32Array | Float64Array | Int32Array, size: number, sinks: readonly ColumnSink[]): void {
  for (let start = 0; start < data.length; start += size) {
    for (let i = 0; i < size; i++) sinks[i]?.record(data[start + i] ?? Number.NaN)
  }
}

function recordElements(data: TensorData, size: number, toNumber: ToNumber, sinks: readonly ColumnSink[]): void {
  for (let start = 0; start < data.length; start += size) {
    for (let i = 0; i < size; i++) sinks[i]?.record(toNumber(data[start + i]))
  }
}

/** Mean, population deviation, least and greatest of the row's finite elements; missing when there are none. */
function recordStatistics(
  data: TensorData,
  start: number,
  size: number,
  toNumber: ToNumber,
  sinks: readonly ColumnSink[],
): void {
  let count = 0
  // Sums of differences to the row's first element: no digits are lost where a row is far from zero.
  let origin = 0
  let sum = 0
  let sumSquares = 0
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (let i = start; i < start + size; i++) {
    const value = toNumber(data[i])
    if (value - value !== 0) continue
    if (count === 0) origin = value
    const offset = value - origin
    sum += offset
    sumSquares += offset * offset
    if (value < min) min = value
    if (value > max) max = value
    count++
  }
  const mean = sum / count
  sinks[0]?.record(origin + mean)
  sinks[1]?.record(Math.sqrt(Math.max(0, sumSquares / count - mean * mean)))
  sinks[2]?.record(min)
  sinks[3]?.record(max)
}

function bitsDecoder({ datatype }: TensorSpec): ToNumber | null {
  if (datatype === 'FP16') return (bits) => half(asNumber(bits))
  if (datatype === 'BF16') return (bits) => brainFloat(asNumber(bits))
  return null
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

const brainBits = new Uint32Array(1)
const brainValue = new Float32Array(brainBits.buffer)

/** bfloat16: the upper half of a binary32. */
function brainFloat(bits: number): number {
  brainBits[0] = bits << 16
  return brainValue[0] ?? Number.NaN
}
