// The durable queue between this device and its hub. What append() promised is on disk, is handed out in order until
// the hub has confirmed it, and takes no more room than it was given: under pressure old windows become coarser.

import assert from 'node:assert'
import { dirname } from 'node:path'
import { outboxBytesMin } from '@roost/shared/profiles/profile.ts'
import type { DeviceEvent, RecordBody } from '@roost/shared/protocol/records.ts'
import type { Logger } from 'pino'
import { syncFolder, systemCode } from '../durable-file.ts'
import { type OutboxDisk, realDisk } from './disk.ts'
import { aheadMax, fillHoles } from './holes.ts'
import { encodeMarks, type Marks } from './marks.ts'
import { OutboxError } from './outbox-error.ts'
import { type PendingRecord, pendingBytes, pendingRecord, type Waiting } from './pending.ts'
import { PendingQueue } from './pending-queue.ts'
import { makeRoom } from './pressure.ts'
import { type ReadRecord, takeRecords } from './reading.ts'
import { recordBytesMax, type StoredRecord } from './record.ts'
import { type Recovered, recoverOutbox } from './recovery.ts'
import type { Segment } from './segment-scan.ts'

export type OutboxOptions = {
  /** What the segments may take on disk, rewriting included; at least `outboxBytesMin`. */
  bytesMax: number
  clock: () => number
  random: (length: number) => Uint8Array
  log: Logger
  disk?: OutboxDisk
}

export const segmentBytesMax = 1_048_576
/** Appends become durable together: after this time, or when so many wait. */
export const groupMs = 200
export const groupRecordsMax = 256
/** How long after a refusal of the disk the next attempt is made. */
export const retryMs = 1000
/** What may wait in memory for the disk. Beyond it waiting windows merge, then the oldest of them are given up (a gap
 *  record says so), then append() refuses. */
export const pendingBytesMax = 8_388_608

export class Outbox {
  readonly #options: OutboxOptions
  readonly #recovered: Recovered
  readonly #segmentBytes: number
  readonly #pending: PendingQueue
  readonly #listeners = new Set<() => void>()
  /** As last written to disk. */
  #marks: Marks
  #acked: number
  #next: number
  #held = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  /** The timer is set to now. */
  #hurrying = false
  /** A commit is under way or waits for its turn: it takes what is appended meanwhile, too. */
  #committing = false
  /** What appends wait behind, while they do: ENOSPC, EIO, full, … */
  #failing: string | undefined
  #closed = false
  /** Everything that touches the log happens one after the other. */
  #lastTurn: Promise<unknown> = Promise.resolve()

  private constructor(options: OutboxOptions, recovered: Recovered) {
    this.#options = options
    this.#recovered = recovered
    this.#segmentBytes = segmentBytesOf(options.bytesMax)
    this.#pending = new PendingQueue(pendingBytesMax, this.#bodyBytesMax)
    this.#marks = recovered.marks
    this.#acked = recovered.marks.acked
    this.#next = recovered.next
  }

  /** Opens the outbox in `folder`, making it where it is missing. Damaged, torn and missing files cost what was in them,
   *  which gap records tell; they never keep it from starting. Whoever keeps open windows opens those (open-windows.ts)
   *  before anything is appended or acknowledged.
   *  @throws the file system's error where the folder can be neither made nor listed */
  static async open(folder: string, options: OutboxOptions): Promise<Outbox> {
    assert(options.bytesMax >= outboxBytesMin, `an outbox needs ${outboxBytesMin} bytes`)
    const { bytesMax, random, log, disk = realDisk } = options
    await makeFolder(folder, disk, log)
    return new Outbox(
      options,
      await recoverOutbox(folder, { segmentBytes: segmentBytesOf(bytesMax), random, log, disk }),
    )
  }

  /** 16 hex digits, of this folder alone. */
  get epoch(): string {
    return this.#marks.epoch
  }

  /** Everything appended from now on gets a higher sequence. */
  get head(): number {
    return this.#next - 1
  }

  /** The hub has confirmed everything up to here. */
  get tail(): number {
    return this.#acked
  }

