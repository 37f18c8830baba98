// A blob that is not whole yet: a sparse file into which verified chunks are written in whatever order they come.
// What it holds is found out by hashing it, never by a note beside it: after a power cut a note may say more than is true.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { chunkCount, chunkSizeBytes, type HashedBlob, verifyChunk } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { type Disk, type DiskFile, removeIfPresent, syncFolder, systemCode, writeFully } from '../durable-file.ts'
import { DownloadError } from './error.ts'

/** Chunks written between two fsyncs: 4 MiB is what a power cut may cost. */
export const chunksPerSync = 64

export class PartialBlob {
  readonly file: HashedBlob
  /** Indices of the chunks that are not on disk yet. */
  readonly missing: ReadonlySet<number>
  readonly #missing: Set<number>
  readonly #path: string
  readonly #handle: DiskFile
  readonly #disk: Disk
  #unsynced = 0

  private constructor(file: HashedBlob, path: string, handle: DiskFile, disk: Disk, missing: Set<number>) {
    this.file = file
    this.missing = missing
    this.#missing = missing
    this.#path = path
    this.#handle = handle
    this.#disk = disk
  }

  /** Goes on with the file at `path`, or begins it. One that this process alone did not write (a link, longer than the
   *  blob) is removed first.
   *  @throws DownloadError `no-space`, `disk` */
  static async open(path: string, file: HashedBlob, disk: Disk): Promise<PartialBlob> {
    try {
      const handle = (await openExisting(path, file, disk)) ?? (await openNew(path, disk))
      try {
        return new PartialBlob(file, path, handle, disk, await findMissing(handle, file))
      } catch (error) {
        await handle.close()
        throw error
      }
    } catch (error) {
      throw asDownloadError(error)
    }
  }

  /** Takes chunk `index` if it is missing and right. Writes nothing otherwise, and never past the blob's size.
   *  @throws DownloadError `no-space`, `disk` */
  async put(index: number, bytes: Uint8Array): Promise<'new' | 'duplicate' | 'corrupt'> {
    if (!this.#missing.has(index)) return index < chunkCount(this.file) ? 'duplicate' : 'corrupt'
    if (!verifyChunk(this.file, index, bytes)) return 'corrupt'
    try {
      await writeFully(this.#handle, bytes, index * chunkBytes)
    } catch (error) {
      throw asDownloadError(error)
    }
    this.#missing.delete(index)
    this.#unsynced++
    if (this.#unsynced >= chunksPerSync) await this.#sync()
    return 'new'
  }

  /** With nothing missing: makes it the blob at `finalPath`, durably, if the whole hashes to its name; removes it if not.
   *  @throws DownloadError `digest`, `disk` */
  async complete(finalPath: string): Promise<void> {
    assert(this.#missing.size === 0)
    await this.#sync()
    try {
      const sha256 = await this.#hash()
      if (sha256 !== this.file.sha256) {
        await removeIfPresent(this.#path, this.#disk)
        throw new DownloadError('digest', `its chunks are right, but the whole is ${sha256}`)
      }
      await this.#disk.rename(this.#path, finalPath)
      await syncFolder(dirname(finalPath), this.#disk)
    } catch (error) {
      throw asDownloadError(error)
    }
  }

  /** What was written stays for the next `open`. */
  close(): Promise<void> {
    return this.#handle.close()
  }

  /** After a failed fsync the kernel forgets which pages never reached the disk, and a later fsync succeeds on them;
   *  the file is worth nothing then. */
  async #sync(): Promise<void> {
    try {
      await this.#handle.sync()
      this.#unsynced = 0
    } catch (error) {
      // a file system that has become read-only keeps it; what went wrong first is what the caller must hear
      await removeIfPresent(this.#path, this.#disk).catch(() => undefined)
      throw asDownloadError(error)
    }
  }

  async #hash(): Promise<string> {
    const hash = createHash('sha256')
    for await (const chunk of readChunks(this.#handle, this.file)) hash.update(chunk)
    return hash.digest('hex')
  }
}

async function openExisting(path: string, file: HashedBlob, disk: Disk): Promise<DiskFile | undefined> {
  let handle: DiskFile
  try {
    handle = await disk.open(path, constants.O_RDWR | constants.O_NOFOLLOW)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    if (systemCode(error) !== 'ELOOP') throw error
    await disk.unlink(path) // a symbolic link
    return undefined
  }
  const { size, nlink, isFile } = await statOrClose(handle)
  if (isFile && nlink === 1 && size <= file.sizeBytes) return handle
  await handle.close()
  await disk.unlink(path)
  return undefined
}

async function statOrClose(handle: DiskFile): Promise<{ size: number; nlink: number; isFile: boolean }> {
  try {
    const stat = await handle.stat()
    return { size: stat.size, nlink: stat.nlink, isFile: stat.isFile() }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function openNew(path: string, disk: Disk): Promise<DiskFile> {
  const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants
  const handle = await disk.open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  try {
    await syncFolder(dirname(path), disk) // else all that is synced into the file may go with its name
    return handle
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function findMissing(handle: DiskFile, file: HashedBlob): Promise<Set<number>> {
  const missing = new Set(Array.from({ length: chunkCount(file) }, (_, index) => index))
  let index = 0
  for await (const chunk of readChunks(handle, file)) {
    if (verifyChunk(file, index, chunk)) missing.delete(index)
    index++
  }
  return missing
}

/** The file in chunks, up to where it ends. The buffer is used again for the next one. */
async function* readChunks(handle: DiskFile, file: HashedBlob): AsyncGenerator<Uint8Array, void, undefined> {
  const buffer = Buffer.alloc(chunkBytes)
  for (let index = 0; index < chunkCount(file); index++) {
    const length = chunkSizeBytes(file, index)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, index * chunkBytes + filled)
      if (bytesRead === 0) return
      filled += bytesRead
    }
    yield buffer.subarray(0, length)
  }
}

/** A failed file call as what a download may fail of; anything else as it is. */
export function asDownloadError(error: unknown): unknown {
  const code = systemCode(error)
  if (code === undefined || error instanceof DownloadError) return error
  if (code === 'ENOSPC' || code === 'EDQUOT') return new DownloadError('no-space', 'the disk is full', { cause: error })
  return new DownloadError('disk', `the file system failed: ${code}`, { cause: error })
}
