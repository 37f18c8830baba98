// The line of records that wait for the disk, bounded in bytes.

import { type PendingRecord, pendingBytes, squeeze, type Waiting } from './pending.ts'
import { encodedBytes } from './record.ts'

export class PendingQueue {
  readonly #bytesMax: number
  readonly #bodyBytesMax: number
  #records: PendingRecord[] = []
  #sizeBytes = 0

  /** `bodyBytesMax`: of one record, merged or not. */
  constructor(bytesMax: number, bodyBytesMax: number) {
    this.#bytesMax = bytesMax
    this.#bodyBytesMax = bodyBytesMax
  }

  get length(): number {
    return this.#records.length
  }

  /** Adds to the end. Over the bound the line is squeezed; returns those whose records had to be given up or refused. */
  add(record: PendingRecord, nowMs: number): Waiting[] {
    this.#records.push(record)
    this.#sizeBytes += encodedBytes(record)
    if (this.#sizeBytes <= this.#bytesMax) return []
    // down to three quarters, so that not every single append has to squeeze
    const { kept, lost } = squeeze(this.#records, this.#bytesMax * 0.75, this.#bodyBytesMax, nowMs)
    const refused = pendingBytes(kept) > this.#bytesMax && kept.includes(record)
    this.#set(refused ? kept.filter((one) => one !== record) : kept)
    return refused ? [...lost, ...record.waiting] : lost
  }

  /** Takes from the front: at most so many records, at most so many bytes of them, at least one if there is one. */
  take(recordsMax: number, bytesMax: number): PendingRecord[] {
    let bytes = 0
    const end = this.#records.findIndex((record, i) => {
      bytes += encodedBytes(record)
      return i > 0 && (i >= recordsMax || bytes > bytesMax)
    })
    const taken = this.#records.splice(0, end < 0 ? this.#records.length : end)
    this.#sizeBytes -= pendingBytes(taken)
    return taken
  }

  /** Puts back what was taken. */
  putBack(records: readonly PendingRecord[]): void {
    this.#set([...records, ...this.#records])
  }

  /** Lets go of the records, none of them a window, that this one waits for. */
  withdraw(waiting: Waiting): void {
    this.#set(this.#records.filter((record) => !record.waiting.includes(waiting)))
  }

  #set(records: PendingRecord[]): void {
    this.#records = records
    this.#sizeBytes = pendingBytes(records)
  }
}
