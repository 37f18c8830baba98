// Blobs over MQTT: subscribe to the blob's chunks, say what is missing, take what comes, whoever asked for it.
// Everything that comes is untrusted until its hash is right; what is lost is asked for again.

import { chunkCount, type HashedBlob } from '@roost/shared/bundle/chunks.ts'
import type { Want } from '@roost/shared/protocol/messages.ts'
import { chunkFilter, parseChunkTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { Logger } from 'pino'
import { type Budget, spend } from './budget.ts'
import { readChunkMessage } from './chunk-message.ts'
import { DownloadError } from './error.ts'
import type { PartialBlob } from './partial-blob.ts'
import { beginWants, decideWant, noteAsked, noteChunk, notePause, type Wants, type WantTimes } from './plan.ts'

/** Chunks that came and are not on disk yet: 8 MiB at most. Beyond that they are dropped, and asked for again. */
export const arrivalsMax = 128
/** What a download needs of the MQTT session. No promise may stay open for ever; a rejection counts as a loss. */
export type ChunkLink = {
  isConnected(): boolean
  subscribe(filter: string): Promise<void>
  unsubscribe(filter: string): Promise<void>
  publish(topic: string, bytes: Uint8Array): Promise<void>
  /** Every chunk message goes to every listener. Gives back what ends it. */
  onChunk(listener: (topic: string, message: Uint8Array) => void): () => void
}

export type MqttTimes = WantTimes & {
  /** How often a link that is down is looked at. */
  linkCheckMs: number
}

/** What came and went, for the log. */
export type MqttCounts = { asked: number; written: number; duplicate: number; corrupt: number; dropped: number }

export type MqttWay = {
  link: ChunkLink
  device: string
  times: MqttTimes
  /** Monotonic milliseconds. */
  now: () => number
  log: Pick<Logger, 'debug'>
}

/** Resolves when nothing of `blob` is missing any more.
 *  @throws DownloadError `stalled`, `deadline`, `no-space`, `disk`; the signal's reason when aborted */
export async function fetchOverMqtt(
  blob: PartialBlob,
  way: MqttWay,
  budget: Budget,
  signal: AbortSignal,
): Promise<MqttCounts> {
  const { link, now, times } = way
  const filter = chunkFilter(blob.file.sha256)
  const counts: MqttCounts = { asked: 0, written: 0, duplicate: 0, corrupt: 0, dropped: 0 }
  const wants = beginWants(blob.missing, chunkCount(blob.file), now())
  const arrivals = openArrivals(blob, link, counts)
  let subscribed = false
  let lookedAtMs: number | undefined // while the link is up
  try {
    for (;;) {
      signal.throwIfAborted()
      await takeArrivals(arrivals.taken(), blob, wants, counts, now)
      const isConnected = link.isConnected()
      if (isConnected) {
        spend(budget, now() - (lookedAtMs ?? now()))
        lookedAtMs = now()
      } else {
        notePause(wants, now())
        lookedAtMs = undefined
        subscribed = false
      }
      const decision = decideWant(wants, now(), times)
      if (decision.kind === 'done') return counts
      if (!isConnected) {
        await arrivals.wait(times.linkCheckMs, signal)
      } else if (decision.kind === 'stalled') {
        throw new DownloadError('stalled', `no chunk came; ${JSON.stringify(counts)}`)
      } else if (decision.kind === 'wait') {
        if (!subscribed) tell(way, link.subscribe(filter))
        subscribed = true
        await arrivals.wait(decision.waitMs, signal)
      } else {
        // Again at every repeat: no broker has to remember a subscription for us.
        if (!subscribed || decision.repeat) tell(way, link.subscribe(filter))
        subscribed = true
        ask(blob.file, decision.indices, way)
        counts.asked += decision.indices.length
        noteAsked(wants, decision, now())
      }
    }
  } finally {
    arrivals.close()
    tell(way, link.unsubscribe(filter))
  }
}

function ask(file: HashedBlob, indices: number[], way: MqttWay): void {
  const want: Want = { blob: file.sha256, indices }
  tell(way, way.link.publish(upTopic(way.device, 'want'), encode(want)))
}

/** A message that does not get through is a loss like any other: silence follows, and it is said again. */
function tell({ log }: MqttWay, sent: Promise<void>): void {
  sent.catch((error: unknown) => log.debug({ err: error }, 'a message of a download was not sent'))
}

async function takeArrivals(
  arrivals: readonly Arrival[],
  blob: PartialBlob,
  wants: Wants,
  counts: MqttCounts,
  now: () => number,
): Promise<void> {
  for (const { topic, message } of arrivals) {
    const chunk = readChunkMessage(blob.file, topic, message)
    const result = chunk === undefined ? 'corrupt' : await blob.put(chunk.index, chunk.bytes)
    if (chunk !== undefined && result === 'new') noteChunk(wants, chunk.index, now())
    counts[result === 'new' ? 'written' : result]++
  }
}

type Arrival = { topic: string; message: Uint8Array }

/** Chunks of `blob` as they come, until the loop takes them; duplicates are dropped at the door. */
function openArrivals(blob: PartialBlob, link: ChunkLink, counts: MqttCounts) {
  let waiting: Arrival[] = []
  let ring: () => void = () => undefined
  const close = link.onChunk((topic, message) => {
    const place = parseChunkTopic(topic)
    if (place?.blob !== blob.file.sha256) return
    if (!blob.missing.has(place.index)) counts.duplicate++
    else if (waiting.length >= arrivalsMax) counts.dropped++
    else waiting.push({ topic, message })
    ring()
  })
  const taken = (): Arrival[] => {
    const arrivals = waiting
    waiting = []
    return arrivals
  }
  /** Until a chunk came, `waitMs` are over, or the signal says to stop. */
  const wait = (waitMs: number, signal: AbortSignal): Promise<void> => {
    if (waiting.length > 0 || signal.aborted) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    const timer = setTimeout(wake, waitMs)
    signal.addEventListener('abort', wake)
    ring = wake
    return promise.finally(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
    })
  }
  return { taken, wait, close }
}
