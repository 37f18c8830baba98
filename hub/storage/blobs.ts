// Blobs on disk: bytes named by their sha256. Streamed in and hashed while written (whole, and every 64 KiB chunk);
// temporary file, fsync, rename, fsync of the folder, so that a blob that is there is whole.

import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { Digest } from '@roost/shared/protocol/names.ts'
import type { Random } from '../hub.ts'

/** `chunks`: the sha256 of every 64 KiB, raw and concatenated (a manifest carries it as base64). */
export type StoredBlob = { sha256: string; sizeBytes: number; chunks: Uint8Array }

export type BlobErrorCode = 'too-large' | 'not-found'
export class BlobError extends Error {
  override readonly name = 'BlobError'
  readonly code: BlobErrorCode
  constructor(code: BlobErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export type BlobStore = {
  /** Stores what `source` gives. At the byte past `bytesMax` it stops reading and leaves nothing behind.
   *  @throws BlobError too-large; whatever `source` throws */
  put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, limits: { bytesMax: number }): Promise<StoredBlob>
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
    try {
      return await open(pathOf(sha256), 'r')
    } catch (error) {
      if (isMissing(error)) throw new BlobError('not-found', `there is no blob ${sha256}`)
      throw error
    }
  }

  return {
    pathOf,
    put: async (source, { bytesMax }) => {
      const temporary = join(incoming, Buffer.from(random(16)).toString('hex'))
      try {
        const blob = await writeHashed(temporary, source, bytesMax)
        const shelf = join(folder, blob.sha256.slice(0, 2))
        if ((await mkdir(shelf, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(folder)
        await rename(temporary, pathOf(blob.sha256))
        await syncFolder(shelf)
        return blob
      } catch (error) {
        await removeIfThere(temporary)
        throw error
      }
    },
    sizeBytes: async (sha256) => {
      await using file = await openFile(sha256)
      return (await file.stat()).size
    },
    has: async (sha256) => {
      try {
        return (await stat(pathOf(sha256))).isFile()
      } catch (error) {
        if (isMissing(error)) return false
        throw error
      }
    },
    read: async (sha256, offset, length) => {
      await using file = await openFile(sha256)
      return readAt(file, offset, length)
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
): Promise<StoredBlob> {
  await using file = await open(path, 'wx', 0o600)
  const whole = createHash('sha256')
  const chunks = chunkHasher()
  let sizeBytes = 0
  for await (const piece of source) {
    sizeBytes += piece.length
    if (sizeBytes > bytesMax) throw new BlobError('too-large', `more than ${bytesMax} bytes`)
    whole.update(piece)
    chunks.update(piece)
    await file.writeFile(piece)
  }
  await file.sync()
  return { sha256: whole.digest('hex'), sizeBytes, chunks: chunks.digests() }
}

/** Hashes a stream in chunks of 64 KiB, however it is cut into pieces. */
function chunkHasher(): { update(piece: Uint8Array): void; digests(): Uint8Array } {
  const done: Buffer[] = []
  let current: Hash | undefined
  let filled = 0
  const close = () => {
    if (current === undefined) return
    done.push(current.digest())
    current = undefined
    filled = 0
  }
  return {
    update: (piece) => {
      for (let at = 0; at < piece.length; ) {
        current ??= createHash('sha256')
        const part = piece.subarray(at, at + chunkBytes - filled)
        current.update(part)
        filled += part.length
        at += part.length
        if (filled === chunkBytes) close()
      }
    },
    digests: () => {
      close()
      return new Uint8Array(Buffer.concat(done))
    },
  }
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

/** A rename is durable only when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'