  /** `failing`: what the disk last said, while appends wait for it. */
  get state(): { sizeBytes: number; waiting: number; failing: string | undefined } {
    return { sizeBytes: this.#recovered.log.sizeBytes, waiting: this.#pending.length, failing: this.#failing }
  }

  /** Resolves with the record's sequence when it is durable, at most `groupMs` later while the disk is well, however long
   *  that takes while it is not. Windows that wait may have become one record: then both get its sequence.
   *  @throws OutboxError too-large (an event; a window goes without its columns instead); full, where what waits for the
   *  disk has reached `pendingBytesMax`: an event was not taken, a window is only counted by a gap record; closed */
  append(body: RecordBody): Promise<number> {
    if (this.#closed) return Promise.reject(new OutboxError('closed', 'the outbox is closed'))
    const bodyBytesMax = this.#bodyBytesMax
    return new Promise((resolve, reject) => {
      const record = pendingRecord(body, bodyBytesMax, [{ resolve, reject }])
      if (record === undefined) reject(new OutboxError('too-large', `an event may have ${bodyBytesMax} bytes`))
      else this.#admit(record)
    })
  }

  /** Makes these durable now, or lets go of them: for who keeps them elsewhere, and cannot wait for a disk that refuses.
   *  @returns how many of them are durable, counted from the first */
  async appendNow(events: readonly DeviceEvent[]): Promise<number> {
    let [durable, refused] = [0, false]
    const waiting: Waiting = {
      resolve: () => {
        durable += 1
      },
      reject: () => {
        refused = true
      },
    }
    for (const event of events) {
      const record = this.#closed ? undefined : pendingRecord(event, this.#bodyBytesMax, [waiting])
      if (record === undefined || refused) break
      this.#admit(record)
    }
    await this.flush()
    await this.#takeTurn(async () => this.#pending.withdraw(waiting))
    return durable
  }

  /** Tries to make durable what waits, now. */
  flush(): Promise<void> {
    this.#disarm()
    this.#committing = true
    return this.#takeTurn(() => this.#commit())
  }

  /** Durable records after `afterSeq`, in order: as many as fit, but one even if it alone is longer than `bytesMax`. What
   *  was read counts as shipped from then on (also after a restart): it stays in these cuts until it is acknowledged.
   *  @throws the file system's error where that cannot be written down; nothing must be shipped then */
  read(afterSeq: number, limits: { bytesMax: number; recordsMax: number }): Promise<ReadRecord[]> {
    return this.#takeTurn(async () => {
      const { log } = this.#recovered
      await log.settle()
      const after = Math.max(afterSeq, this.#acked)
      const segments = log.segments.filter(({ last }) => last > after)
      const records = await takeRecords(segments, (segment) => this.#recordsOf(segment), after, limits)
      const last = records.at(-1)?.seq ?? 0
      if (last > this.#marks.shipped) await this.#mark(last)
      return records
    })
  }

  /** The hub holds everything up to `seq` (at most `aheadMax` where that is beyond the head): it may go. A lower one than
   *  before changes nothing. */
  acknowledge(seq: number): Promise<void> {
    assert(seq <= Math.max(this.head, aheadMax), `a confirmation of ${seq}`)
    return this.#takeTurn(async () => {
      this.#tellUnshipped(seq)
      this.#acked = Math.max(this.#acked, seq)
      this.#next = Math.max(this.#next, seq + 1)
      await this.#removeAcknowledged()
      if (this.#failing === 'full') await this.#commit()
    })
  }

  /** Records after `seq` may have to be found by `idsAfter`: they are neither merged nor removed. */
  hold(seq: number): void {
    this.#held = seq
  }

  /** The ids (window-id.ts) of the windows closed by records after `seq`, once for each. */
  idsAfter(seq: number): Promise<string[]> {
    return this.#takeTurn(async () => {
      const ids: string[] = []
      for (const segment of this.#recovered.log.segments.filter(({ last }) => last > seq)) {
        const records = await this.#recovered.log.load(segment)
        ids.push(...records.filter((record) => record.seq > seq).flatMap((record) => record.ids))
      }
      return ids
    })
  }

  /** Calls `listener` whenever records have become durable; returns what ends that. */
  onDurable(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Makes durable what waits, if the disk lets it; what still waits then is rejected with `closed`. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.flush()
    this.#disarm()
    for (const { waiting } of this.#pending.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)) {
      const error = new OutboxError('closed', `closed while waiting for the disk (${this.#failing})`)
      for (const { reject } of waiting) reject(error)
    }
    await this.#takeTurn(() => this.#recovered.log.close())
  }

  get #bodyBytesMax(): number {
    return Math.min(recordBytesMax, this.#segmentBytes)
  }

