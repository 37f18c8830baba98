// A small value that is rewritten often, in two files in turn: while one is being written the other one is whole.
// Files are written over in place, so that a full disk stops only a value that has grown.

import { constants } from 'node:fs'
import { join } from 'node:path'
import { isMissing, removeIfPresent, syncFolder, writeFully } from '../durable-file.ts'
import { crc32c } from './checksum.ts'
import { type OutboxDisk, readWhole } from './disk.ts'

// Little-endian: u32 CRC32C of what follows, u32 bytes of content, u64 turn; then the content.
const headBytes = 16
type Slot = { turn: bigint; content: Uint8Array }

export class DoubleSlot {
  /** The newest whole value; undefined where there is none. */
  readonly found: Uint8Array | undefined
  /** Whether both files are whole: only then is `found` surely the last value written. */
  readonly sound: boolean
  readonly #folder: string
  readonly #files: readonly [string, string]
  readonly #disk: OutboxDisk
  #turn: bigint

  private constructor(folder: string, files: [string, string], disk: OutboxDisk, slots: (Slot | undefined)[]) {
    const [newest, other] = slots.toSorted((a, b) => Number((b?.turn ?? 0n) - (a?.turn ?? 0n)))
    this.#folder = folder
    this.#files = files
    this.#disk = disk
    this.#turn = newest?.turn ?? 0n
    this.found = newest?.content
    this.sound = newest !== undefined && other !== undefined && newest.turn === other.turn + 1n
  }

  /** Reads `<name>-0` and `<name>-1` in `folder`; a file that cannot be read counts as damaged. */
  static async open(folder: string, name: string, disk: OutboxDisk): Promise<DoubleSlot> {
    const files: [string, string] = [`${name}-0`, `${name}-1`]
    const slots = []
    for (const [i, file] of files.entries()) {
      const bytes = await readWhole(join(folder, file), disk).catch(() => undefined)
      const slot = bytes === undefined ? undefined : readSlot(bytes)
      // turns alternate between the files: one that lies in the wrong file was put there by somebody else
      slots.push(slot !== undefined && slot.turn % 2n === BigInt(i) ? slot : undefined)
    }
    return new DoubleSlot(folder, files, disk, slots)
  }

  /** Durable when it resolves. After a rejection the value before it or this one is there. */
  async write(content: Uint8Array): Promise<void> {
    const turn = this.#turn + 1n
    const bytes = Buffer.alloc(headBytes + content.length)
    bytes.writeUInt32LE(content.length, 4)
    bytes.writeBigUInt64LE(turn, 8)
    bytes.set(content, headBytes)
    bytes.writeUInt32LE(crc32c(bytes.subarray(4)), 0)
    await this.#writeOver(this.#pathOf(turn), bytes)
    this.#turn = turn
  }

  /** Removes both files: there is no value then. The older one first: cut short, the newest value is still the one found. */
  async clear(): Promise<void> {
    for (const turn of [this.#turn + 1n, this.#turn]) {
      await removeIfPresent(this.#pathOf(turn), this.#disk)
      await syncFolder(this.#folder, this.#disk)
    }
  }

  #pathOf(turn: bigint): string {
    return join(this.#folder, this.#files[turn % 2n === 0n ? 0 : 1])
  }

  async #writeOver(path: string, bytes: Uint8Array): Promise<void> {
    const { O_WRONLY, O_CREAT, O_NOFOLLOW } = constants
    let isNew = false
    const file = await this.#disk.open(path, O_WRONLY | O_NOFOLLOW).catch((error: unknown) => {
      if (!isMissing(error)) throw error
      isNew = true
      return this.#disk.open(path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600)
    })
    try {
      await writeFully(file, bytes, 0)
      await file.sync()
    } finally {
      await file.close()
    }
    if (isNew) await syncFolder(this.#folder, this.#disk)
  }
}

function readSlot(bytes: Uint8Array): Slot | undefined {
  if (bytes.length < headBytes) return undefined
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = headBytes + buffer.readUInt32LE(4)
  if (end > buffer.length || crc32c(buffer.subarray(4, end)) !== buffer.readUInt32LE(0)) return undefined
  return { turn: buffer.readBigUInt64LE(8), content: buffer.subarray(headBytes, end) }
}
