// Blobs with known content, and a hub with a link that may lose, double, mix up and spoil what it carries.

import { createHash } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import type { DownloadTimes, DownloadWays } from '@roost/agent/download/download.ts'
import { DownloadError } from '@roost/agent/download/error.ts'
import type { ChunkLink } from '@roost/agent/download/mqtt-way.ts'
import { ChunkHasher, type HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { type Chunk, Want } from '@roost/shared/protocol/messages.ts'
import { chunkTopic, parseUpTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Content that no two names share; every third chunk compresses well. */
export function aContent(sizeBytes: number, name = 'blob'): Buffer {
  const content = Buffer.alloc(sizeBytes)
  for (let at = 0; at < sizeBytes; at += 32) {
    const compresses = Math.floor(at / chunkBytes) % 3 === 2
    if (compresses) content.write(`${name} ${Math.floor(at / chunkBytes)}`, at)
    else createHash('sha256').update(`${name}${at}`).digest().copy(content, at)
  }
  return content
}

export function aBlob(sizeBytes: number, name = 'blob'): { content: Buffer; file: HashedBlob } {
  const content = aContent(sizeBytes, name)
  return { content, file: hashed(content) }
}

export function hashed(content: Uint8Array): HashedBlob {
  const hasher = new ChunkHasher()
  hasher.update(content)
  return hasher.digest()
}

/** Times so short that a test of stalling ends soon; nothing in the tests depends on how long they really take. */
export const quickTimes: DownloadTimes = {
  listenMs: 5,
  silenceMs: 10,
  silenceMaxMs: 20,
  silentAsksMax: 4,
  linkCheckMs: 5,
  pauseMs: 5,
}

export const silentLog = { debug: () => undefined, info: () => undefined, warn: () => undefined }

/** What a wanted chunk turns into on its way: messages on topics, none to lose it. */
export type Carry = (right: Message, index: number) => readonly Message[]
export type Message = { topic: string; message: Uint8Array }

export const carryRightly: Carry = (right) => [right]

export type FakeHub = {
  link: ChunkLink
  /** Indices as they were asked for. */
  wanted: number[]
  subscriptions: Set<string>
  /** Listeners still there. */
  listeners: () => number
  setConnected(connected: boolean): void
  /** What somebody else's want brings, for example. */
  deliver(message: Message): void
}

/** A hub that has `contents` and publishes what is wanted, a little later, as `carry` says.
 *  `named`: contents it has under names that are not theirs. */
export function aFakeHub(
  contents: readonly Buffer[],
  carry: Carry = carryRightly,
  named: Readonly<Record<string, Buffer>> = {},
): FakeHub {
  const blobs = new Map([
    ...contents.map((content) => [hashed(content).sha256, content] as const),
    ...Object.entries(named),
  ])
  const listeners = new Set<(topic: string, message: Uint8Array) => void>()
  const subscriptions = new Set<string>()
  const wanted: number[] = []
  let connected = true

  const deliver = ({ topic, message }: Message) => {
    if (!connected || !subscriptions.has(topic.replace(/[^/]*$/, '+'))) return
    for (const listener of listeners) listener(topic, message)
  }
  const onWant = (bytes: Uint8Array) => {
    const want = decode(Want, bytes)
    if (!want.ok) throw new Error(want.reason)
    const { blob, indices } = want.message
    const content = blobs.get(blob)
    for (const index of indices) {
      wanted.push(index)
      if (content === undefined) continue
      for (const message of carry(rightMessage(content, blob, index), index)) setImmediate(deliver, message)
    }
  }
  const link: ChunkLink = {
    isConnected: () => connected,
    subscribe: async (filter) => {
      if (!connected) throw new Error('not connected')
      subscriptions.add(filter)
    },
    unsubscribe: async (filter) => {
      subscriptions.delete(filter)
    },
    publish: async (topic, bytes) => {
      if (!connected) throw new Error('not connected')
      if (parseUpTopic(topic)?.kind !== 'want') throw new Error(`nothing is expected on ${topic}`)
      onWant(bytes)
    },
    onChunk: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const setConnected = (to: boolean) => {
    connected = to
    if (!to) subscriptions.clear() // clean sessions: the broker remembers nothing
  }
  return { link, wanted, subscriptions, listeners: () => listeners.size, setConnected, deliver }
}

export function rightMessage(content: Buffer, blob: string, index: number): Message {
  const data = content.subarray(index * chunkBytes, (index + 1) * chunkBytes)
  const packed = zstdCompressSync(data)
  const chunk: Chunk = packed.length < data.length ? { encoding: 'zstd', data: packed } : { encoding: 'raw', data }
  return { topic: chunkTopic(blob, index), message: encode(chunk) }
}

/** An HTTP way that brings nothing. */
export const noHttp = { fetch: () => Promise.reject(new DownloadError('http', 'no HTTP here')) }
/** Of a download that nobody aborts. */
export const never = new AbortController().signal

export const waysOf = (hub: FakeHub, changes: Partial<DownloadWays> = {}): DownloadWays => ({
  way: 'mqtt',
  link: hub.link,
  http: noHttp,
  device: 'd-42',
  now: () => performance.now(),
  log: silentLog,
  times: quickTimes,
  ...changes,
})

/** The code of the DownloadError that ends it; 'done' without one. */
export async function codeOf(download: Promise<void>): Promise<string> {
  try {
    await download
    return 'done'
  } catch (error) {
    if (error instanceof DownloadError) return error.code
    throw error
  }
}
