// The hash chain of the audit log: what a row's hash covers, and where a run of rows stops being a chain.
// The encoding is over bytes with a length before each, so that no two different rows share one.

import { createHash } from 'node:crypto'

/** A row without its hash. Text as the bytes that are stored: a decoder would hide a difference in invalid ones. */
export type Link = {
  seq: number
  at: number
  actor: Uint8Array
  action: Uint8Array
  subject: Uint8Array
  before: Uint8Array | null
  after: Uint8Array | null
  requestId: Uint8Array | null
}
export type ChainedLink = Link & { hash: Uint8Array }
/** A place in the chain: the row and its hash. */
export type Head = { seq: number; hash: Uint8Array }

/** Before the first row. */
export const chainStart: Head = { seq: 0, hash: new Uint8Array(32) }

/** The length that stands for NULL; no column is that long. */
const nullLength = 0xffff_ffff

/** sha256 of the previous hash, then of every column as its length (4 bytes, big-endian) and bytes; numbers in decimal. */
export function linkHash(previous: Uint8Array, link: Link): Uint8Array {
  const hash = createHash('sha256').update(previous)
  const { seq, at, actor, action, subject, before, after, requestId } = link
  for (const bytes of [decimal(seq), decimal(at), actor, action, subject, before, after, requestId]) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes === null ? nullLength : bytes.length)
    hash.update(length)
    if (bytes !== null) hash.update(bytes)
  }
  return new Uint8Array(hash.digest())
}

const decimal = (number: number): Uint8Array => Buffer.from(String(number))
