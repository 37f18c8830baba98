// What a primary's runtime hands to a shadow's, by way of the control process: inputs, what it answered to those that
// were drawn, and the records in between that the windows of the candidate's features need.

import { DeploymentName, Digest } from '@roost/shared/protocol/names.ts'
import { Tensor } from 'onnxruntime-node'
import { z } from 'zod'
import type { Tensors } from '../session.ts'
import { halfWords, onnxTypes } from '../tensors.ts'

/** Entries and, about, bytes of one message: so much is serialised at a time, while the primary answers nobody. */
export const batchEntriesMax = 64
export const batchBytesMax = 262_144
/** One entry that is longer is dropped. */
export const entryBytesMax = 4_194_304

/** As many as feature definitions may read, and some. */
const fieldsMax = 1024

const Count = z.number().int().nonnegative()

const tensorTypeNames = Object.values(onnxTypes)
export const SentTensor = z.object({
  type: z.enum(tensorTypeNames),
  dims: z.array(Count).max(16),
  data: z.custom<Tensor['data']>(
    (value) => (ArrayBuffer.isView(value) && !(value instanceof DataView)) || isTexts(value),
    'a typed array or texts',
  ),
})
export type SentTensor = z.infer<typeof SentTensor>

const SentTensors = z.record(z.string(), SentTensor)
export type SentTensors = z.infer<typeof SentTensors>

/** The primary's answer; no `outputs` where it failed. `positive`: what it decided, where its version has a task. `pair`: by
 *  which a label that comes later names it. */
export const Answer = z.object({
  outputs: SentTensors.optional(),
  positive: z.boolean().optional(),
  label: z.boolean().optional(),
  pair: Count.optional(),
})
export type Answer = z.infer<typeof Answer>

/** The true answer to an input that was handed over before. */
export const LateLabel = z.object({ pair: Count, label: z.boolean() })
export type LateLabel = z.infer<typeof LateLabel>

/** What a field of a record may hold for the feature definitions; all else reads as missing. */
export type Cell = string | number | boolean | null

/** A record (its cells, in the order of the batch's `fields`) or tensors; without an answer it was not drawn, and only the
 *  windows of the features take it. Or a label. */
export const Entry = z.object({
  record: z.custom<Cell[]>(areCells, 'plain values').optional(),
  feeds: SentTensors.optional(),
  answer: Answer.optional(),
  late: LateLabel.optional(),
})
export type Entry = z.infer<typeof Entry>

/** `fields`: of its records. `gap`: records before these are missing. `dropped`: drawn inputs that are. `primary`: the manifest that answered. */
export const Batch = z.object({
  deployment: DeploymentName,
  primary: Digest,
  fields: z.array(z.string()).max(fieldsMax),
  gap: z.boolean(),
  dropped: Count,
  entries: z.array(Entry).max(batchEntriesMax),
})
export type Batch = z.infer<typeof Batch>

/** How one deployment's inferences go to its shadow. `records`: the fields its features read, where it takes records. */
export const TapSpec = z.object({
  deployment: DeploymentName,
  sample: z.number().min(0).max(1),
  records: z.array(z.string()).max(fieldsMax).optional(),
  tensors: z.boolean(),
})
export type TapSpec = z.infer<typeof TapSpec>

/** References to the tensors' data, not copies. */
export function sentTensors(tensors: Tensors): SentTensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, sentTensor(tensor)]))
}

function sentTensor({ type, dims, data }: Tensor): SentTensor {
  const known = tensorTypeNames.find((name) => name === type)
  if (known === undefined) throw new TypeError(`a tensor of type ${type}`)
  return { type: known, dims: [...dims], data: type === 'float16' ? halfWords(data) : data }
}

/** @throws TypeError, RangeError where the data is not what type and dims say */
export function receivedTensors(sent: SentTensors): Tensors {
  const tensors: Record<string, Tensor> = Object.create(null)
  for (const [name, { type, dims, data }] of Object.entries(sent)) {
    const tensor = new Tensor(type, data, dims)
    // See readTensor.
    if (type === 'float16') Reflect.set(tensor, 'cpuData', data)
    tensors[name] = tensor
  }
  return tensors
}

export const bytesOf = (tensors: SentTensors): number =>
  Object.values(tensors).reduce(
    (sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : textBytes(data)),
    0,
  )

const textBytes = (texts: ArrayLike<unknown>) =>
  Array.from(texts).reduce<number>((sum, text) => sum + String(text).length, 0)

const isTexts = (value: unknown) => Array.isArray(value) && value.every((text) => typeof text === 'string')

function areCells(value: unknown): boolean {
  return Array.isArray(value) && value.every((cell) => cell === null || plain.has(typeof cell))
}
const plain = new Set(['string', 'number', 'boolean'])
