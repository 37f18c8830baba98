// The windows that are still open, kept so that a kill costs at most what came after the last checkpoint. What a
// checkpoint held is appended at the next start, marked as interrupted, unless it had closed and been appended already:
// the checkpoint names the sequence it was made at, and every window record after that names the window it closed.

import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { canMergeWindows, mergeWindows } from '@roost/shared/sketch/window.ts'
import type { Logger } from 'pino'
import { z } from 'zod'
import { type OutboxDisk, realDisk } from './disk.ts'
import { DoubleSlot } from './double-slot.ts'
import type { Outbox } from './outbox.ts'
import { OutboxError } from './outbox-error.ts'
import { windowId } from './window-id.ts'

/** What a checkpoint may take; a longer one is made without the columns of its windows, counts only. */
export const checkpointBytesMax = 4_194_304
/** So many windows are handed to the outbox and not durable yet; more wait here, those of a kind as one, so that neither
 *  memory nor the checkpoint grows while the disk takes nothing. */
export const closingMax = 64
/** So many kinds of windows wait. Beyond it they go to the outbox at once, and into no checkpoint. */
export const backlogMax = 256

const Checkpoint = z.object({
  epoch: z.string(),
  /** Windows that close after this checkpoint have higher sequences. */
  head: z.number().int().nonnegative(),
  open: z.array(WindowReport),
  /** Closed, but not known to be durable in the outbox when this was written. */
  closing: z.array(WindowReport),
})
type Checkpoint = z.infer<typeof Checkpoint>

/** A window handed to the outbox, until that is durable. `head`: of the outbox, when it was handed over. */
type Closing = { report: WindowReport; head: number }

/** Closed windows of one kind that wait to be handed over, as one. Replaced, never changed. */
type Waiting = { report: WindowReport; durable: PromiseWithResolvers<number> }

export type OpenWindowsOptions = { outbox: Outbox; log: Logger; disk?: OutboxDisk }

export class OpenWindows {
  readonly #outbox: Outbox
  readonly #log: Logger
  readonly #slot: DoubleSlot
  /** By runtime process, as each last told. */
  readonly #open = new Map<string, readonly WindowReport[]>()
  readonly #closing = new Set<Closing>()
  readonly #backlog: Waiting[] = []
  /** What the outbox was last told to keep for the checkpoint on disk. */
  #held = Number.POSITIVE_INFINITY
  #writing: Promise<void> | undefined
  #dirty = false
  #failing = false
  #writtenEmpty = false

  private constructor(slot: DoubleSlot, { outbox, log }: OpenWindowsOptions) {
    this.#slot = slot
    this.#outbox = outbox
    this.#log = log
  }

  /** Takes up what an earlier process left open in `folder` (the outbox's own will do): appended as interrupted, once.
   *  Before anything else is appended to the outbox or acknowledged. */
  static async open(folder: string, options: OpenWindowsOptions): Promise<OpenWindows> {
    const { log, disk = realDisk } = options
    await disk.mkdir(folder, { recursive: true, mode: 0o700 })
    const slot = await DoubleSlot.open(folder, 'open-windows', disk)
    const found = slot.found === undefined ? undefined : decode(Checkpoint, slot.found)
    if (found?.ok === false) log.error({ reason: found.reason }, 'a checkpoint of open windows cannot be read')
    const windows = new OpenWindows(slot, options)
    if (found?.ok === true) await windows.#takeUp(found.message)
    return windows
  }

  /** What a runtime process has open now, whole and not as a difference. Writes at once, or after what is being written. */
  save(runtime: string, windows: readonly WindowReport[]): void {
    if (windows.length === 0) this.#open.delete(runtime)
    else this.#open.set(runtime, windows)
    void this.#write()
  }

  /** A window has closed: no longer part of what its runtime process says is open. Resolves as Outbox.append does; windows
   *  that became one here while the disk took nothing get one sequence, too. */
  append(runtime: string, report: WindowReport): Promise<number> {
    const id = windowId(report)
    this.#open.set(
      runtime,
      (this.#open.get(runtime) ?? []).filter((window) => windowId(window) !== id),
    )
    return this.#handOver(report)
  }

