// How a record lies in a segment: length, CRC32C and sequence in front of it, so that every reader can tell
// a whole record from a torn or rotten one, and find the next whole one behind it. Pure.

import { crc32c } from './checksum.ts'

/** One record as it is kept. Sequences `from` … `seq` are accounted for by it; consecutive records leave no hole. */
export type StoredRecord = {
  seq: number
  from: number
  /** Windows merged in here; 0 for anything that is not a window. */
  windows: number
  /** Which open windows it closed (window-id.ts): never shipped, needed only if this process dies now. */
  ids: readonly string[]
  /** CBOR of a RecordBody, exactly as it is shipped. */
  body: Uint8Array
}

/** One alone always fits into a message (1 MiB). */
export const recordBytesMax = 524_288
export const idsMax = 1024
const idBytes = 8

// All little-endian:
//  0 u32 CRC32C over the epoch and everything that follows this field
//  4 u32 bytes of ids and body
//  8 u64 from
// 16 u64 seq
// 24 u32 windows
// 28 u16 ids, 8 bytes each; then the body
const headBytes = 30
const payloadBytesMax = recordBytesMax + idsMax * idBytes

/** The bytes of a record in a segment. `epoch` takes part in the CRC: a record of another outbox, left over in a
 *  recycled block of the disk, is not taken for one of this.
 *  @throws RangeError where the body or the ids are over their bounds */
export function encodeRecord(epoch: string, { seq, from, windows, ids, body }: StoredRecord): Uint8Array {
  if (body.length > recordBytesMax || ids.length > idsMax) throw new RangeError(`a record of ${body.length} bytes`)
  const bytes = Buffer.alloc(encodedBytes({ ids, body }))
  bytes.writeUInt32LE(bytes.length - headBytes, 4)
  bytes.writeBigUInt64LE(BigInt(from), 8)
  bytes.writeBigUInt64LE(BigInt(seq), 16)
  bytes.writeUInt32LE(windows, 24)
  bytes.writeUInt16LE(ids.length, 28)
  for (const [i, id] of ids.entries()) bytes.write(id, headBytes + i * idBytes, 'hex')
  bytes.set(body, headBytes + ids.length * idBytes)
  bytes.writeUInt32LE(crc32c(bytes.subarray(4), epochChecksum(epoch)), 0)
  return bytes
}

export const encodedBytes = ({ ids, body }: Pick<StoredRecord, 'ids' | 'body'>): number =>
  headBytes + ids.length * idBytes + body.length

export type Scan = {
  records: StoredRecord[]
  /** Where the last whole record ends (`start` if there is none): what follows is a torn tail, or rot. */
  endBytes: number
  /** Bytes before `endBytes` that belong to no whole record. */
  strayBytes: number
}

/** All whole records of a segment, in order, from byte `start`. Bytes that are none are stepped over, one by one, to the
 *  next whole record: sequences tell the reader what is missing. Records outside `after` < from, seq < `before` are
 *  what an earlier attempt left behind and do not count. Bodies are views into `bytes`. */
export function scanRecords(
  bytes: Uint8Array,
  epoch: string,
  { start = 0, after = 0, before = Number.POSITIVE_INFINITY } = {},
): Scan {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const seed = epochChecksum(epoch)
  const records: StoredRecord[] = []
  let endBytes = start
  let strayBytes = 0
  let last = after
  for (let offset = start; offset + headBytes <= buffer.length; ) {
    const record = readRecord(buffer, offset, seed, last, before)
    if (record === undefined) {
      offset += 1
      continue
    }
    strayBytes += offset - endBytes
    records.push(record)
    last = record.seq
    offset += encodedBytes(record)
    endBytes = offset
  }
  return { records, endBytes, strayBytes }
}

/** The record at `offset`, if one is there. Cheap tests first: while resyncing nearly every offset fails one of them. */
function readRecord(
  buffer: Buffer,
  offset: number,
  seed: number,
  after: number,
  before: number,
): StoredRecord | undefined {
  const payloadBytes = buffer.readUInt32LE(offset + 4)
  const idCount = buffer.readUInt16LE(offset + 28)
  if (payloadBytes > payloadBytesMax || offset + headBytes + payloadBytes > buffer.length) return undefined
  if (idCount > idsMax || idCount * idBytes > payloadBytes) return undefined
  const from = Number(buffer.readBigUInt64LE(offset + 8))
  const seq = Number(buffer.readBigUInt64LE(offset + 16))
  if (from <= after || seq < from || seq >= before || !Number.isSafeInteger(seq)) return undefined
  const end = offset + headBytes + payloadBytes
  if (crc32c(buffer.subarray(offset + 4, end), seed) !== buffer.readUInt32LE(offset)) return undefined
  const bodyStart = offset + headBytes + idCount * idBytes
  const ids = Array.from({ length: idCount }, (_, i) =>
    buffer.toString('hex', offset + headBytes + i * idBytes, offset + headBytes + (i + 1) * idBytes),
  )
  return { seq, from, windows: buffer.readUInt32LE(offset + 24), ids, body: buffer.subarray(bodyStart, end) }
}

const epochChecksum = (epoch: string): number => crc32c(Buffer.from(epoch, 'hex'))
