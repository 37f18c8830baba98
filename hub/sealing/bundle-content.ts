// The files of a bundle as a registration leaves them in the blob store, as they are or sealed, and as the hub reads them
// later. Sealed, only ciphertext is ever a blob. What the hub runs itself (evaluations) it opens for as long as it takes,
// in a folder of its own that is empty after a start.

import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { ChunkHasher } from '@roost/shared/bundle/chunks.ts'
import {
  type BundleFile,
  chunkBytes,
  fileBytesMax,
  type Manifest,
  partBytesMax,
  sealedSizeBytes,
} from '@roost/shared/bundle/manifest.ts'
import { openChunk, openFile, plainChunkBytes, sealChunk } from '@roost/shared/bundle/sealing.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { contentKeyOf } from './content-keys.ts'

/** A file that is to be part of a bundle. */
export type Content = {
  role: BundleFile['role']
  sizeBytes: number
  read: (offset: number, length: number) => Promise<Uint8Array>
}

/** Encrypts the file into a new blob.
 *  @throws Problem too-large where it does not fit into as many chunks as a file may have, once sealed */
export async function storeSealed(
  blobs: Pick<BlobStore, 'put'>,
  key: Uint8Array,
  content: Content,
): Promise<BundleFile> {
  const { role, sizeBytes } = content
  const bytesMax = role === 'model' ? fileBytesMax : partBytesMax
  if (sealedSizeBytes(sizeBytes) > bytesMax) {
    const detail = `${role} has ${sizeBytes} bytes; sealed it is ${sealedSizeBytes(sizeBytes)}, and may be ${bytesMax}`
    throw new Problem(413, 'too-large', 'Too large', detail, { field: role })
  }
  const plain = new ChunkHasher()
  const sealed: HashedBlob = await blobs.put(sealedChunks(key, content, plain), { bytesMax })
  const { sha256 } = plain.digest()
  return { role, ...sealed, plain: { sha256, sizeBytes } }
}

async function* sealedChunks(
  key: Uint8Array,
  { role, sizeBytes, read }: Content,
  plain: ChunkHasher,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let index = 0, at = 0; at < sizeBytes; index++, at += plainChunkBytes) {
    const chunk = await read(at, plainChunkBytes)
    plain.update(chunk)
    yield sealChunk(key, { role, index, isLast: at + plainChunkBytes >= sizeBytes }, chunk)
  }
}

type Source = Pick<Hub, 'database' | 'blobs' | 'keys' | 'config' | 'random'>

/** One of a bundle's files, whole, in memory; undefined where the bundle has none of the role. For its JSON parts. */
export async function readPart(
  hub: Pick<Hub, 'database' | 'blobs' | 'keys'>,
  digest: Digest,
  manifest: Manifest,
  role: BundleFile['role'],
): Promise<Uint8Array | undefined> {
  const file = manifest.files.find((one) => one.role === role)
  if (file === undefined) return undefined
  const bytes = await hub.blobs.read(file.sha256, 0, file.sizeBytes)
  if (manifest.sealed === undefined) return bytes
  const plain = openFile(await needKey(hub, digest), role, bytes)
  if (plain === undefined) throw doesNotOpen(digest, role)
  return plain
}

/** A file for a child process or onnxruntime to open, until it is disposed of. */
export type OpenedFile = AsyncDisposable & { path: string }

export async function openModelFile(hub: Source, digest: Digest, manifest: Manifest): Promise<OpenedFile> {
  const file = manifest.files.find(({ role }) => role === 'model')
  if (file === undefined) throw new Error(`manifest ${digest} has no model file`)
  if (manifest.sealed === undefined) {
    return { path: hub.blobs.pathOf(file.sha256), [Symbol.asyncDispose]: () => Promise.resolve() }
  }
  const key = await needKey(hub, digest)
  const folder = openedFolder(hub.config.dataDir)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, Buffer.from(hub.random(16)).toString('hex'))
  const remove = () => rm(path, { force: true })
  try {
    await using opened = await open(path, 'wx', 0o600)
    for (let index = 0, at = 0; at < file.sizeBytes; index++, at += chunkBytes) {
      const sealed = await hub.blobs.read(file.sha256, at, chunkBytes)
      const plain = openChunk(key, { role: 'model', index, isLast: at + chunkBytes >= file.sizeBytes }, sealed)
      if (plain === undefined) throw doesNotOpen(digest, 'model')
      await opened.writeFile(plain)
    }
  } catch (error) {
    await remove()
    throw error
  }
  return { path, [Symbol.asyncDispose]: remove }
}

/** What a killed hub left opened goes. */
export const removeOpened = (dataDir: string): Promise<void> =>
  rm(openedFolder(dataDir), { recursive: true, force: true })

const openedFolder = (dataDir: string) => join(dataDir, 'opened')

async function needKey(hub: Pick<Hub, 'database' | 'keys'>, digest: Digest): Promise<Uint8Array> {
  const key = await contentKeyOf(hub, digest)
  if (key === undefined) throw new Error(`the sealed bundle ${digest} has no key here`)
  return key
}

const doesNotOpen = (digest: Digest, role: string) =>
  new Error(`the ${role} file of the sealed bundle ${digest} does not open with its key: is the blob damaged?`)
