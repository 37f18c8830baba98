// Reads protobuf's wire format from a file of any size: one page in memory, what is not wanted is stepped over.
// Only the wire (https://protobuf.dev/programming-guides/encoding/); what the fields mean is for the caller.

/** A file, or anything else that can be read in any place. `read` gives all of the bytes asked for. */
export type RandomAccess = {
  sizeBytes: number
  read: (offset: number, length: number) => Promise<Uint8Array>
}

/** `truncated`: a field reaches beyond the file. `malformed`: it is no protobuf. `too-complex`: a bound is exceeded. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: 'truncated' | 'malformed' | 'too-complex'
  constructor(code: WireError['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** `start` to `end`: the payload; for `bytes` without its length. `value`: a varint as a signed 64-bit integer
 *  (beyond 2^53 the nearest double), else 0. `tagStart`: where the field as a whole starts. */
export type Field = {
  number: number
  wire: 'varint' | 'fixed64' | 'bytes' | 'fixed32'
  value: number
  tagStart: number
  start: number
  end: number
}

/** How each known field of a message may be written. */
export type MessageFields = ReadonlyMap<number, readonly Field['wire'][]>

export type Wire = {
  source: RandomAccess
  page: Uint8Array
  pageStart: number
  depth: number
  fieldsLeft: number
  textBytesLeft: number
}

/** Messages in messages, as protobuf's own parsers allow by default. */
const depthMax = 100
/** Fields visited in one file: about a second of work. Large models have some 10,000 nodes of 10 fields. */
const fieldsMax = 2_000_000
/** Text read out of one file, all names together. */
const textBytesMax = 16 * 1024 * 1024
const pageBytes = 16 * 1024
/** Tag (5) and length or value (10). */
const headBytesMax = 15
const fieldNumberMax = 2 ** 29 - 1

const utf8 = new TextDecoder('utf-8', { fatal: true })

export function openWire(source: RandomAccess): Wire {
  const page = new Uint8Array(0)
  return { source, page, pageStart: 0, depth: 0, fieldsLeft: fieldsMax, textBytesLeft: textBytesMax }
}

/** Visits the known fields of the message that lies from `start` to `end`, in order, one after the other. The payload of
 *  a field that the visit does not read is never loaded.
 *  @throws WireError, also for a known field that is written in a way it may not be */
export async function walkMessage(
  wire: Wire,
  { start, end }: { start: number; end: number },
  known: MessageFields,
  visit: (field: Field) => Promise<void>,
): Promise<void> {
  if (wire.depth >= depthMax) throw new WireError('too-complex', `messages are nested deeper than ${depthMax}`)
  wire.depth += 1
  for (let at = start; at < end; ) {
    if (!inPage(wire, at, Math.min(at + headBytesMax, end))) await turnPage(wire, at)
    const field = fieldAt(wire, at, end)
    countField(wire)
    const wires = known.get(field.number)
    if (wires !== undefined) {
      if (!wires.includes(field.wire)) throw malformed(at, `field ${field.number} written as ${field.wire}`)
      await visit(field)
    }
    at = field.end
  }
  wire.depth -= 1
}

/** The integers of a repeated field, whether packed into one payload or given one by one.
 *  @throws WireError */
export async function walkIntegers(wire: Wire, field: Field, visit: (value: number) => void): Promise<void> {
  if (field.wire === 'varint') visit(field.value)
  if (field.wire !== 'bytes') return
  for (let at = field.start; at < field.end; ) {
    if (!inPage(wire, at, Math.min(at + headBytesMax, field.end))) await turnPage(wire, at)
    countField(wire)
    const { value, next } = varintAt(wire, at, field.end)
    visit(value)
    at = next
  }
}

