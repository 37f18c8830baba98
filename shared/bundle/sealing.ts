// How the files of a sealed bundle are encrypted: each 64 KiB chunk by itself, so that what travels in chunks is verified,
// resumed and cached as ciphertext. One random key a bundle; the nonce says which chunk of which file it is and whether
// it is the last, so that a chunk opens in its own place only (the STREAM construction of Hoang, Reyhanitabar, Rogaway
// and Vizár, CRYPTO 2015, with ChaCha20-Poly1305, RFC 8439).

import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { type BundleFile, chunkBytes, contentCipher } from './manifest.ts'

export const contentKeyBytes = 32
/** Poly1305's, at the end of every chunk. */
export const tagBytes = 16
/** Of a file, in one chunk of 64 KiB. */
export const plainChunkBytes = chunkBytes - tagBytes

export type ChunkPlace = { role: BundleFile['role']; index: number; isLast: boolean }

/** Names a content key without telling it: it is random, so nobody can guess what hashes to this. */
export const contentKeyId = (key: Uint8Array): string => createHash('sha256').update(key).digest('hex')

/** One chunk of ciphertext out of at most `plainChunkBytes` of the file. A key must never see two files of one role. */
export function sealChunk(key: Uint8Array, place: ChunkPlace, plain: Uint8Array): Uint8Array {
  const cipher = createCipheriv(contentCipher, key, nonceOf(place), { authTagLength: tagBytes })
  const sealed = cipher.update(plain)
  const rest = cipher.final()
  return Buffer.concat([sealed, rest, cipher.getAuthTag()])
}

/** Undefined where it was not sealed with this key for this place. */
export function openChunk(key: Uint8Array, place: ChunkPlace, sealed: Uint8Array): Uint8Array | undefined {
  if (sealed.length <= tagBytes || sealed.length > chunkBytes) return undefined
  const end = sealed.length - tagBytes
  const decipher = createDecipheriv(contentCipher, key, nonceOf(place), { authTagLength: tagBytes })
  decipher.setAuthTag(sealed.subarray(end))
  const plain = decipher.update(sealed.subarray(0, end))
  try {
    decipher.final()
  } catch {
    return undefined
  }
  return plain
}

/** A whole file of ciphertext, decrypted where it lies: `bytes` are overwritten, the file is the front of them. Undefined
 *  where a chunk does not open; what is in `bytes` then is of no use. */
export function openFile(key: Uint8Array, role: BundleFile['role'], bytes: Uint8Array): Uint8Array | undefined {
  let filled = 0
  for (let index = 0; index * chunkBytes < bytes.length; index++) {
    const end = Math.min((index + 1) * chunkBytes, bytes.length)
    const plain = openChunk(key, { role, index, isLast: end === bytes.length }, bytes.subarray(index * chunkBytes, end))
    if (plain === undefined) return undefined
    bytes.set(plain, filled)
    filled += plain.length
  }
  return filled === 0 ? undefined : bytes.subarray(0, filled)
}

const roles: readonly BundleFile['role'][] = ['model', 'features', 'baseline', 'golden']

/** 12 bytes: the role, whether it is the last chunk, six zeros, the index (big endian). */
function nonceOf({ role, index, isLast }: ChunkPlace): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce[0] = roles.indexOf(role)
  nonce[1] = Number(isLast)
  nonce.writeUInt32BE(index, 8)
  return nonce
}
