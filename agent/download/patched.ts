// A file made out of one that is here already, by a patch. Neither is trusted: what the patch makes is taken chunk by chunk
// as if it came off the wire, so that a damaged base or a wrong patch costs only what it spoils. After a power cut the
// patch is applied again; what it had made by then is there and is not written twice.

import { type FileHandle, open } from 'node:fs/promises'
import { chunkSizeBytes } from '@roost/shared/bundle/chunks.ts'
import { applyPatch } from '@roost/shared/bundle/delta/apply.ts'
import { DeltaError, type Source } from '@roost/shared/bundle/delta/format.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import { systemCode } from '../durable-file.ts'
import type { BlobStore } from './blob-store.ts'
import { DownloadError } from './error.ts'
import type { PartialBlob } from './partial-blob.ts'

/** Fetches the patch and puts what it makes into `blob`, which may still miss something afterwards. The patch goes then.
 *  @returns why something is still missing; undefined where nothing is, or the patch was not worth trying
 *  @throws DownloadError `no-space`, `disk` of `blob` itself; the signal's reason when aborted */
export async function fillByPatch(
  blob: PartialBlob,
  patch: Patch,
  store: BlobStore,
  fetch: (part: PartialBlob) => Promise<void>,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (!store.holds(patch.from) || missingBytes(blob) <= patch.sizeBytes) return undefined
  try {
    await fetchPatch(patch, store, fetch)
    return await applyTo(blob, patch, store, signal)
  } catch (error) {
    if (error instanceof PatchFault) return error.message
    throw error
  } finally {
    if (!signal.aborted) await removed(patch, store)
  }
}

/** What the disk does not let go of is evicted when its room is needed. */
async function removed(patch: Patch, store: BlobStore): Promise<void> {
  try {
    await store.remove(patch.blob)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
  }
}

/** What is wrong with patch or base, and not with the blob that is made. */
class PatchFault extends Error {}

async function fetchPatch(patch: Patch, store: BlobStore, fetch: (part: PartialBlob) => Promise<void>): Promise<void> {
  const file = { sha256: patch.blob, sizeBytes: patch.sizeBytes, chunks: patch.chunks }
  if (store.has(file)) return
  try {
    const part = await store.begin(file)
    try {
      await fetch(part)
    } catch (error) {
      await store.close(part)
      throw error
    }
    await store.complete(part)
  } catch (error) {
    throw error instanceof DownloadError ? new PatchFault(`the patch was not to be had: ${error.message}`) : error
  }
}

async function applyTo(
  blob: PartialBlob,
  patch: Patch,
  store: BlobStore,
  signal: AbortSignal,
): Promise<string | undefined> {
  await using files = new AsyncDisposableStack()
  const [patchFile, base] = await faultless(async () => [
    files.use(await open(store.pathOf(patch.blob), 'r')),
    files.use(await open(store.pathOf(patch.from), 'r')),
  ])
  if (patchFile === undefined || base === undefined) return undefined
  const sources = await faultless(() => Promise.all([sourceOf(patchFile), sourceOf(base)]))
  const pieces = applyPatch(...sources, { base: patch.from, target: blob.file })
  const chunks = chunksInto(blob)
  for (;;) {
    signal.throwIfAborted()
    const next = await faultless(() => pieces.next())
    if (next.done === true) break
    await chunks.take(next.value)
  }
  return blob.missing.size === 0 ? undefined : `it made ${chunks.wrong()} chunks that are not what the manifest says`
}

/** What comes out of the patch, cut as the manifest cuts the file. */
function chunksInto(blob: PartialBlob) {
  const chunk = Buffer.alloc(chunkBytes)
  let filled = 0
  let index = 0
  let wrong = 0
  return {
    wrong: () => wrong,
    take: async (piece: Uint8Array): Promise<void> => {
      for (let at = 0; at < piece.length; ) {
        const due = chunkSizeBytes(blob.file, index)
        const part = piece.subarray(at, at + due - filled)
        chunk.set(part, filled)
        filled += part.length
        at += part.length
        if (filled < due) continue
        if ((await blob.put(index, chunk.subarray(0, filled))) === 'corrupt') wrong++
        index++
        filled = 0
      }
    },
  }
}

async function sourceOf(file: FileHandle): Promise<Source> {
  const { size: sizeBytes } = await file.stat()
  return {
    sizeBytes,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length)
      for (let filled = 0; filled < length; ) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
        if (bytesRead === 0) throw new DeltaError('malformed', 'a file became shorter meanwhile')
        filled += bytesRead
      }
      return bytes
    },
  }
}

/** @throws PatchFault for what may go wrong with a patch or a base */
async function faultless<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DeltaError) && systemCode(error) === undefined) throw error
    throw new PatchFault(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

const missingBytes = ({ file, missing }: PartialBlob): number =>
  [...missing].reduce((sum, index) => sum + chunkSizeBytes(file, index), 0)
