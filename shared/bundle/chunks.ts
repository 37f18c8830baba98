// Files of a bundle travel in chunks of 64 KiB; the signed manifest holds the sha256 of each,
// so that a chunk is checked the moment it arrives, in whatever order and from whomever.

import { createHash, timingSafeEqual } from 'node:crypto'
import { type BundleFile, chunkBytes, chunkHashBytes } from './manifest.ts'

export const chunkCount = (file: Pick<BundleFile, 'sizeBytes'>): number => Math.ceil(file.sizeBytes / chunkBytes)

/** Length of chunk `index` in bytes: `chunkBytes`, the last one what is left. */
export function chunkSizeBytes(file: Pick<BundleFile, 'sizeBytes'>, index: number): number {
  return Math.min(chunkBytes, file.sizeBytes - index * chunkBytes)
}

export type HashedBlob = Pick<BundleFile, 'sha256' | 'sizeBytes' | 'chunks'>

/** Hashes a file as it streams by, whatever the pieces it comes in: whole, and chunk by chunk. */
export async function chunkHashes(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<HashedBlob> {
  const hasher = new ChunkHasher()
  for await (const piece of pieces) hasher.update(piece)
  return hasher.digest()
}

/** For those who hash while they write: `update` with any pieces, then `digest` once. */
export class ChunkHasher {
  readonly #whole = createHash('sha256')
  readonly #chunks: Buffer[] = []
  #chunk = createHash('sha256')
  #chunkFill = 0
  #sizeBytes = 0

  update(piece: Uint8Array): void {
    this.#whole.update(piece)
    this.#sizeBytes += piece.length
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + chunkBytes - this.#chunkFill)
      this.#chunk.update(part)
      this.#chunkFill += part.length
      at += part.length
      if (this.#chunkFill === chunkBytes) this.#endChunk()
    }
  }

  digest(): HashedBlob {
    if (this.#chunkFill > 0) this.#endChunk()
    return {
      sha256: this.#whole.digest('hex'),
      sizeBytes: this.#sizeBytes,
      chunks: Buffer.concat(this.#chunks).toString('base64'),
    }
  }

  #endChunk(): void {
    this.#chunks.push(this.#chunk.digest())
    this.#chunk = createHash('sha256')
    this.#chunkFill = 0
  }
}

/** Whether `bytes` are chunk `index` of `file`: right length, right hash. */
export function verifyChunk(file: Pick<BundleFile, 'sizeBytes' | 'chunks'>, index: number, bytes: Uint8Array): boolean {
  if (!Number.isInteger(index) || index < 0 || index >= chunkCount(file)) return false
  if (bytes.length !== chunkSizeBytes(file, index)) return false
  const hash = chunkHash(file, index)
  return hash !== undefined && timingSafeEqual(createHash('sha256').update(bytes).digest(), hash)
}

/** The 32 bytes of the manifest's hash of one chunk; undefined if the list does not reach that far.
 *  Reads only the part of the base64 text it needs: a list of 4,096 hashes is not decoded for each chunk. */
function chunkHash(file: Pick<BundleFile, 'chunks'>, index: number): Buffer | undefined {
  const start = index * chunkHashBytes
  const firstGroup = Math.floor(start / 3)
  const endGroup = Math.ceil((start + chunkHashBytes) / 3)
  const bytes = Buffer.from(file.chunks.slice(firstGroup * 4, endGroup * 4), 'base64')
  const hash = bytes.subarray(start - firstGroup * 3, start - firstGroup * 3 + chunkHashBytes)
  return hash.length === chunkHashBytes ? hash : undefined
}
