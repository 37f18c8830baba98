// What the outbox knows beyond its records, in a double slot: how far the hub has confirmed, and how far records have
// been handed out to be shipped. It is advice: without it everything still starts, a little more carefully.

import { OutboxEpoch } from '@roost/shared/protocol/messages.ts'

export type Marks = {
  epoch: string
  /** The hub holds everything up to here. */
  acked: number
  /** The hub may hold anything up to here, and nothing beyond: only what lies beyond may be merged or renumbered. */
  shipped: number
}

const sizeBytes = 24

/** Little-endian: 8 bytes of epoch, u64 acked, u64 shipped. */
export function encodeMarks({ epoch, acked, shipped }: Marks): Uint8Array {
  const bytes = Buffer.alloc(sizeBytes)
  bytes.write(epoch, 0, 'hex')
  bytes.writeBigUInt64LE(BigInt(acked), 8)
  bytes.writeBigUInt64LE(BigInt(shipped), 16)
  return bytes
}

/** undefined for bytes that are none. */
export function decodeMarks(bytes: Uint8Array): Marks | undefined {
  if (bytes.length !== sizeBytes) return undefined
  const buffer = Buffer.from(bytes)
  const epoch = OutboxEpoch.parse(buffer.toString('hex', 0, 8))
  return { epoch, acked: Number(buffer.readBigUInt64LE(8)), shipped: Number(buffer.readBigUInt64LE(16)) }
}
