// Makes one file of an ONNX model that keeps its weights in others, as onnx.save_model(save_as_external_data=True) and
// with it MLflow's clients write it. What a device gets is one file: the weights are put where the references are.
// The model without its weights is small and read whole; the weights are only pointed at, and streamed by the caller.

import { OnnxError } from './onnx-error.ts'

/** Bytes of the result: given, or to be read from another file. */
export type Piece = Uint8Array | { location: string; offset: number; length: number }

/** A model without its weights; 10,000 nodes take some megabytes. */
export const modelBytesMax = 32 * 1_048_576
/** Messages in messages, and fields visited, as when a model is inspected. */
const depthMax = 100
const fieldsMax = 2_000_000
const piecesMax = 100_000

/** The model with its weights inside, piece by piece; undefined where it has none outside.
 *  `sizeOf` says how many bytes a file beside the model has, undefined where there is none.
 *  @throws OnnxError external-data where a reference leads nowhere; not-onnx, too-complex */
export function inlineWeights(
  model: Uint8Array,
  sizeOf: (location: string) => number | undefined,
): Piece[] | undefined {
  const reading: Reading = { bytes: model, sizeOf, fieldsLeft: fieldsMax }
  const rewritten = rewrite(reading, 'model', 0, model.length, 0)
  if (rewritten !== undefined && rewritten.length > piecesMax) {
    throw new OnnxError('too-complex', `the model keeps more than ${piecesMax / 2} tensors in other files`)
  }
  return rewritten
}

export const pieceBytes = (piece: Piece): number => piece.length

type Reading = { bytes: Uint8Array; sizeOf: (location: string) => number | undefined; fieldsLeft: number }
type Kind = 'model' | 'graph' | 'node' | 'attribute' | 'tensor' | 'sparse' | 'function' | 'training'

/** Which fields hold messages that may hold tensors (onnx.proto, IR 12). */
const parts: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  tensor: {},
  sparse: { 1: 'tensor', 2: 'tensor' },
  function: { 7: 'node' },
  training: { 1: 'graph', 2: 'graph' },
}

/** The message anew, or undefined where nothing in it changes. */
function rewrite(reading: Reading, kind: Kind, start: number, end: number, depth: number): Piece[] | undefined {
  if (depth >= depthMax) throw new OnnxError('too-complex', `messages are nested deeper than ${depthMax}`)
  if (kind === 'tensor') return rewriteTensor(reading, start, end)
  const pieces: Piece[] = []
  let keptFrom = start
  for (const field of fieldsOf(reading, start, end)) {
    const part = field.wire === 2 ? parts[kind][field.number] : undefined
    const inner = part && rewrite(reading, part, field.start, field.end, depth + 1)
    if (inner === undefined) continue
    pieces.push(reading.bytes.subarray(keptFrom, field.tagStart), lengthDelimited(field.number, inner))
    // not spread as arguments: there may be more pieces than a call takes
    for (const piece of inner) pieces.push(piece)
    keptFrom = field.end
  }
  if (pieces.length === 0) return undefined
  pieces.push(reading.bytes.subarray(keptFrom, end))
  return pieces.filter((piece) => piece.length > 0)
}

/** TensorProto: external_data 13, data_location 14 (1: external), raw_data 9. */
function rewriteTensor(reading: Reading, start: number, end: number): Piece[] | undefined {
  const kept: Piece[] = []
  const entries = new Map<string, string>()
  let isExternal = false
  for (const field of fieldsOf(reading, start, end)) {
    if (field.number === 14 && field.wire === 0) isExternal = field.value === 1
    else if (field.number === 13 && field.wire === 2) readEntry(reading, field, entries)
    else kept.push(reading.bytes.subarray(field.tagStart, field.end))
  }
  if (!isExternal) return undefined
  const weights = locate(reading, entries)
  return [...kept, lengthDelimited(9, [weights]), weights]
}

function locate({ sizeOf }: Reading, entries: ReadonlyMap<string, string>): Exclude<Piece, Uint8Array> {
  const location = entries.get('location') ?? ''
  const sizeBytes = sizeOf(location)
  if (sizeBytes === undefined) {
    throw new OnnxError(
      'external-data',
      `the model keeps weights in ${JSON.stringify(location)}, which is not beside it`,
    )
  }
  const offset = readCount(entries.get('offset') ?? '0')
  const length = readCount(entries.get('length') ?? String(sizeBytes - offset))
  if (offset + length > sizeBytes) {
    const detail = `the model wants bytes ${offset} to ${offset + length} of ${JSON.stringify(location)}, which has ${sizeBytes}`
    throw new OnnxError('external-data', detail)
  }
  return { location, offset, length }
}

function readCount(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new OnnxError('external-data', `a tensor's place in another file is not a number: ${JSON.stringify(text)}`)
}

/** A StringStringEntryProto: key 1, value 2. */
function readEntry(reading: Reading, { start, end }: Field, entries: Map<string, string>): void {
  const texts = ['', '']
  for (const field of fieldsOf(reading, start, end)) {
    if (field.wire === 2 && (field.number === 1 || field.number === 2)) {
      texts[field.number - 1] = new TextDecoder().decode(
        reading.bytes.subarray(field.start, field.end).subarray(0, 4096),
      )
    }
  }
  const [key = '', value = ''] = texts
  entries.set(key, value)
}

/** Tag and length of a field that holds `pieces`. */
function lengthDelimited(number: number, pieces: readonly Piece[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
  return Uint8Array.from([...varint(number * 8 + 2), ...varint(length)])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return [...bytes, left]
    bytes.push((left % 128) + 128)
  }
}

type Field = { number: number; wire: number; value: number; tagStart: number; start: number; end: number }

function* fieldsOf(reading: Reading, start: number, end: number): Generator<Field, void, undefined> {
  for (let at = start; at < end; ) {
    reading.fieldsLeft -= 1
    if (reading.fieldsLeft < 0) throw new OnnxError('too-complex', `the file has more than ${fieldsMax} fields`)
    const field = fieldAt(reading.bytes, at, end)
    yield field
    at = field.end
  }
}

function fieldAt(bytes: Uint8Array, tagStart: number, messageEnd: number): Field {
  const tag = varintAt(bytes, tagStart, messageEnd)
  const number = Math.floor(tag.value / 8)
  const wire = tag.value % 8
  const sized = wire === 0 || wire === 2 ? varintAt(bytes, tag.next, messageEnd) : { value: 0, next: tag.next }
  const length = wire === 2 ? sized.value : wire === 1 ? 8 : wire === 5 ? 4 : 0
  const end = sized.next + length
  if (number < 1 || ![0, 1, 2, 5].includes(wire) || end > messageEnd) {
    throw new OnnxError('not-onnx', `the model is no ONNX file: a field at byte ${tagStart} is malformed`)
  }
  return { number, wire, value: sized.value, tagStart, start: sized.next, end }
}

/** Beyond 2^53 the nearest double, which no place in a file is. */
function varintAt(bytes: Uint8Array, start: number, end: number): { value: number; next: number } {
  let value = 0
  for (let i = 0; i < 10 && start + i < end; i++) {
    const byte = bytes[start + i] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) return { value, next: start + i + 1 }
  }
  throw new OnnxError('not-onnx', `the model is no ONNX file: a number at byte ${start} does not end`)
}
