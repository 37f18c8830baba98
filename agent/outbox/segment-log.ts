// The folder of segments as one log: what is there after whatever happened, appended to at one end, removed at the
// other, rewritten in between. Never fails to start on what it finds in a file; never claims more than was synced.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { removeIfPresent, syncFolder } from '../durable-file.ts'
import type { OutboxDisk } from './disk.ts'
import { encodedBytes, type StoredRecord } from './record.ts'
import {
  orderSegments,
  parseSegmentFile,
  SegmentWriter,
  segmentFile,
  segmentHeadBytes,
  temporaryFile,
  writeSegment,
} from './segment.ts'
import { countWindows, readSegments, type ScanOptions, type Segment, scanSegment } from './segment-scan.ts'

export type SegmentLogOptions = { folder: string; epoch: string; segmentBytes: number; log: Logger; disk: OutboxDisk }

export class SegmentLog {
  readonly #options: SegmentLogOptions & ScanOptions
  readonly #segments: Segment[]
  #last: number
  #writer: SegmentWriter | undefined
  /** Files another segment stands for, still to be removed; not before the name of that one is sure to last. */
  readonly #superseded: Set<string>
  /** A name in the folder was changed and may not have reached the disk: nothing that hangs on it may leave the device. */
  #unsettled = true
  #cached: { segment: Segment; records: readonly StoredRecord[] } | undefined

  private constructor(
    options: SegmentLogOptions & ScanOptions,
    segments: Segment[],
    last: number,
    superseded: Set<string>,
  ) {
    this.#options = options
    this.#segments = segments
    this.#last = last
    this.#superseded = superseded
  }

  /** Finds what is there. `after`: everything up to there is known to be confirmed; undefined: not known. */
  static async open(given: SegmentLogOptions, after: number | undefined): Promise<SegmentLog> {
    const options = { ...given, told: new Set<string>() }
    const { folder, epoch, disk } = options
    const files = await disk.readdir(folder)
    const names = files.flatMap((file) => parseSegmentFile(file) ?? []).filter((name) => name.epoch === epoch)
    const { kept, superseded } = orderSegments(names)
    const segments = await readSegments(kept, after, options)
    const leftovers = [...superseded.map(segmentFile), ...files.filter((file) => file === temporaryFile)]
    const log = new SegmentLog(options, segments, segments.at(-1)?.last ?? after ?? 0, new Set(leftovers))
    await log.settle().catch((error: unknown) => options.log.warn({ err: error }, 'outbox folder cannot be synced'))
    return log
  }

  get segments(): readonly Segment[] {
    return this.#segments
  }

