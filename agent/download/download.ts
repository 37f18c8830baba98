// Fetches one blob, by whichever way brings it, and makes it whole on disk; goes on where an earlier try stopped.
// Expected trouble is a DownloadError after bounded tries; being cut off is no trouble and is waited out.

import { setTimeout as delay } from 'node:timers/promises'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import type { Logger } from 'pino'
import type { BlobStore } from './blob-store.ts'
import { type Budget, budgetOf, spend } from './budget.ts'
import { DownloadError } from './error.ts'
import { type ChunkLink, fetchOverMqtt, type MqttTimes } from './mqtt-way.ts'
import type { PartialBlob } from './partial-blob.ts'
import { fillByPatch } from './patched.ts'
import { wantTimes } from './plan.ts'

/** Rounds over all ways in a row that brought nothing although the hub was there; then the download has failed. */
export const fruitlessRoundsMax = 3

export type DownloadTimes = MqttTimes & {
  /** Before the second round; doubled before each further one. */
  pauseMs: number
}

export type DownloadWays = {
  /** `auto`: MQTT, and HTTP for what it did not bring. */
  way: 'mqtt' | 'http' | 'auto'
  link: ChunkLink
  http: { fetch(blob: PartialBlob, signal: AbortSignal): Promise<void> }
  device: string
  /** Monotonic milliseconds. */
  now: () => number
  log: Pick<Logger, 'debug' | 'info' | 'warn'>
  times?: Partial<DownloadTimes>
}

/** A way to make the blob out of one that is here, and who hears that it did not work. */
export type PatchHint = { patch: Patch; onFailed: (why: string) => void }

/** Resolves when the blob is whole, verified and durable in `store`; at once if it is there. With a hint the patch is
 *  tried first, once; what it does not make is fetched.
 *  @throws DownloadError; the signal's reason when aborted. What came so far is kept for the next time. */
export async function downloadBlob(
  file: HashedBlob,
  store: BlobStore,
  ways: DownloadWays,
  signal: AbortSignal,
  hint?: PatchHint,
): Promise<void> {
  if (store.has(file)) return
  const blob = await store.begin(file)
  try {
    if (hint !== undefined) await tryPatch(blob, store, ways, hint, signal)
    if (blob.missing.size > 0) await fetchMissing(blob, ways, budgetOf(file.sizeBytes), signal)
  } catch (error) {
    await store.close(blob)
    throw error
  }
  await store.complete(blob)
}

/** A hub that cannot give the patch is not asked for it again: one round, then the file goes whole. */
async function tryPatch(
  blob: PartialBlob,
  store: BlobStore,
  ways: DownloadWays,
  { patch, onFailed }: PatchHint,
  signal: AbortSignal,
): Promise<void> {
  const names = { blob: blob.file.sha256, from: patch.from, patch: patch.blob, patchBytes: patch.sizeBytes }
  const fetch = (part: PartialBlob) => fetchMissing(part, ways, budgetOf(patch.sizeBytes), signal, 1)
  const why = await fillByPatch(blob, patch, store, fetch, signal)
  if (why === undefined) {
    if (blob.missing.size === 0) ways.log.info({ event: 'patched', ...names }, 'a file was made by a patch')
    return
  }
  ways.log.warn({ event: 'patch_failed', ...names, missing: blob.missing.size }, why)
  onFailed(why)
}

type Way = (blob: PartialBlob, budget: Budget, signal: AbortSignal) => Promise<void>

async function fetchMissing(
  blob: PartialBlob,
  ways: DownloadWays,
  budget: Budget,
  signal: AbortSignal,
  roundsMax = fruitlessRoundsMax,
): Promise<void> {
  const times: DownloadTimes = { ...wantTimes, linkCheckMs: 500, pauseMs: 10_000, ...ways.times }
  const overMqtt: Way = async (...args) => {
    const { link, device, now, log } = ways
    const counts = await fetchOverMqtt(args[0], { link, device, now, log, times }, args[1], args[2])
    log.info({ event: 'downloaded', blob: blob.file.sha256, ...counts }, 'a blob came over MQTT')
  }
  const overHttp: Way = (...args) => fetchOverHttp(ways, ...args)
  const order = { mqtt: [overMqtt], http: [overHttp], auto: [overMqtt, overHttp] }[ways.way]
  for (let fruitless = 0; ; ) {
    const before = blob.missing.size
    const faults = []
    for (const fetch of order) {
      const fault = await faultOf(fetch(blob, budget, signal))
      if (fault === undefined) return
      faults.push(fault.message)
    }
    const detail = faults.join('; ')
    ways.log.warn({ event: 'download_stalled', blob: blob.file.sha256, missing: blob.missing.size }, detail)
    // without a link to the hub no way can bring anything, which is nobody's fault
    fruitless = blob.missing.size < before || !ways.link.isConnected() ? 0 : fruitless + 1
    if (fruitless >= roundsMax) throw new DownloadError('stalled', detail)
    await delay(times.pauseMs * 2 ** fruitless, undefined, { signal })
  }
}

async function fetchOverHttp(
  ways: DownloadWays,
  blob: PartialBlob,
  budget: Budget,
  signal: AbortSignal,
): Promise<void> {
  const { http, now } = ways
  const startedAt = now()
  const tooLate = AbortSignal.timeout(Math.min(Math.ceil(budget.leftMs), timerMaxMs))
  try {
    await http.fetch(blob, AbortSignal.any([signal, tooLate]))
  } catch (error) {
    signal.throwIfAborted()
    // cut off, nothing could come: not held against the download
    if (ways.link.isConnected()) spend(budget, tooLate.aborted ? budget.leftMs : now() - startedAt)
    throw tooLate.aborted ? new DownloadError('http', 'it came too slowly', { cause: error }) : error
  }
  budget.leftMs -= now() - startedAt
}

/** The longest time a timer can be set to. */
const timerMaxMs = 2 ** 31 - 1

/** What ends one way and leaves the others; everything else is thrown on. */
async function faultOf(fetching: Promise<void>): Promise<DownloadError | undefined> {
  try {
    await fetching
    return undefined
  } catch (error) {
    if (error instanceof DownloadError && (error.code === 'stalled' || error.code === 'http')) return error
    throw error
  }
}
