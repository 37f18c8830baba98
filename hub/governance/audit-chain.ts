// The hash chain of the audit log: what a row's hash covers, and where rows stop being a chain. Pure.
// The encoding is over bytes with a length before each, so that no two different rows share one.

import { createHash } from 'node:crypto'

/** A row without its hash, as the bytes that are stored: a decoder would hide differences. Numbers in decimal.
 *  NULL is null. */
export type Link = {
  seq: Uint8Array
  at: Uint8Array | null
  actor: Uint8Array | null
  action: Uint8Array | null
  subject: Uint8Array | null
  before: Uint8Array | null
  after: Uint8Array | null
  requestId: Uint8Array | null
}
export type StoredLink = Link & { hash: Uint8Array | null }
/** A place in the chain: the number of a row and its hash. */
export type Head = { seq: number; hash: Uint8Array }

/** Before the first row. */
export const chainStart: Head = { seq: 0, hash: new Uint8Array(32) }

/** The length that stands for NULL; no column is that long. */
const nullLength = 0xffff_ffff

/** sha256 of the previous hash, then of every column as its length (4 bytes, big-endian) and its bytes. */
export function linkHash(previous: Uint8Array, link: Link): Uint8Array {
  const hash = createHash('sha256').update(previous)
  const { seq, at, actor, action, subject, before, after, requestId } = link
  for (const bytes of [seq, at, actor, action, subject, before, after, requestId]) {
    const length = new Uint8Array(4)
    new DataView(length.buffer).setUint32(0, bytes === null ? nullLength : bytes.length)
    hash.update(length)
    if (bytes !== null) hash.update(bytes)
  }
  return new Uint8Array(hash.digest())
}

/** `missing`: rows are not there. `altered`: the row is not what its hash, chained to the row before, says.
 *  `out-of-place`: no row can have this number. `replaced`: not the row that a head says was there.
 *  `cut-off`: the log ends before a head. `foreign`: further rows after a head that was the end.
 *  `unguarded`: what makes the table append-only is gone. `no-head`, `bad-head`: there is no head to hold the log
 *  against, or it is not signed by the key of this hub. `head-broken`: the hub found a fault before and signs no more. */
export type FaultKind =
  | 'missing'
  | 'altered'
  | 'out-of-place'
  | 'replaced'
  | 'cut-off'
  | 'foreign'
  | 'unguarded'
  | 'no-head'
  | 'bad-head'
  | 'head-broken'
export type Fault = { kind: FaultKind; seq: number | null; detail: string }

export type ChainFound = { rows: number; head: Head; faults: Fault[]; faultsFound: number }
export type ChainWalk = {
  /** Takes the next row of the log, in order of number. */
  take(row: StoredLink): void
  /** After some rows, where others follow. */
  soFar(): ChainFound
  /** After the last row. */
  end(): ChainFound
}

/** Faults that are told; there may be more. */
export const faultsToldMax = 100

/** Walks the rows that follow `from`, and holds them against `heads`: places that are known from elsewhere. */
export function walkChain(from: Head, heads: readonly Head[]): ChainWalk {
  let { seq, hash } = from
  let rows = 0
  const faults: Fault[] = []
  let faultsFound = 0
  const fault = (kind: FaultKind, at: number | null, detail: string) => {
    faultsFound += 1
    if (faults.length < faultsToldMax) faults.push({ kind, seq: at, detail })
  }
  return {
    take: (row) => {
      rows += 1
      const found = positionOf(row.seq)
      if (found === undefined || found <= seq) {
        fault('out-of-place', null, `a row has the number ${Buffer.from(row.seq).toString()}`)
        return
      }
      const follows = found === seq + 1
      if (!follows)
        fault('missing', seq + 1, `${seq + 1 === found - 1 ? 'this row is' : `rows to ${found - 1} are`} not there`)
      else if (row.hash === null || !isSame(linkHash(hash, row), row.hash)) {
        fault('altered', found, 'the row, or the one before, is not what was written')
      }
      seq = found
      // goes on from what is stored, so that one fault is told once
      hash = row.hash ?? hash
      for (const head of heads) {
        if (head.seq === seq && !isSame(head.hash, hash))
          fault('replaced', seq, 'a head kept elsewhere says there was another row')
      }
    },
    soFar: () => ({ rows, head: { seq, hash }, faults, faultsFound }),
    end: () => {
      for (const head of heads) {
        if (head.seq > seq) fault('cut-off', head.seq, `the log ends at ${seq}, and had ${head.seq} rows`)
      }
      return { rows, head: { seq, hash }, faults, faultsFound }
    },
  }
}

const positionOf = (seq: Uint8Array): number | undefined => {
  const number = Number(Buffer.from(seq).toString())
  return Number.isSafeInteger(number) && number > 0 ? number : undefined
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