/** @throws WireError when it is longer than `lengthMax` bytes or not UTF-8 */
export async function readText(wire: Wire, field: Field, lengthMax: number): Promise<string> {
  const length = field.end - field.start
  wire.textBytesLeft -= length
  if (length > lengthMax) throw new WireError('too-complex', `a name is ${length} bytes long, at most ${lengthMax} fit`)
  if (wire.textBytesLeft < 0) throw new WireError('too-complex', `all names together exceed ${textBytesMax} bytes`)
  if (!inPage(wire, field.start, field.end)) await turnPage(wire, field.start, length)
  try {
    return utf8.decode(wire.page.subarray(field.start - wire.pageStart, field.end - wire.pageStart))
  } catch (cause) {
    throw new WireError('malformed', `a name at byte ${field.start} is not UTF-8: ${String(cause)}`)
  }
}

function countField(wire: Wire): void {
  wire.fieldsLeft -= 1
  if (wire.fieldsLeft < 0) throw new WireError('too-complex', `the file has more than ${fieldsMax} fields`)
}

function inPage(wire: Wire, start: number, end: number): boolean {
  return start >= wire.pageStart && end <= wire.pageStart + wire.page.length
}

async function turnPage(wire: Wire, start: number, lengthMin = 0): Promise<void> {
  const length = Math.min(Math.max(pageBytes, lengthMin), wire.source.sizeBytes - start)
  const page = await wire.source.read(start, length)
  if (page.length < length) throw new WireError('truncated', `the file ends at byte ${start + page.length}`)
  wire.page = page
  wire.pageStart = start
}

function fieldAt(wire: Wire, tagStart: number, messageEnd: number): Field {
  const { value: tag, next: start } = varintAt(wire, tagStart, messageEnd)
  const number = Math.floor(tag / 8)
  if (number < 1 || number > fieldNumberMax) throw malformed(tagStart, `field number ${number}`)
  switch (tag % 8) {
    case 0: {
      const { value, next: end } = varintAt(wire, start, messageEnd)
      return { number, wire: 'varint', value, tagStart, start, end }
    }
    case 1:
      return { number, wire: 'fixed64', value: 0, tagStart, start, end: endOf(wire, start, 8, messageEnd) }
    case 2: {
      const { value: length, next } = varintAt(wire, start, messageEnd)
      if (length < 0) throw malformed(tagStart, `length ${length}`)
      return { number, wire: 'bytes', value: 0, tagStart, start: next, end: endOf(wire, next, length, messageEnd) }
    }
    case 5:
      return { number, wire: 'fixed32', value: 0, tagStart, start, end: endOf(wire, start, 4, messageEnd) }
    default:
      throw malformed(tagStart, `wire type ${tag % 8}`)
  }
}

function endOf(wire: Wire, start: number, length: number, messageEnd: number): number {
  const end = start + length
  if (end > wire.source.sizeBytes) {
    throw new WireError('truncated', `a field wants bytes up to ${end}, the file has ${wire.source.sizeBytes}`)
  }
  if (end > messageEnd) throw malformed(start, `a field ends ${end - messageEnd} bytes behind its message`)
  return end
}

/** Needs the bytes up to `end`, or ten of them, in the page. */
function varintAt(wire: Wire, start: number, end: number): { value: number; next: number } {
  let low = 0
  let high = 0
  for (let i = 0; i < 10; i++) {
    const at = start + i
    const byte = at < end ? wire.page[at - wire.pageStart] : undefined
    if (byte === undefined) {
      if (at >= wire.source.sizeBytes) throw new WireError('truncated', 'the file ends inside a number')
      throw malformed(start, 'a number ends behind its message')
    }
    const bits = byte & 0x7f
    if (i < 4) low |= bits << (7 * i)
    else if (i === 4) {
      low |= bits << 28
      high = bits >> 4
    } else high |= bits << (7 * i - 32)
    if (byte < 0x80) return { value: high * 2 ** 32 + (low >>> 0), next: at + 1 }
  }
  throw malformed(start, 'a number of more than ten bytes')
}

function malformed(at: number, what: string): WireError {
  return new WireError('malformed', `${what} at byte ${at}`)
}
