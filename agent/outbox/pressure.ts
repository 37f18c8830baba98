// Makes room in a full log, least harm first: joins small segments, merges windows, gives the oldest windows up.

import {
  chooseToGiveUp,
  chooseToHalve,
  chooseToJoin,
  giveUpWindows,
  type Limits,
  mergeNeighbours,
} from './compaction.ts'
import { recordBytesMax, type StoredRecord } from './record.ts'
import type { SegmentLog } from './segment-log.ts'
import type { Segment } from './segment-scan.ts'

/** Rewriting that frees less than this share of a segment is not tried again. */
const freedShareMin = 1 / 16

export type Pressure = {
  /** What the segments may take in the end. */
  sizeBytesMax: number
  segmentBytes: number
  limits: Limits
  /** The records of a segment as they have to be kept. */
  recordsOf: (segment: Segment) => Promise<StoredRecord[]>
  nowMs: number
}

/** False where even without any window it takes more than `sizeBytesMax`.
 *  @throws the file system's error; nothing is lost then */
export async function makeRoom(log: SegmentLog, pressure: Pressure): Promise<boolean> {
  while (log.sizeBytes > pressure.sizeBytesMax) {
    const done =
      (await joinSegments(log, pressure)) || (await mergeWindows(log, pressure)) || (await giveUp(log, pressure))
    if (!done) return false
  }
  return true
}

async function joinSegments(log: SegmentLog, { segmentBytes, recordsOf }: Pressure): Promise<boolean> {
  const index = chooseToJoin(log.sealed, segmentBytes)
  if (index === undefined) return false
  const records = []
  for (const segment of log.sealed.slice(index, index + 2)) records.push(...(await recordsOf(segment)))
  await log.replace(index, 2, records)
  return true
}

async function mergeWindows(log: SegmentLog, { segmentBytes, limits, recordsOf }: Pressure): Promise<boolean> {
  const index = chooseToHalve(log.sealed, limits)
  const segment = index === undefined ? undefined : log.sealed[index]
  if (index === undefined || segment === undefined) return false
  const records = await recordsOf(segment)
  const merged = mergeNeighbours(records, Math.min(recordBytesMax, segmentBytes))
  if (merged.length < records.length) await log.replace(index, 1, merged)
  const sizeBytes = merged.length < records.length ? (log.sealed[index]?.sizeBytes ?? 0) : segment.sizeBytes
  if (segment.sizeBytes - sizeBytes < segment.sizeBytes * freedShareMin) log.markSpent(index)
  return true
}

async function giveUp(log: SegmentLog, { limits, recordsOf, nowMs }: Pressure): Promise<boolean> {
  for (let from = 0; ; ) {
    const index = chooseToGiveUp(log.sealed, limits, from)
    const segment = index === undefined ? undefined : log.sealed[index]
    if (index === undefined || segment === undefined) return false
    const records = await recordsOf(segment)
    const left = giveUpWindows(records, nowMs)
    if (records.length === 0 || left.some((record, i) => record !== records[i])) {
      await log.replace(index, 1, left)
      return true
    }
    // windows that another version of this agent wrote, and that cannot be read here: they stay
    from = index + 1
  }
}