  /** A runtime process died: what it had open, as last told, closes as interrupted. */
  async interrupt(runtime: string): Promise<void> {
    const left = this.#open.get(runtime) ?? []
    this.#open.delete(runtime)
    await Promise.all(left.map((report) => this.#handOver({ ...report, interrupted: true })))
  }

  /** Resolves when nothing is being written: what was saved before is in the checkpoint, if the disk took it. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Ends after what is being written, once the outbox is closed. What is open, or waits, stays in the checkpoint for the
   *  next start. */
  async close(): Promise<void> {
    await this.#writing
    const error = new OutboxError('closed', 'closed while waiting for the disk')
    for (const { durable } of this.#backlog.splice(0)) durable.reject(error)
  }

  /** First a checkpoint of this life that lists them, then the appending: killed in between or not, once. */
  async #takeUp(checkpoint: Checkpoint): Promise<void> {
    const left = await this.#notAppended(checkpoint)
    // until another checkpoint has taken the place of this one
    if (checkpoint.epoch === this.#outbox.epoch) this.#hold(checkpoint.head)
    if (left.length > 0) this.#log.info({ windows: left.length }, 'windows of an earlier process are taken up')
    const closing = left.map((report) => ({ report, head: this.#outbox.head }))
    for (const one of closing) this.#closing.add(one)
    await this.#write()
    for (const one of closing) {
      this.#append(one).catch((error: unknown) =>
        this.#log.error({ err: error }, 'a window of an earlier process could not be appended'),
      )
    }
  }

  #handOver(report: WindowReport): Promise<number> {
    if (this.#closing.size >= closingMax || this.#backlog.length > 0) return this.#wait(report)
    const closing = { report, head: this.#outbox.head }
    this.#closing.add(closing)
    return this.#append(closing)
  }

  #wait(report: WindowReport): Promise<number> {
    const index = this.#backlog.findIndex((waiting) => canMergeWindows(waiting.report, report))
    const before = this.#backlog[index]
    if (before === undefined && this.#backlog.length >= backlogMax) return this.#outbox.append(report)
    const durable = before?.durable ?? Promise.withResolvers<number>()
    if (before === undefined) this.#backlog.push({ report, durable })
    else this.#backlog[index] = { report: mergeWindows(before.report, report), durable }
    void this.#write()
    return durable.promise
  }

  /** Hands over what waits, as far as `listed` has it: no other than what the checkpoint on disk lists. Else a kill would
   *  leave a record of more windows than its id tells. */
  #handOverBacklog(listed: readonly Waiting[]): void {
    for (const waiting of listed) {
      if (this.#closing.size >= closingMax) return
      const index = this.#backlog.indexOf(waiting)
      if (index < 0) continue
      this.#backlog.splice(index, 1)
      const { report, durable } = waiting
      const closing = { report, head: this.#outbox.head }
      this.#closing.add(closing)
      this.#append(closing).then(durable.resolve, durable.reject)
    }
  }

  async #append(closing: Closing): Promise<number> {
    try {
      const seq = await this.#outbox.append(closing.report)
      this.#closing.delete(closing)
      return seq
    } catch (error) {
      // what was still waiting for the disk when the outbox closed is left to the next start
      if (!(error instanceof OutboxError && error.code === 'closed')) this.#closing.delete(closing)
      throw error
    } finally {
      void this.#write()
    }
  }

  /** What the checkpoint holds and the outbox does not. Two windows may begin in the same millisecond and share their id:
   *  then the one that closed first is the one appended. */
  async #notAppended({ epoch, head, open, closing }: Checkpoint): Promise<WindowReport[]> {
    const appended = epoch === this.#outbox.epoch ? await this.#outbox.idsAfter(head) : []
    const interrupted = open.map((report) => ({ ...report, interrupted: true }))
    return [...closing, ...interrupted].filter((report) => {
      const index = appended.indexOf(windowId(report))
      if (index >= 0) appended.splice(index, 1)
      return index < 0
    })
  }

  /** One write at a time; what changes meanwhile is written after it. Resolves when both are done, never rejects. */
  #write(): Promise<void> {
    this.#dirty = true
    this.#writing ??= this.#writeWhileDirty().finally(() => {
      this.#writing = undefined
    })
    return this.#writing
  }

  async #writeWhileDirty(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false
      const backlog = [...this.#backlog]
      const checkpoint = this.#checkpoint()
      const isEmpty = checkpoint.open.length === 0 && checkpoint.closing.length === 0
      // an empty checkpoint has nothing that could be counted twice
      const head = isEmpty ? Number.POSITIVE_INFINITY : checkpoint.head
      try {
        // from the moment it may be on disk, and as long as the one before it may be
        this.#hold(Math.min(this.#held, head))
        if (!isEmpty || !this.#writtenEmpty) await this.#slot.write(encodeCheckpoint(checkpoint))
        this.#writtenEmpty = isEmpty
        this.#hold(head)
        this.#handOverBacklog(backlog)
        if (this.#failing) this.#log.info('checkpoints are written again')
        this.#failing = false
      } catch (error) {
        await this.#giveUp(error)
      }
    }
  }

  #hold(head: number): void {
    this.#held = head
    this.#outbox.hold(head)
  }

  #checkpoint(): Checkpoint {
    const closing = [...this.#closing]
    return {
      epoch: this.#outbox.epoch,
      // one that became durable a moment ago may still be listed: its record must lie after `head`
      head: Math.min(this.#outbox.head, ...closing.map(({ head }) => head)),
      open: [...this.#open.values()].flat(),
      closing: [...closing, ...this.#backlog].map(({ report }) => report),
    }
  }

  /** No checkpoint rather than an old one: that one would hold the outbox's records for ever. Until the next write
   *  succeeds, a kill costs the open windows whole. */
  async #giveUp(error: unknown): Promise<void> {
    if (!this.#failing) this.#log.error({ err: error }, 'open windows cannot be checkpointed')
    this.#failing = true
    try {
      await this.#slot.clear()
      this.#writtenEmpty = false
      this.#hold(Number.POSITIVE_INFINITY)
      this.#handOverBacklog([...this.#backlog])
    } catch (clearError) {
      this.#log.warn({ err: clearError }, 'the old checkpoint cannot be removed')
    }
  }
}

function encodeCheckpoint(checkpoint: Checkpoint): Uint8Array {
  const bytes = encode(checkpoint)
  if (bytes.length <= checkpointBytesMax) return bytes
  const bare = (report: WindowReport): WindowReport => ({ ...report, features: {}, outputs: {} })
  return encode({ ...checkpoint, open: checkpoint.open.map(bare), closing: checkpoint.closing.map(bare) })
}