  get sizeBytes(): number {
    return this.#segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** The last sequence that is or was here. */
  get last(): number {
    return this.#last
  }

  /** The last sequence its files claim, whether or not a record of it is left. */
  get lastNamed(): number {
    return Math.max(this.#last, this.#segments.at(-1)?.name.last ?? 0)
  }

  /** All segments but the one being written to. */
  get sealed(): readonly Segment[] {
    return this.#writer === undefined ? this.#segments : this.#segments.slice(0, -1)
  }

  /** Appends as many of `records` as go into one segment, durable when it resolves; says how many. On any failure none
   *  of them count, and the segment is not written to again.
   *  @throws the file system's error */
  async append(records: readonly StoredRecord[]): Promise<number> {
    const [first] = records
    if (first === undefined) return 0
    const { segmentBytes } = this.#options
    if (this.#writer !== undefined && this.#writer.sizeBytes + encodedBytes(first) > segmentBytes) await this.#seal()
    const writer = this.#writer ?? (await this.#start(first.from))
    const fitting = fittingRecords(records, segmentBytes - writer.sizeBytes)
    try {
      await writer.append(fitting)
    } catch (error) {
      await this.#abandon()
      throw error
    }
    const segment = this.#segments.at(-1)
    if (segment !== undefined) this.#segments[this.#segments.length - 1] = grown(segment, fitting)
    this.#last = fitting.at(-1)?.seq ?? this.#last
    return fitting.length
  }

  /** The whole records of a segment, in order. @throws the file system's error */
  async load(segment: Segment): Promise<readonly StoredRecord[]> {
    if (this.#cached?.segment === segment) return this.#cached.records
    const { records } = await scanSegment(segment.name, segment.last + 1, this.#options)
    this.#cached = { segment, records }
    return records
  }

  /** Puts `records` in the place of `count` sealed segments from `index` on; with none left, removes them.
   *  @throws the file system's error; the old ones are still there then, or the new one in their place */
  async replace(index: number, count: number, records: readonly StoredRecord[]): Promise<void> {
    const old = this.#segments.slice(index, index + count)
    const [first, last] = [records[0], records.at(-1)]
    if (first === undefined || last === undefined) return this.#remove(index, count)
    const { folder, epoch, disk } = this.#options
    const name = { epoch, first: first.from, last: last.seq }
    const sizeBytes = await writeSegment(folder, name, records, disk)
    this.#unsettled = true
    const segment = { name, after: first.from - 1, last: last.seq, sizeBytes, ...countWindows(records), spent: false }
    this.#segments.splice(index, count, segment)
    for (const { name: gone } of old) this.#superseded.add(segmentFile(gone))
    this.#superseded.delete(segmentFile(name))
    await this.settle()
  }

  /** Marks a segment as not worth trying again. */
  markSpent(index: number): void {
    const segment = this.#segments[index]
    if (segment !== undefined) this.#segments[index] = { ...segment, spent: true }
  }

  /** Removes the first `count` segments. */
  removeFirst(count: number): Promise<void> {
    return this.#remove(0, count)
  }

  /** Makes sure that the names in the folder last, and removes what they stand for.
   *  @throws the file system's error: try again before anything of the log leaves the device */
  async settle(): Promise<void> {
    if (!this.#unsettled) return
    await syncFolder(this.#options.folder, this.#options.disk)
    this.#unsettled = false
    await this.#tidy()
  }

  async close(): Promise<void> {
    await this.#seal()
  }

  /** Cuts the segment the last life ended with after its last whole record and syncs it: a process that was killed may
   *  not have come to that. `goOn`: the next records go into it. */
  async resume(goOn: boolean): Promise<void> {
    const segment = this.#segments.at(-1)
    if (segment === undefined || segment.name.last !== undefined) return
    const { folder, disk, log, segmentBytes } = this.#options
    try {
      const writer = await SegmentWriter.reopen(folder, segment.name, segment.sizeBytes, disk)
      if (goOn && segment.sizeBytes < segmentBytes) this.#writer = writer
      else await writer.close()
    } catch (error) {
      log.warn(
        { err: error, segment: segmentFile(segment.name) },
        'outbox segment cannot be continued, starting another',
      )
    }
  }

  async #start(first: number): Promise<SegmentWriter> {
    const { folder, epoch, disk } = this.#options
    const name = { epoch, first, last: undefined }
    const writer = await SegmentWriter.create(folder, name, disk)
    this.#writer = writer
    // what an earlier segment holds from here on was never promised to anyone; a hole in front of it is told with it
    this.#segments.push({
      name,
      after: this.#last,
      last: this.#last,
      sizeBytes: segmentHeadBytes,
      windows: 0,
      windowRecords: 0,
      spent: false,
    })
    return writer
  }

  async #seal(): Promise<void> {
    const writer = this.#writer
    this.#writer = undefined
    await writer?.close()
  }

  /** Leaves a segment that failed: what is durable in it stays, and the next append starts another. */
  async #abandon(): Promise<void> {
    const { log } = this.#options
    const writer = this.#writer
    this.#writer = undefined
    await writer?.abandon().catch((error: unknown) => log.warn({ err: error }, 'outbox segment did not close'))
    const segment = this.#segments.at(-1)
    // with nothing durable in it, the next attempt writes over this very file
    if (segment !== undefined && segment.last === segment.after) this.#segments.pop()
  }

  async #remove(index: number, count: number): Promise<void> {
    const { folder, disk } = this.#options
    for (let i = 0; i < count; i += 1) {
      const segment = this.#segments[index]
      if (segment === undefined) return
      await removeIfPresent(join(folder, segmentFile(segment.name)), disk)
      this.#segments.splice(index, 1)
    }
  }

  /** What cannot be removed now is found, and superseded, again at the next start. */
  async #tidy(): Promise<void> {
    const { folder, disk, log } = this.#options
    for (const file of this.#superseded) {
      try {
        await removeIfPresent(join(folder, file), disk)
        this.#superseded.delete(file)
      } catch (error) {
        log.warn({ err: error, file }, 'outbox file cannot be removed')
      }
    }
  }
}

/** As many as fit into `bytes`, at least one. */
function fittingRecords(records: readonly StoredRecord[], bytes: number): readonly StoredRecord[] {
  let left = bytes
  const count = records.findIndex((record, i) => {
    left -= encodedBytes(record)
    return left < 0 && i > 0
  })
  return count < 0 ? records : records.slice(0, count)
}

function grown(segment: Segment, records: readonly StoredRecord[]): Segment {
  const { windows, windowRecords } = countWindows(records)
  return {
    ...segment,
    last: records.at(-1)?.seq ?? segment.last,
    sizeBytes: segment.sizeBytes + records.reduce((sum, record) => sum + encodedBytes(record), 0),
    windows: segment.windows + windows,
    windowRecords: segment.windowRecords + windowRecords,
    spent: false,
  }
}
