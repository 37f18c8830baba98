// Makes one patch in a thread of its own, which may take its time but not for ever, and keeps it as a blob.

import { createReadStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import type { FileName } from '@roost/shared/bundle/delta/format.ts'
import type { BlobStore } from '../storage/blobs.ts'
import type { Made, Making } from './make-worker.ts'

/** A patch saves a tenth at least, or the file goes whole: it costs the device a second read and the arithmetic. */
export const worthShare = 0.9
/** About a second a mebibyte on a busy core; the longest file is 512 MiB. */
const makingMsMax = 20 * 60_000
/** Beside the heap there are some blocks of a mebibyte, and zstd. */
const heapMebibytes = 256

export type Pair = { base: FileName; target: FileName }

/** The patch, kept; undefined where it is not worth having.
 *  @throws what went wrong, in words for the log; the reason of `signal` */
export async function makePatchBlob(
  { base, target }: Pair,
  blobs: Pick<BlobStore, 'pathOf' | 'put'>,
  folder: string,
  signal: AbortSignal,
): Promise<HashedBlob | undefined> {
  const work = await mkdtemp(join(folder, 'delta-'))
  try {
    const patchPath = join(work, 'patch')
    const bytesMax = Math.floor(target.sizeBytes * worthShare)
    const making: Making = {
      base: { ...base, path: blobs.pathOf(base.sha256) },
      target: { ...target, path: blobs.pathOf(target.sha256) },
      patchPath,
      bytesMax,
    }
    const { isWorth } = await made(making, AbortSignal.any([signal, AbortSignal.timeout(makingMsMax)]))
    return isWorth ? await blobs.put(createReadStream(patchPath), { bytesMax }) : undefined
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function made(making: Making, signal: AbortSignal): Promise<Made> {
  signal.throwIfAborted()
  const worker = new Worker(new URL('./make-worker.ts', import.meta.url), {
    workerData: making,
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: heapMebibytes },
  })
  const { promise, resolve, reject } = Promise.withResolvers<Made>()
  worker.once('message', resolve)
  worker.once('error', reject)
  worker.once('exit', (code) => reject(new Error(`the thread ended with code ${code}`)))
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
    await worker.terminate()
  }
}