  #takeTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work)
    this.#lastTurn = turn.catch(() => undefined)
    return turn
  }

  #admit(record: PendingRecord): void {
    for (const { reject } of this.#pending.add(record, this.#options.clock())) {
      reject(new OutboxError('full', `more than ${pendingBytesMax} bytes wait for the disk (${this.#failing})`))
    }
    const isGroup = this.#failing === undefined && this.#pending.length >= groupRecordsMax
    // once: whoever appends without a pause would else push the moment ahead of itself for ever
    if (isGroup && !this.#hurrying) this.#arm(0)
    else if (this.#timer === undefined) this.#arm(groupMs)
  }

  #arm(delayMs: number): void {
    this.#disarm()
    this.#hurrying = delayMs === 0
    this.#timer = setTimeout(() => {
      this.#disarm()
      // a disk that hangs must not gather turns
      if (!this.#committing) void this.flush()
    }, delayMs)
  }

  #disarm(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#hurrying = false
  }

  /** Writes what waits, group by group. Never rejects: what the disk refuses goes on waiting. */
  async #commit(): Promise<void> {
    this.#committing = true
    try {
      let isWell = true
      while (isWell && this.#pending.length > 0) isWell = await this.#commitGroup()
    } finally {
      this.#committing = false
    }
  }

  /** False where the disk refused. */
  async #commitGroup(): Promise<boolean> {
    // more would not go into one segment, and the room made for it would be made for nothing
    const group = this.#pending.take(groupRecordsMax, this.#segmentBytes)
    let durable = 0
    try {
      durable = await this.#write(group)
    } catch (error) {
      this.#pending.putBack(group)
      this.#fail(error)
      return false
    }
    this.#pending.putBack(group.slice(durable))
    this.#recover()
    for (const [i, { waiting }] of group.slice(0, durable).entries()) {
      for (const { resolve } of waiting) resolve(this.#next - durable + i)
    }
    for (const listener of this.#listeners) listener()
    return true
  }

  /** @throws OutboxError full; the file system's error. None of `group` is written then. */
  async #write(group: readonly PendingRecord[]): Promise<number> {
    const { log } = this.#recovered
    await this.#makeRoom(pendingBytes(group))
    const records = group.map(({ body, ids, windows }, i) => {
      const seq = this.#next + i
      return { seq, from: seq, windows, ids, body }
    })
    const durable = await log.append(records)
    this.#next += durable
    return durable
  }

  async #makeRoom(bytes: number): Promise<void> {
    const { log } = this.#recovered
    const room = await makeRoom(log, {
      // a segment being rewritten is there twice
      sizeBytesMax: this.#options.bytesMax - 2 * this.#segmentBytes - bytes,
      segmentBytes: this.#segmentBytes,
      limits: { shipped: this.#marks.shipped, held: this.#held },
      recordsOf: (segment) => this.#recordsOf(segment),
      nowMs: this.#options.clock(),
    })
    if (!room) throw new OutboxError('full', `nothing left that could be merged in ${this.#options.bytesMax} bytes`)
  }

  #fail(error: unknown): void {
    const code = error instanceof OutboxError ? error.code : (systemCode(error) ?? 'unknown')
    if (code !== this.#failing) this.#options.log.error({ err: error }, 'outbox cannot write, records wait in memory')
    this.#failing = code
    if (!this.#closed) this.#arm(retryMs)
  }

  #recover(): void {
    if (this.#failing !== undefined) this.#options.log.info('outbox writes again')
    this.#failing = undefined
  }

  /** What a segment holds that is still needed, with gap records for what is missing. */
  async #recordsOf(segment: Segment): Promise<StoredRecord[]> {
    const { shipped, acked } = this.#marks
    const records = await this.#recovered.log.load(segment)
    const { after, last: until } = segment
    const neededAfter = Math.min(acked, this.#held)
    return fillHoles(records, { after, until, shipped, nowMs: this.#options.clock() }).filter(
      ({ seq }) => seq > neededAfter,
    )
  }

  /** A hub that confirms what was never read here knows this outbox from another life (a copied disk): what is here under
   *  the same sequences will not be taken. */
  #tellUnshipped(seq: number): void {
    const records = Math.min(seq, this.#recovered.log.last) - this.#marks.shipped
    if (records <= 0) return
    const { log, clock } = this.#options
    log.error({ seq, records }, 'the hub confirms sequences that were never shipped: was this folder copied?')
    this.append({ kind: 'gap', at: clock(), reason: 'damaged', records, inferences: 0 }).catch((error: unknown) =>
      log.error({ err: error }, 'outbox could not tell what is lost'),
    )
  }

  async #mark(shipped: number): Promise<void> {
    const marks = { epoch: this.epoch, acked: this.#acked, shipped }
    await this.#recovered.slot.write(encodeMarks(marks))
    this.#marks = marks
  }

  /** What cannot be removed now is removed with a later confirmation. */
  async #removeAcknowledged(): Promise<void> {
    const { log } = this.#recovered
    const upTo = Math.min(this.#acked, this.#held)
    const kept = log.sealed.findIndex(({ last }) => last > upTo)
    const count = kept < 0 ? log.sealed.length : kept
    // one beyond what was shipped is written down at once: it is told once, and its sequences are not used again
    if (count === 0 && this.#acked <= this.#marks.shipped) return
    try {
      // first written down, then removed: else the next start would miss these records
      await this.#mark(Math.max(this.#marks.shipped, this.#acked))
      await log.removeFirst(count)
    } catch (error) {
      this.#options.log.warn({ err: error }, 'confirmed outbox records cannot be removed')
    }
  }
}

/** What is durable in the folder needs the folder's own name to be, and that of any folder made around it. */
async function makeFolder(folder: string, disk: OutboxDisk, log: Logger): Promise<void> {
  const made = await disk.mkdir(folder, { recursive: true, mode: 0o700 })
  if (made === undefined) return
  try {
    for (let path = folder; ; path = dirname(path)) {
      await syncFolder(dirname(path), disk)
      if (path === made || path === dirname(path)) return
    }
  } catch (error) {
    log.warn({ err: error, folder }, 'the folder around the outbox cannot be synced')
  }
}

/** A sixteenth, so that merging has something to choose from; half of those would do. */
function segmentBytesOf(bytesMax: number): number {
  return Math.min(segmentBytesMax, Math.floor(bytesMax / 16))
}
