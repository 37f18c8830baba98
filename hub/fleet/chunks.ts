// The chunk server. Devices say which chunks of a blob they miss; the hub gathers what they say for some milliseconds
// and publishes each wanted chunk once, to all of them. Work for a wave is the size of the blob, not times its devices.

import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import { type Chunk, chunkBytesMax, type Want } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { chunkTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { Logger } from 'pino'
import type { Clock } from '../hub.ts'
import { type Asks, chunkLedger } from './chunk-ledger.ts'
import { byteCache, sentLately } from './chunk-memory.ts'

export type ChunkServerLimits = {
  /** Wants of a blob are gathered until none came for so long, and at most so long after the first. */
  gatherQuietMs: number
  gatherMostMs: number
  /** Longest time for which nothing is sent because devices are still being told what to install. */
  tellingMostMs: number
  /** A chunk goes again to a device that had asked for it before so long after it last went, and twice as long each time,
   *  up to four times. */
  againAfterMs: number
  /** Chunks of one blob handed to the broker and not yet taken by those who keep up. */
  chunksInFlightMax: number
  /** Blobs sent at a time; the next ones wait. */
  sweepsMax: number
  /** Encoded chunks kept, so that a second round reads nothing. */
  cacheBytesMax: number
  /** How often one device may ask for the same chunk within ten minutes; after that it is to use HTTP. */
  asksPerChunkMax: number
  /** Blobs wanted at a time; the want of a further one is dropped, and the device asks again. */
  blobsMax: number
}

export const chunkServerLimits: ChunkServerLimits = {
  gatherQuietMs: 50,
  // a thousand devices that are told at the same time take about so long to say what they want
  gatherMostMs: 2_000,
  // some thousands of devices; they ask again after 4 and 12 s, and give this way up after 88 s
  tellingMostMs: 10_000,
  // the silence after which a device asks again: with less, what it has not read yet would go once more to everyone
  againAfterMs: 4_000,
  // 256 KiB: what one listener may have waiting before it counts as behind
  chunksInFlightMax: 4,
  sweepsMax: 8,
  cacheBytesMax: 64 * 1_048_576,
  asksPerChunkMax: 64,
  blobsMax: 1_024,
}

export type ChunkServerOptions = {
  blobs: {
    sizeBytes: (blob: Digest) => Promise<number>
    read: (blob: Digest, offset: number, length: number) => Promise<Uint8Array>
  }
  publish: (topic: string, payload: Uint8Array, qos: 0) => Promise<void>
  mayReadBlob: (device: string, blob: Digest) => Promise<boolean>
  isListenedFor: (blob: Digest) => boolean
  limits?: Partial<ChunkServerLimits>
  clock: Clock
  log: Logger
}

export type WantRefusal = 'want-not-assigned' | 'want-no-such-chunk' | 'want-too-often' | 'want-too-many-blobs'

export type ChunkServer = {
  /** Takes the want in; the chunks come by themselves. Resolves to why nothing of it is served, where it is not. */
  want: (device: string, want: Want) => Promise<WantRefusal | undefined>
  /** Devices are being told what to install until `telling` settles, and will want it: nothing is sent until then, so
   *  that one round does for all of them. */
  holdWhile: (telling: Promise<void>) => void
  /** Chunks read from the store, and published, since the start. */
  counts: () => Readonly<{ read: number; published: number }>
  /** Publishes nothing more. */
  close: () => Promise<void>
}

/** What is wanted of one blob, with the time from which on it may be sent (monotonic ms). A round goes up by index; who
 *  comes late is served in it or in the next. */
type Sweep = {
  chunkCount: number
  wanted: Map<number, number>
  /** Being read, encoded and handed to the broker. */
  going: Set<number>
  firstAt: number
  lastAt: number
  wants: number
  rounds: number
}

const newSweep = (chunkCount: number, now: number): Sweep => ({
  chunkCount,
  wanted: new Map(),
  going: new Set(),
  firstAt: now,
  lastAt: now,
  wants: 0,
  rounds: 0,
})

/** So many times the mean gap between wants is quiet: of gaps at random one in fifty is that long. */
const quietGaps = 4

/** So much longer than for the first round wants are gathered for a later one. Devices that are not answered ask again
 *  after 4, 8, 16 s, which costs a message. */
const laterRounds = 4

const compress = promisify(zstdCompress)

export function createChunkServer(options: ChunkServerOptions): ChunkServer {
  const { blobs, publish, mayReadBlob, isListenedFor, clock, log } = options
  const limits = { ...chunkServerLimits, ...options.limits }
  const ledger = chunkLedger(limits.asksPerChunkMax, clock)
  const cache = byteCache(limits.cacheBytesMax)
  const sweeps = new Map<Digest, Sweep>()
  const sent = sentLately()
  const running = new Set<Promise<void>>()
  const telling = new Set<Promise<void>>()
  const turns = turnstile(limits.sweepsMax)
  const counts = { read: 0, published: 0 }
  const closing = new AbortController()

  const add = (blob: Digest, chunkCount: number, { first, again }: Asks) => {
    const now = performance.now()
    const sweep = sweeps.get(blob) ?? newSweep(chunkCount, now)
    if (![...sweep.wanted.values()].some((from) => from <= now)) {
      sweep.firstAt = now
      sweep.wants = 0
    }
    sweep.wants += 1
    sweep.lastAt = now
    for (const index of first) sweep.wanted.set(index, now)
    for (const index of again) {
      // who asked before listens already
      if (sweep.going.has(index)) continue
      const from = sent.againFrom(chunkTopic(blob, index), limits.againAfterMs)
      sweep.wanted.set(index, Math.min(from, sweep.wanted.get(index) ?? from))
    }
    if (sweeps.has(blob)) return
    sweeps.set(blob, sweep)
    const run = runSweep(blob, sweep).finally(() => running.delete(run))
    running.add(run)
  }

  const runSweep = async (blob: Digest, sweep: Sweep): Promise<void> => {
    try {
      while (sweep.wanted.size > 0 && !closing.signal.aborted) {
        await gather(sweep)
        await turns.pass(() => sendRound(blob, sweep))
        sweep.firstAt = performance.now()
        sweep.wants = 0
        sweep.rounds += 1
      }
    } catch (error) {
      // The blob store failed. What was wanted is wanted again by the devices.
      if (!closing.signal.aborted) log.error({ err: error, blob }, 'chunks could not be sent')
    } finally {
      sweeps.delete(blob)
    }
  }

  const gather = async (sweep: Sweep): Promise<void> => {
    await untilTold(sweep)
    for (;;) {
      const gatheredAt = Math.min(sweep.lastAt + quietMs(sweep), sweep.firstAt + mostMs(sweep))
      const waitMs = Math.max(gatheredAt, Math.min(...sweep.wanted.values())) - performance.now()
      if (waitMs <= 0) return
      // in short steps: what is wanted for the first time meanwhile does not wait for what is wanted again
      await delay(Math.min(waitMs, limits.gatherQuietMs), undefined, { signal: closing.signal })
    }
  }

  const untilTold = async (sweep: Sweep): Promise<void> => {
    const before = performance.now()
    while (telling.size > 0) {
      const leftMs = before + limits.tellingMostMs - performance.now()
      if (leftMs <= 0) break
      const timer = new AbortController()
      const signal = AbortSignal.any([closing.signal, timer.signal])
      await Promise.race([Promise.all(telling), delay(leftMs, undefined, { signal })]).finally(() => timer.abort())
    }
    sweep.firstAt = performance.now()
  }

  /** Who comes after the first round of a wave comes with others: the next one waits longer for them. */
  const mostMs = ({ rounds }: Sweep): number => limits.gatherMostMs * (rounds === 0 ? 1 : laterRounds)

  /** As long as a few more wants would have taken at the pace at which they came: where a wave comes slowly (a busy hub
   *  says who is assigned only so fast), a fixed pause would end between two of its devices, and each get a round. */
  const quietMs = ({ firstAt, lastAt, wants }: Sweep): number =>
    Math.max(limits.gatherQuietMs, wants > 1 ? (quietGaps * (lastAt - firstAt)) / (wants - 1) : 0)

  /** Every chunk that is due once, upwards; those that are wanted meanwhile too, where the round has not passed them. */
  const sendRound = async (blob: Digest, { wanted, going }: Sweep): Promise<void> => {
    let next = 0
    const work = async () => {
      for (;;) {
        const index = smallestDue(wanted, next, performance.now())
        if (index === undefined || closing.signal.aborted) return
        next = index + 1
        wanted.delete(index)
        if (!isListenedFor(blob)) continue
        const topic = chunkTopic(blob, index)
        going.add(index)
        await publish(topic, await payloadOf(blob, index), 0)
        sent.note(topic)
        going.delete(index)
        counts.published += 1
      }
    }
    await Promise.all(Array.from({ length: limits.chunksInFlightMax }, work))
  }

  const payloadOf = async (blob: Digest, index: number): Promise<Uint8Array> => {
    const key = chunkTopic(blob, index)
    const cached = cache.get(key)
    if (cached !== undefined) return cached
    const data = await blobs.read(blob, index * chunkBytesMax, chunkBytesMax)
    counts.read += 1
    const packed = await compress(data)
    const chunk: Chunk = packed.length < data.length ? { encoding: 'zstd', data: packed } : { encoding: 'raw', data }
    const payload = encode(chunk)
    cache.set(key, payload)
    return payload
  }

  return {
    want: async (device, { blob, indices }) => {
      if (!(await mayReadBlob(device, blob))) return 'want-not-assigned'
      const chunkCount = sweeps.get(blob)?.chunkCount ?? Math.ceil((await blobs.sizeBytes(blob)) / chunkBytesMax)
      const there = indices.filter((index) => index < chunkCount)
      if (there.length === 0) return 'want-no-such-chunk'
      const allowed = ledger.ask(device, blob, chunkCount, there)
      if (allowed.first.length + allowed.again.length === 0) return 'want-too-often'
      if (!sweeps.has(blob) && sweeps.size >= limits.blobsMax) return 'want-too-many-blobs'
      if (!closing.signal.aborted) add(blob, chunkCount, allowed)
      return undefined
    },
    holdWhile: (told) => {
      telling.add(told)
      void told.finally(() => telling.delete(told))
    },
    counts: () => counts,
    close: async () => {
      closing.abort()
      await Promise.all(running)
    },
  }
}

/** At most a few thousand are wanted at a time: looking through them costs less than keeping them sorted. */
function smallestDue(wanted: ReadonlyMap<number, number>, from: number, now: number): number | undefined {
  let smallest: number | undefined
  for (const [index, dueAt] of wanted) {
    if (index >= from && dueAt <= now && (smallest === undefined || index < smallest)) smallest = index
  }
  return smallest
}

/** Lets `most` in at a time; the others wait in order of arrival. */
function turnstile(most: number): { pass(work: () => Promise<void>): Promise<void> } {
  const waiting: (() => void)[] = []
  let inside = 0
  return {
    pass: async (work) => {
      if (inside >= most) await new Promise<void>((resolve) => waiting.push(resolve))
      else inside += 1
      try {
        await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) inside -= 1
        else next()
      }
    },
  }
}
