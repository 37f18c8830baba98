// Records that should be there and are not: damaged, or in a file that is gone. Sequences leave no hole by themselves,
// so what is missing can be counted, and gap records put in its place tell the hub. Pure.

import type { Gap } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { StoredRecord } from './record.ts'

/** How far sequences jump where it is not known how far an earlier life had got (the marks are gone): beyond anything a
 *  device could have used, and recognisable as a jump and not a loss. 2^53 holds two million of them. */
export const sequenceJump = 2 ** 32

/** A hub that knows this outbox from another life (a copied disk) may confirm more than is here, but none so much more in
 *  earnest: half a million jumps. A quarter of what numbers hold exactly: whatever it says, sequences do not run out. */
export const aheadMax = 2 ** 51

/** A hole that may have been shipped in part is told sequence by sequence, so that the hub takes exactly those it does
 *  not hold; a longer one as a whole. */
export const singleGapsMax = 4096

export type Expectation = {
  /** Everything up to here is accounted for before these records. */
  after: number
  /** They go up to here. */
  until: number
  /** The hub may hold anything up to here. */
  shipped: number
  /** For the gap records. */
  nowMs: number
}

/** `records` (in order) with gap records for the sequences missing among `after` < … <= `until`. */
export function fillHoles(records: readonly StoredRecord[], expectation: Expectation): StoredRecord[] {
  const { after, until, shipped, nowMs } = expectation
  const filled: StoredRecord[] = []
  let last = after
  for (const record of records) {
    filled.push(...gapsFor(last + 1, (record.from - last - 1) % sequenceJump, shipped, nowMs), record)
    last = record.seq
  }
  filled.push(...gapsFor(last + 1, (until - last) % sequenceJump, shipped, nowMs))
  return filled
}

/** Gap records for `count` sequences from `first` on. */
function gapsFor(first: number, count: number, shipped: number, nowMs: number): StoredRecord[] {
  if (count === 0) return []
  const last = first + count - 1
  const single = first > shipped ? 0 : Math.min(shipped, last) - first + 1
  if (single > singleGapsMax) return [gapRecord(first, last, damage(count, nowMs))]
  const gaps = Array.from({ length: single }, (_, i) => gapRecord(first + i, first + i, damage(1, nowMs)))
  return single === count ? gaps : [...gaps, gapRecord(first + single, last, damage(count - single, nowMs))]
}

const damage = (records: number, at: number): Gap => ({ kind: 'gap', at, reason: 'damaged', records, inferences: 0 })

export const gapRecord = (from: number, seq: number, gap: Gap): StoredRecord => ({
  seq,
  from,
  windows: 0,
  ids: [],
  body: encode(gap),
})
