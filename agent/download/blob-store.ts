// The blobs of this device: `<sha256>` is whole and was verified, `<sha256>.part` is being downloaded.
// Their sizes together never exceed what the profile grants; what no slot needs goes first when room is wanted.

import assert from 'node:assert/strict'
import * as nodeDisk from 'node:fs/promises'
import { join } from 'node:path'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import { type Disk, isMissing, removeIfPresent, syncFolder } from '../durable-file.ts'
import { DownloadError } from './error.ts'
import { asDownloadError, PartialBlob } from './partial-blob.ts'

/** Left free on the disk for everything else: outbox, slots, logs, the system. */
export const reserveBytes = 32 * 1_048_576

/** node:fs/promises is one. */
export type BlobDisk = Disk & {
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<string | undefined>
  readdir(path: string): Promise<string[]>
  lstat(path: string): Promise<{ size: number; blocks: number; mtimeMs: number; isFile(): boolean }>
  statfs(path: string): Promise<{ bavail: number; bsize: number }>
}

/** `sizeBytes`: what it may take, so the whole blob's for one under way. */
type Entry = { sizeBytes: number; state: 'whole' | 'part' | 'open' }

export class BlobStore {
  readonly #folder: string
  readonly #bytesMax: number
  readonly #disk: BlobDisk
  /** In the order in which they may go. */
  readonly #entries: Map<Digest, Entry>
  /** Undefined until the first `keep`: before that nobody knows what may go. */
  #needed: ReadonlySet<Digest> | undefined

  private constructor(folder: string, bytesMax: number, disk: BlobDisk, entries: Map<Digest, Entry>) {
    this.#folder = folder
    this.#bytesMax = bytesMax
    this.#disk = disk
    this.#entries = entries
  }

  /** Reads what is there; files with other names are left alone.
   *  `bytesMax`: the profile's `blobBytes`.
   *  @throws the file system's error */
  static async open(folder: string, bytesMax: number, disk: BlobDisk = nodeDisk): Promise<BlobStore> {
    await disk.mkdir(folder, { recursive: true, mode: 0o700 })
    const found = []
    for (const name of await disk.readdir(folder)) {
      const [digest = '', ending] = name.split('.', 2)
      if (!Digest.safeParse(digest).success || (name !== digest && name !== `${digest}.part`)) continue
      const stat = await disk.lstat(join(folder, name))
      if (!stat.isFile()) continue
      const { size, mtimeMs } = stat
      found.push({
        digest,
        mtimeMs,
        entry: { sizeBytes: size, state: ending === undefined ? 'whole' : 'part' } as const,
      })
    }
    // Oldest first; of a blob that is there both ways, the whole one counts.
    found.sort((a, b) => Number(a.entry.state === 'whole') - Number(b.entry.state === 'whole') || a.mtimeMs - b.mtimeMs)
    return new BlobStore(folder, bytesMax, disk, new Map(found.map(({ digest, entry }) => [digest, entry])))
  }

  /** Whether the blob is there, whole. */
  has({ sha256, sizeBytes }: Pick<HashedBlob, 'sha256' | 'sizeBytes'>): boolean {
    const entry = this.#entries.get(sha256)
    return entry?.state === 'whole' && entry.sizeBytes === sizeBytes
  }

  /** Whether a whole blob of this name is there, of whatever size. */
  holds(sha256: Digest): boolean {
    return this.#entries.get(sha256)?.state === 'whole'
  }

