// What the files of segments hold when they are read, whatever happened to them.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { isDamaged, isMissing } from '../durable-file.ts'
import type { SegmentSummary } from './compaction.ts'
import { type OutboxDisk, readWhole } from './disk.ts'
import { type Scan, type StoredRecord, scanRecords } from './record.ts'
import { type SegmentName, segmentFile, segmentHeadBytes } from './segment.ts'

export type Segment = SegmentSummary & { name: SegmentName }

/** `told`: files whose damage was told already; they are read again and again until the hub has confirmed them. */
export type ScanOptions = { folder: string; epoch: string; log: Logger; disk: OutboxDisk; told: Set<string> }

/** From the newest on: records of a segment count only below the first of the next one that has any. */
export async function readSegments(
  names: readonly SegmentName[],
  after: number | undefined,
  options: ScanOptions,
): Promise<Segment[]> {
  const found: { name: SegmentName; records: readonly StoredRecord[]; endBytes: number }[] = []
  let before = Number.POSITIVE_INFINITY
  for (const name of names.toReversed()) {
    const scan = await scanSegment(name, before, options)
    if (scan.records.length > 0) before = name.first
    found.unshift({ name, ...scan })
  }
  const first = names[0]?.first ?? 1
  let last = after === undefined ? first - 1 : Math.min(after, first - 1)
  return found.map(({ name, records, endBytes }) => {
    const segment = {
      name,
      after: last,
      last: records.at(-1)?.seq ?? last,
      sizeBytes: Math.max(endBytes, segmentHeadBytes),
      ...countWindows(records),
      spent: false,
    }
    last = segment.last
    return segment
  })
}

/** The whole records of one segment below `before`, and where they end. A file that cannot be read at all, twice (giving up
 *  on it means telling its records as lost), counts as damaged.
 *  @throws the file system's error where it may pass */
export async function scanSegment(
  name: SegmentName,
  before: number,
  { folder, epoch, disk, log, told }: ScanOptions,
): Promise<Scan> {
  const path = join(folder, segmentFile(name))
  const tell = (what: object, words: string) => {
    if (!told.has(path)) log.error({ ...what, path }, words)
    told.add(path)
  }
  const read = () =>
    readWhole(path, disk).catch((error: unknown) => {
      if (!isDamaged(error) && !isMissing(error)) throw error
      tell({ err: error }, 'outbox segment cannot be read')
      return undefined
    })
  const bytes = (await read()) ?? (await read()) ?? new Uint8Array()
  const scan = scanRecords(bytes, epoch, { start: segmentHeadBytes, after: name.first - 1, before })
  if (scan.strayBytes > 0) tell({ strayBytes: scan.strayBytes }, 'damaged records in an outbox segment')
  return scan
}

export function countWindows(records: readonly StoredRecord[]): { windows: number; windowRecords: number } {
  const windows = records.map((record) => record.windows).filter((count) => count > 0)
  return { windows: windows.reduce((sum, count) => sum + count, 0), windowRecords: windows.length }
}
