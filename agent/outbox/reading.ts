// What leaves the outbox: a stretch of it, cut to what one message may carry.

import type { StoredRecord } from './record.ts'
import type { Segment } from './segment-scan.ts'

/** A record as it is shipped: OutboxRecord of the protocol. */
export type ReadRecord = { seq: number; from: number; body: Uint8Array }

/** Records after `after` out of `segments`, as many as fit, at least one where there is one. */
export async function takeRecords(
  segments: readonly Segment[],
  recordsOf: (segment: Segment) => Promise<StoredRecord[]>,
  after: number,
  { bytesMax, recordsMax }: { bytesMax: number; recordsMax: number },
): Promise<ReadRecord[]> {
  const taken: ReadRecord[] = []
  let bytes = 0
  for (const segment of segments) {
    for (const { seq, from, body } of await recordsOf(segment)) {
      if (seq <= after) continue
      bytes += body.length
      if (taken.length > 0 && (bytes > bytesMax || taken.length >= recordsMax)) return taken
      taken.push({ seq, from, body })
    }
  }
  return taken
}