  /** Where a whole blob lies. */
  pathOf(sha256: Digest): string {
    return join(this.#folder, Digest.parse(sha256))
  }

  /** From now on only these may not go. Nothing is removed before its room is needed. */
  keep(needed: ReadonlySet<Digest>): void {
    this.#needed = needed
  }

  /** A whole blob that turned out to be damaged: it can be downloaded anew then. */
  async remove(sha256: Digest): Promise<void> {
    assert(this.#entries.get(sha256)?.state !== 'open', `${sha256} is being downloaded`)
    await removeIfPresent(this.pathOf(sha256), this.#disk)
    await removeIfPresent(this.#partPath(sha256), this.#disk)
    this.#entries.delete(sha256)
  }

  /** Makes room for a blob that is not there yet and opens what there is of it. `complete` or `close` it in the end.
   *  One download of a blob at a time.
   *  @throws DownloadError `no-space`, `disk` */
  async begin(file: HashedBlob): Promise<PartialBlob> {
    const before = this.#entries.get(file.sha256)
    assert(before?.state !== 'open', `${file.sha256} is being downloaded already`)
    assert(!this.has(file), `${file.sha256} is there already`)
    // Booked before the first await, so that downloads that begin side by side do not promise the same room twice.
    this.#entries.delete(file.sha256)
    this.#entries.set(file.sha256, { sizeBytes: file.sizeBytes, state: 'open' })
    try {
      if (before?.state === 'whole') await removeIfPresent(this.pathOf(file.sha256), this.#disk) // of another size
      // whoever tidied up by hand may have taken the folder with what was in it
      await this.#disk.mkdir(this.#folder, { recursive: true, mode: 0o700 })
      await this.#makeRoom(file)
      return await PartialBlob.open(this.#partPath(file.sha256), file, this.#disk)
    } catch (error) {
      this.#entries.delete(file.sha256)
      if (before !== undefined) this.#entries.set(file.sha256, before)
      throw asDownloadError(error)
    }
  }

  /** Makes a blob of which nothing is missing a whole one, and closes it either way.
   *  @throws DownloadError `digest`, `disk` */
  async complete(blob: PartialBlob): Promise<void> {
    const { sha256, sizeBytes } = blob.file
    try {
      await blob.complete(this.pathOf(sha256))
    } catch (error) {
      await this.close(blob)
      throw error
    }
    this.#entries.set(sha256, { sizeBytes, state: 'whole' })
    await blob.close()
  }

  /** Puts a download aside; it goes on where it stopped with the next `begin`. */
  async close(blob: PartialBlob): Promise<void> {
    try {
      await blob.close()
    } finally {
      await this.#settle(blob.file)
    }
  }

  #partPath(sha256: Digest): string {
    return `${this.pathOf(sha256)}.part`
  }

  /** Books what is on disk of a blob that nobody downloads any more. */
  async #settle({ sha256, sizeBytes }: HashedBlob): Promise<void> {
    // where the disk does not say, all of it may be there
    const stat = await this.#statPart(sha256).catch(() => ({ size: sizeBytes }))
    if (stat === undefined) this.#entries.delete(sha256)
    else this.#entries.set(sha256, { sizeBytes: stat.size, state: 'part' })
  }

  async #statPart(sha256: Digest): Promise<{ size: number; blocks: number } | undefined> {
    try {
      return await this.#disk.lstat(this.#partPath(sha256))
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async #makeRoom(file: HashedBlob): Promise<void> {
    const grant = `${this.#bytesMax} bytes are granted for blobs`
    const entries = () => [...this.#entries]
    const stuck = entries().filter(([digest, entry]) => !this.#mayGo(digest, entry))
    if (bytesOf(stuck) > this.#bytesMax) throw noSpace(grant) // nothing is thrown out for a blob that does not fit anyway
    while (bytesOf(entries()) > this.#bytesMax) await this.#evictOne(grant)
    while (!(await this.#fitsDisk(file))) await this.#evictOne('the disk is full')
  }

  #mayGo(digest: Digest, { state }: Entry): boolean {
    return state !== 'open' && this.#needed !== undefined && !this.#needed.has(digest)
  }

  async #fitsDisk(file: HashedBlob): Promise<boolean> {
    const { bavail, bsize } = await this.#disk.statfs(this.#folder)
    const part = await this.#statPart(file.sha256)
    const onDiskBytes = (part?.blocks ?? 0) * 512 // st_blocks counts 512 bytes, whatever the file system's block is
    return bavail * bsize >= file.sizeBytes - Math.min(onDiskBytes, file.sizeBytes) + reserveBytes
  }

  async #evictOne(wall: string): Promise<void> {
    const oldest = [...this.#entries].find(([digest, entry]) => this.#mayGo(digest, entry))
    if (oldest === undefined) throw noSpace(wall)
    await this.remove(oldest[0])
    await syncFolder(this.#folder, this.#disk)
  }
}

const bytesOf = (entries: readonly [Digest, Entry][]): number =>
  entries.reduce((sum, [, { sizeBytes }]) => sum + sizeBytes, 0)

const noSpace = (wall: string) => new DownloadError('no-space', `${wall}, and nothing there can go`)
