// A segment: one file of records. Its name tells which sequences it holds, so that the folder's listing is the truth:
// `<epoch>-<first>.segment` is (or was) being appended to, `<epoch>-<first>-<last>.segment` was written at once in
// place of others and holds for all of first … last.

import { constants } from 'node:fs'
import { join } from 'node:path'
import { type DiskFile, removeIfPresent, syncFolder, writeFully } from '../durable-file.ts'
import { type OutboxDisk, writeWhole } from './disk.ts'
import { encodeRecord, type StoredRecord } from './record.ts'

export type SegmentName = { epoch: string; first: number; last: number | undefined }

const digits = (seq: number) => String(seq).padStart(16, '0')

export const segmentFile = ({ epoch, first, last }: SegmentName): string =>
  `${epoch}-${digits(first)}${last === undefined ? '' : `-${digits(last)}`}.segment`

/** undefined for a file that is no segment. */
export function parseSegmentFile(file: string): SegmentName | undefined {
  const match = /^([0-9a-f]{16})-(\d{16})(?:-(\d{16}))?\.segment$/.exec(file)
  if (match?.[1] === undefined) return undefined
  const first = Number(match[2])
  const last = match[3] === undefined ? undefined : Number(match[3])
  const possible = first > 0 && Number.isSafeInteger(first) && (last === undefined || last >= first)
  return possible ? { epoch: match[1], first, last } : undefined
}

/** The names in order of their sequences, without those a rewritten segment stands for: a cut between the renaming
 *  of the new file and the removal of the old ones leaves both. One that goes beyond the one before it stays, even where
 *  they overlap: what it was rewritten from may be gone. */
export function orderSegments(names: readonly SegmentName[]): { kept: SegmentName[]; superseded: SegmentName[] } {
  const end = (name: SegmentName) => name.last ?? name.first - 1
  const kept: SegmentName[] = []
  const superseded: SegmentName[] = []
  let covered = 0
  for (const name of names.toSorted((a, b) => a.first - b.first || end(b) - end(a))) {
    if (Math.max(end(name), name.first) <= covered) superseded.push(name)
    else {
      kept.push(name)
      covered = Math.max(end(name), covered)
    }
  }
  return { kept, superseded }
}

const magic = Buffer.from('ROOSTOB1')
/** Records begin here. The header only tells a person (and `file`) what this is: nothing depends on it. */
export const segmentHeadBytes = magic.length

/** Writes a segment in one go, complete under its name or not there at all. What `settle` of the folder needs to make
 *  the name itself last is left to the caller. */
export async function writeSegment(
  folder: string,
  name: SegmentName,
  records: readonly StoredRecord[],
  disk: OutboxDisk,
): Promise<number> {
  const bytes = Buffer.concat([magic, ...records.map((record) => encodeRecord(name.epoch, record))])
  const temporary = join(folder, temporaryFile)
  try {
    await writeWhole(temporary, bytes, disk)
    await disk.rename(temporary, join(folder, segmentFile(name)))
  } catch (error) {
    // it only takes space, and the next one replaces it: what went wrong first is what the caller must hear
    await removeIfPresent(temporary, disk).catch(() => undefined)
    throw error
  }
  return bytes.length
}

/** Segments are written one at a time: the outbox does one thing after the other. */
export const temporaryFile = 'rewriting.tmp'

/** The segment being appended to. After any failure it must be closed and never written again: what the disk holds of
 *  it beyond the last success is not known (after a failed fsync Linux marks the lost pages as clean). */
export class SegmentWriter {
  readonly name: SegmentName
  readonly #file: DiskFile
  #sizeBytes: number

  private constructor(name: SegmentName, file: DiskFile, sizeBytes: number) {
    this.name = name
    this.#file = file
    this.#sizeBytes = sizeBytes
  }

  /** A new segment, its name on disk. One of the same name is a failed attempt of ours, promised to nobody: replaced. */
  static async create(folder: string, name: SegmentName, disk: OutboxDisk): Promise<SegmentWriter> {
    const { O_RDWR, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
    const path = join(folder, segmentFile(name))
    const file = await disk.open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
    try {
      await writeFully(file, magic, 0)
      await syncFolder(folder, disk)
      return new SegmentWriter(name, file, magic.length)
    } catch (error) {
      await file.close()
      await removeIfPresent(path, disk).catch(() => undefined)
      throw error
    }
  }

  /** Goes on with a segment of an earlier life, cut after its last whole record. Everything in it is durable then. */
  static async reopen(folder: string, name: SegmentName, sizeBytes: number, disk: OutboxDisk): Promise<SegmentWriter> {
    const { O_RDWR, O_NOFOLLOW } = constants
    const file = await disk.open(join(folder, segmentFile(name)), O_RDWR | O_NOFOLLOW)
    try {
      if ((await file.stat()).size > sizeBytes) await file.truncate(sizeBytes)
      await file.sync()
      return new SegmentWriter(name, file, sizeBytes)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** Durable when it resolves. */
  async append(records: readonly StoredRecord[]): Promise<void> {
    const bytes = Buffer.concat(records.map((record) => encodeRecord(this.name.epoch, record)))
    await writeFully(this.#file, bytes, this.#sizeBytes)
    await this.#file.sync()
    this.#sizeBytes += bytes.length
  }

  /** Cuts off what the disk took of a failed append, where it lets us: that takes room a full disk needs. */
  async abandon(): Promise<void> {
    await this.#file.truncate(this.#sizeBytes).catch(() => undefined)
    await this.close()
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
