// Blobs on disk: bytes named by their sha256. Streamed in and hashed while written (whole, and every 64 KiB chunk);
// temporary file, fsync, rename, fsync of the folder, so that a blob that is there is whole.

import { createHash } from 'node:crypto'
import { statSync, unlinkSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { ChunkHasher, type HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import type { Random } from '../hub.ts'
import { syncFolder, unlessMissing } from './files.ts'

export type BlobErrorCode = 'too-large' | 'not-found'
export class BlobError extends Error {
  override readonly name = 'BlobError'
  readonly code: BlobErrorCode
  constructor(code: BlobErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Bytes that have arrived but are not a blob yet: `keep` makes them one, disposal removes what was not kept. */
export type StagedBlob = HashedBlob &
  AsyncDisposable & {
    /** Holds until it is kept or disposed of. */
    path: string
    read(offset: number, length: number): Promise<Uint8Array>
    keep(): Promise<void>
  }

export type BlobStore = {
  /** Takes in what `source` gives. At the byte past `bytesMax` it stops reading and leaves nothing behind.
   *  @throws BlobError too-large; whatever `source` throws */
  stage(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limits: { bytesMax: number }): Promise<StagedBlob>
  /** Stages and keeps.
   *  @throws as `stage` */
  put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limits: { bytesMax: number }): Promise<HashedBlob>
  /** The sha256 of a file that is no blob yet. */
  digestOf(path: string): Promise<string>
  /** Makes a blob of a file on the same disk, fsynced and of that digest, by moving it.
   *  @throws the errors of rename(2): ENOENT where it was moved before */
  adopt(path: string, sha256: string): Promise<void>
  /** Makes it as young as one that has just come, for `removeOld`.
   *  @throws BlobError not-found */
  renew(sha256: string): Promise<void>
  /** The blobs that came before `beforeMs`, in no order. */
  old(beforeMs: number): AsyncGenerator<string, void, undefined>
  /** Removes the blob unless it has come again since `beforeMs`, or just does. @returns whether it is gone */
  removeOld(sha256: string, beforeMs: number): boolean
  /** @throws BlobError not-found */
  sizeBytes(sha256: string): Promise<number>
  has(sha256: string): Promise<boolean>
  /** Where the blob lies, for a child process or onnxruntime to open. Read only. */
  pathOf(sha256: string): string
  /** At most `length` bytes from `offset`; fewer at the end.
   *  @throws BlobError not-found */
  read(sha256: string, offset: number, length: number): Promise<Uint8Array>
  /** The bytes from `offset`, `length` of them or to the end, in pieces of at most 64 KiB.
   *  @throws BlobError not-found */
  open(sha256: string, offset?: number, length?: number): AsyncGenerator<Uint8Array, void, undefined>
}

/** Opens the store below `folder`; what an interrupted upload left in `incoming` is removed. */
export async function openBlobs(folder: string, random: Random): Promise<BlobStore> {
  const incoming = join(folder, 'incoming')
  await mkdir(incoming, { recursive: true, mode: 0o700 })
  for (const name of await readdir(incoming)) await unlink(join(incoming, name))
  const pathOf = (sha256: string) => {
    const digest = Digest.parse(sha256)
    return join(folder, digest.slice(0, 2), digest)
  }
  const openFile = async (sha256: string): Promise<FileHandle> => {
    const file = await unlessMissing(open(pathOf(sha256), 'r'), undefined)
    if (file === undefined) throw new BlobError('not-found', `there is no blob ${sha256}`)
    return file
  }

  /** Being put into place. What is removed is looked at and unlinked in one go, so that nothing comes in between. */
  const arriving = new Map<string, number>()
  const keep = async (temporary: string, sha256: string) => {
    const shelf = join(folder, sha256.slice(0, 2))
    arriving.set(sha256, (arriving.get(sha256) ?? 0) + 1)
    try {
      if ((await mkdir(shelf, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(folder)
      await rename(temporary, pathOf(sha256))
      await syncFolder(shelf)
    } finally {
      const others = (arriving.get(sha256) ?? 1) - 1
      if (others > 0) arriving.set(sha256, others)
      else arriving.delete(sha256)
    }
  }
  const stage: BlobStore['stage'] = async (source, { bytesMax }) => {
    const path = join(incoming, Buffer.from(random(16)).toString('hex'))
    const discard = () => unlessMissing(unlink(path), undefined)
    try {
      const blob = await writeHashed(path, source, bytesMax)
      return {
        ...blob,
        path,
        read: (offset, length) => readFrom(path, offset, length),
        keep: () => keep(path, blob.sha256),
        [Symbol.asyncDispose]: discard,
      }
    } catch (error) {
      await discard()
      throw error
    }
  }

  return {
    pathOf,
    stage,
    put: async (source, limits) => {
      await using staged = await stage(source, limits)
      await staged.keep()
      const { sha256, sizeBytes, chunks } = staged
      return { sha256, sizeBytes, chunks }
    },
    digestOf: async (path) => {
      const hash = createHash('sha256')
      await using file = await open(path, 'r')
      for await (const piece of file.createReadStream({ autoClose: false, highWaterMark: 1_048_576 }))
        hash.update(piece)
      return hash.digest('hex')
    },
    adopt: async (path, sha256) => {
      const now = new Date()
      await utimes(path, now, now)
      await keep(path, Digest.parse(sha256))
    },
    renew: async (sha256) => {
      await using file = await openFile(sha256)
      const now = new Date()
      await file.utimes(now, now)
    },
    old: async function* (beforeMs) {
      const shelves = (await readdir(folder)).filter((name) => /^[0-9a-f]{2}$/.test(name))
      for (const shelf of shelves) {
        for (const name of await readdir(join(folder, shelf))) {
          if (!Digest.safeParse(name).success) continue
          const found = await unlessMissing(stat(pathOf(name)), undefined)
          if (found !== undefined && found.mtimeMs < beforeMs) yield name
        }
      }
    },
    removeOld: (sha256, beforeMs) => {
      const path = pathOf(sha256)
      if (arriving.has(sha256)) return false
      const found = statSync(path, { throwIfNoEntry: false })
      if (found === undefined || found.mtimeMs >= beforeMs) return false
      unlinkSync(path)
      return true
    },
    sizeBytes: async (sha256) => {
      await using file = await openFile(sha256)
      return (await file.stat()).size
    },
    has: async (sha256) => (await unlessMissing(stat(pathOf(sha256)), undefined))?.isFile() ?? false,
    read: async (sha256, offset, length) => {
      await using file = await openFile(sha256)
      return await readAt(file, offset, length)
    },
    open: async function* (sha256, offset = 0, length = Number.POSITIVE_INFINITY) {
      await using file = await openFile(sha256)
      for (let at = offset, left = length; left > 0; ) {
        const piece = await readAt(file, at, Math.min(left, chunkBytes))
        if (piece.length === 0) return
        yield piece
        at += piece.length
        left -= piece.length
      }
    },
  }
}

/** Writes `source` to the new file `path`, fsynced, and says what it holds. */
async function writeHashed(
  path: string,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  bytesMax: number,
): Promise<HashedBlob> {
  await using file = await open(path, 'wx', 0o600)
  const hasher = new ChunkHasher()
  let sizeBytes = 0
  for await (const piece of source) {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax) throw new BlobError('too-large', `more than ${bytesMax} bytes`)
    hasher.update(piece)
    await file.writeFile(piece)
  }
  await file.sync()
  return hasher.digest()
}

async function readFrom(path: string, offset: number, length: number): Promise<Uint8Array> {
  await using file = await open(path, 'r')
  return await readAt(file, offset, length)
}

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return bytes.subarray(0, filled)
}
