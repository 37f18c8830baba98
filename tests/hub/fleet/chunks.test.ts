// P7: however many devices want a blob, each chunk is read and published at most twice, and nobody gets what is not theirs.

import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { zstdDecompressSync } from 'node:zlib'
import { Chunk, chunkBytesMax, chunksWantedMax } from '@roost/shared/protocol/messages.ts'
import { chunkFilter, parseChunkTopic } from '@roost/shared/protocol/topics.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { asksRememberedMs, chunkLedger } from '../../../hub/fleet/chunk-ledger.ts'
import { type ChunkServer, type ChunkServerOptions, createChunkServer } from '../../../hub/fleet/chunks.ts'
import { storeWishes } from '../../../hub/fleet/desired.ts'
import { silent, until } from './a-broker.ts'
import {
  aFleet,
  aFleetHub,
  anEnrolledDevice,
  aRelease,
  aSpeakingDevice,
  type SpeakingDevice,
  someDevices,
} from './a-fleet.ts'

const blob = 'b'.repeat(64)
const kibibyte = 1024

type Published = { blob: string; index: number; data: Buffer; encoding: string }

/** A chunk server over a blob in memory, with what it published. */
function aChunkServer(bytes: Uint8Array, over: Partial<ChunkServerOptions> = {}) {
  const published: Published[] = []
  const chunks: ChunkServer = createChunkServer({
    blobs: {
      sizeBytes: async () => bytes.length,
      read: async (_blob, offset, length) => bytes.subarray(offset, offset + length),
    },
    publish: async (topic, payload) => {
      published.push(readChunk(topic, payload))
    },
    mayReadBlob: async (_device, wanted) => wanted === blob,
    isListenedFor: () => true,
    clock: Date.now,
    log: silent,
    ...over,
    limits: { gatherQuietMs: 5, gatherMostMs: 50, againAfterMs: 10, ...over.limits },
  })
  onTestFinished(() => chunks.close())
  return { chunks, published }
}

function readChunk(topic: string, payload: Uint8Array): Published {
  const place = parseChunkTopic(topic)
  const chunk = decode(Chunk, payload)
  if (place === undefined || !chunk.ok) throw new Error('not a chunk')
  const { data, encoding } = chunk.message
  return { ...place, data: encoding === 'zstd' ? zstdDecompressSync(data) : Buffer.from(data), encoding }
}

const indicesOf = (published: readonly Published[]) => published.map(({ index }) => index).sort((a, b) => a - b)

describe('the chunk server', () => {
  test('publishes what several devices want once, and as the bytes it is', async () => {
    const bytes = randomBytes(10 * chunkBytesMax + 1_000)
    const { chunks, published } = aChunkServer(bytes)
    await Promise.all([
      chunks.want('d-1', { blob, indices: [0, 1, 2, 3] }),
      chunks.want('d-2', { blob, indices: [10, 2, 3] }),
      chunks.want('d-3', { blob, indices: [3, 9, 0] }),
    ])
    await until(() => published.length === 6)
    await delay(30)
    expect(indicesOf(published)).toEqual([0, 1, 2, 3, 9, 10])
    for (const { index, data } of published) {
      expect(data.equals(bytes.subarray(index * chunkBytesMax, (index + 1) * chunkBytesMax))).toBe(true)
    }
    expect(chunks.counts()).toEqual({ read: 6, published: 6 })
  })

  test('sends nothing while devices are being told: one round does for those told first and last', async () => {
    const { chunks, published } = aChunkServer(randomBytes(4 * chunkBytesMax), {
      limits: { tellingMostMs: 3_600_000 },
    })
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    chunks.holdWhile(first.promise)
    await chunks.want('d-1', { blob, indices: [0, 1] })
    await delay(80)
    chunks.holdWhile(second.promise)
    first.resolve()
    await delay(80)
    expect(published).toEqual([])
    await chunks.want('d-2', { blob, indices: [1, 2] })
    second.resolve()
    await until(() => published.length === 3)
    await delay(80)
    expect(indicesOf(published)).toEqual([0, 1, 2])
  })

  test('waits for a telling that does not end no longer than its bound', async () => {
    const { chunks, published } = aChunkServer(randomBytes(chunkBytesMax), { limits: { tellingMostMs: 50 } })
    chunks.holdWhile(new Promise(() => undefined))
    await chunks.want('d-1', { blob, indices: [0] })
    await until(() => published.length === 1)
  })

  test('compresses where that is smaller, and only there', async () => {
    const bytes = Buffer.concat([Buffer.alloc(chunkBytesMax, 1), randomBytes(chunkBytesMax)])
    const { chunks, published } = aChunkServer(bytes)
    await chunks.want('d-1', { blob, indices: [0, 1] })
    await until(() => published.length === 2)
    const encodings = new Map(published.map(({ index, encoding }) => [index, encoding]))
    expect([encodings.get(0), encodings.get(1)]).toEqual(['zstd', 'raw'])
  })

  test('reads nothing again for a second round', async () => {
    const { chunks, published } = aChunkServer(randomBytes(4 * chunkBytesMax))
    await chunks.want('d-1', { blob, indices: [0, 1, 2, 3] })
    await until(() => published.length === 4)
    await chunks.want('d-2', { blob, indices: [0, 1, 2, 3] })
    await until(() => published.length === 8)
    expect(chunks.counts()).toEqual({ read: 4, published: 8 })
  })

  test('what a device asks for again goes again only some time after it went, and later each time', async () => {
    const times: number[] = []
    const { chunks } = aChunkServer(randomBytes(chunkBytesMax), {
      limits: { againAfterMs: 100 },
      // asked for again while it goes, too
      publish: async () => {
        times.push(performance.now())
        await delay(40)
      },
    })
    await chunks.want('d-1', { blob, indices: [0] })
    for (let i = 0; i < 50; i += 1) {
      await chunks.want('d-1', { blob, indices: [0] })
      await delay(15)
    }
    await until(() => times.length >= 3)
    const [first = 0, second = 0, third = 0] = times
    expect(second - first).toBeGreaterThanOrEqual(100)
    expect(third - second).toBeGreaterThanOrEqual(200)
  })

  test('who asks for the first time does not wait for what others ask again', async () => {
    const { chunks, published } = aChunkServer(randomBytes(2 * chunkBytesMax), { limits: { againAfterMs: 3_600_000 } })
    await chunks.want('d-1', { blob, indices: [0] })
    await until(() => published.length === 1)
    await chunks.want('d-1', { blob, indices: [0] })
    await delay(80)
    expect(indicesOf(published)).toEqual([0])
    await chunks.want('d-2', { blob, indices: [1] })
    await until(() => published.length === 2)
    await chunks.want('d-3', { blob, indices: [0] })
    await until(() => published.length === 3)
    expect(indicesOf(published)).toEqual([0, 0, 1])
  })

  test('a chunk that nobody listens for any more is neither read nor published', async () => {
    let listening = false
    const { chunks, published } = aChunkServer(randomBytes(2 * chunkBytesMax), { isListenedFor: () => listening })
    await chunks.want('d-1', { blob, indices: [0] })
    await delay(80)
    expect([published, chunks.counts().read]).toEqual([[], 0])
    listening = true
    await chunks.want('d-1', { blob, indices: [0] })
    await until(() => published.length === 1)
  })

  test('keeps no more than its cache may hold', async () => {
    const { chunks, published } = aChunkServer(randomBytes(8 * chunkBytesMax), {
      // one after the other: of several at a time any may be the last, and be found again
      limits: { cacheBytesMax: 3 * chunkBytesMax, chunksInFlightMax: 1 },
    })
    for (const round of [1, 2]) {
      await chunks.want('d-1', { blob, indices: [0, 1, 2, 3, 4, 5, 6, 7] })
      await until(() => published.length === 8 * round)
    }
    expect(chunks.counts().read).toBe(16)
  })

  test('has no more chunks on their way than it may, and waits for the broker', async () => {
    let under = 0
    let most = 0
    let done = 0
    const taken = Promise.withResolvers<void>()
    const { chunks } = aChunkServer(randomBytes(40 * chunkBytesMax), {
      publish: async () => {
        under += 1
        most = Math.max(most, under)
        await taken.promise
        await delay(2)
        under -= 1
        done += 1
      },
    })
    await chunks.want('d-1', { blob, indices: Array.from({ length: 40 }, (_, i) => i) })
    await until(() => under === 4)
    await delay(50)
    taken.resolve()
    await until(() => done === 40)
    expect(most).toBe(4)
  })

  test('serves no more blobs at a time than it may, and then the others', async () => {
    const publishing = new Map<string, number>()
    let most = 0
    let done = 0
    const { chunks } = aChunkServer(randomBytes(2 * chunkBytesMax), {
      mayReadBlob: async () => true,
      limits: { sweepsMax: 3, blobsMax: 10 },
      publish: async (topic) => {
        const of = topic.split('/')[3] ?? ''
        publishing.set(of, (publishing.get(of) ?? 0) + 1)
        most = Math.max(most, publishing.size)
        await delay(5)
        const left = (publishing.get(of) ?? 1) - 1
        if (left === 0) publishing.delete(of)
        else publishing.set(of, left)
        done += 1
      },
    })
    const blobs = Array.from({ length: 12 }, (_, i) => i.toString(16).repeat(64).slice(0, 64))
    const answers = await Promise.all(blobs.map((of) => chunks.want('d-1', { blob: of, indices: [0, 1] })))
    expect(answers.filter((answer) => answer === 'want-too-many-blobs')).toHaveLength(2)
    await until(() => done === 20)
    expect(most).toBeLessThanOrEqual(3)
  })

  test('who comes while a round is under way is served by its rest and by one more', async () => {
    let late: Promise<unknown> | undefined
    const published: number[] = []
    const { chunks } = aChunkServer(randomBytes(40 * chunkBytesMax), {
      publish: async (topic) => {
        published.push(parseChunkTopic(topic)?.index ?? -1)
        if (published.length === 20) late = chunks.want('d-2', { blob, indices: all })
        await delay(1)
      },
    })
    const all = Array.from({ length: 40 }, (_, i) => i)
    await chunks.want('d-1', { blob, indices: all })
    await until(() => late !== undefined)
    await late
    await until(() => published.length >= 40)
    await delay(100)
    for (const index of all) expect(published.filter((i) => i === index).length).toBeLessThanOrEqual(2)
  })

  test.each([
    ['a blob that is not assigned', { blob: 'c'.repeat(64), indices: [0] }, 'want-not-assigned'],
    ['chunks beyond the end', { blob, indices: [2, 3, 1_000_000] }, 'want-no-such-chunk'],
  ])('%s is refused and nothing is read', async (_, want, refusal) => {
    const { chunks, published } = aChunkServer(randomBytes(2 * chunkBytesMax))
    expect(await chunks.want('d-1', want)).toBe(refusal)
    await delay(30)
    expect(published).toEqual([])
    expect(chunks.counts().read).toBe(0)
  })

  test('a device that asks for ever for the same chunk is served so often and no more; others still are', async () => {
    const { chunks, published } = aChunkServer(randomBytes(2 * chunkBytesMax), { limits: { asksPerChunkMax: 5 } })
    const answers: unknown[] = []
    for (let i = 0; i < 20; i += 1) {
      answers.push(await chunks.want('d-1', { blob, indices: [0] }))
      await delay(8)
    }
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(5)
    expect(published.length).toBeLessThanOrEqual(5)
    expect(await chunks.want('d-1', { blob, indices: [0, 1] })).toBeUndefined()
    expect(await chunks.want('d-2', { blob, indices: [0] })).toBeUndefined()
  })

  test('a store that fails stops the blob, not the server: the next want is served', async () => {
    let fail = true
    let failed = 0
    const bytes = randomBytes(chunkBytesMax)
    const { chunks, published } = aChunkServer(bytes, {
      blobs: {
        sizeBytes: async () => bytes.length,
        read: async () => {
          if (fail) {
            failed += 1
            throw new Error('EIO')
          }
          return bytes
        },
      },
    })
    await chunks.want('d-1', { blob, indices: [0] })
    await until(() => failed > 0)
    fail = false
    await chunks.want('d-1', { blob, indices: [0] })
    await until(() => published.length === 1)
  })
})

describe('the ledger of asks', () => {
  test('forgets after a while', () => {
    let now = 0
    const ledger = chunkLedger(2, () => now)
    const ask = () => ledger.ask('d-1', blob, 4, [0, 1])
    const first = { first: [0, 1], again: [] }
    const none = { first: [], again: [] }
    expect([ask(), ask(), ask()]).toEqual([first, { first: [], again: [0, 1] }, none])
    now = asksRememberedMs - 1
    expect(ask()).toEqual(none)
    now += 1
    expect(ask()).toEqual(first)
  })

  test('never answers for a chunk the blob does not have', () => {
    expect(chunkLedger(2, () => 0).ask('d-1', blob, 4, [3, 4, 5])).toEqual({ first: [3], again: [] })
  })
})

describe('a thousand devices', () => {
  test('that want the same blob make each chunk read once and published at most twice, and all get it', async () => {
    const hub = await aFleetHub()
    const bytes = randomBytes(1_100 * kibibyte)
    const { manifest, blob: model } = await aRelease(hub, 'vibration', bytes)
    const names = Array.from({ length: 1_000 }, (_, i) => `d-${i}`)
    const enrolled = await someDevices(hub, names)
    await storeWishes(
      hub.database,
      names.map((device) => ({ device, deployment: 'main', manifest, by: 'test' })),
      1,
    )
    const fleet = await aFleet(hub)
    const devices = await Promise.all(enrolled.map((device) => aSpeakingDevice(fleet, device)))
    const rssBefore = process.memoryUsage().rss
    const downloads = await Promise.all(devices.map((device) => download(device, model, bytes.length)))
    for (const downloaded of downloads) expect(downloaded).toBe(model)
    const chunkCount = Math.ceil(bytes.length / chunkBytesMax)
    expect(fleet.chunkCounts().read).toBe(chunkCount)
    expect(fleet.chunkCounts().published).toBeLessThanOrEqual(2 * chunkCount)
    // a thousand copies of the blob are 1.1 GB; this process holds the devices too, which keep theirs: see download
    expect((process.memoryUsage().rss - rssBefore) / 1_048_576).toBeLessThan(150)
  }, 600_000)

  test('a device that is not to run the bundle gets no chunk, whatever it wants or subscribes to', async () => {
    const hub = await aFleetHub()
    const { manifest, blob: model } = await aRelease(hub, 'vibration', randomBytes(100 * kibibyte))
    const [owner, stranger] = [await anEnrolledDevice(hub, 'owner'), await anEnrolledDevice(hub, 'stranger')]
    await storeWishes(hub.database, [{ device: 'owner', deployment: 'main', manifest, by: 'test' }], 1)
    const fleet = await aFleet(hub)
    const thief = await aSpeakingDevice(fleet, stranger)
    const heard: string[] = []
    thief.client.on('message', (topic) => heard.push(topic))
    await expect(thief.client.subscribeAsync(chunkFilter(model))).rejects.toThrow()
    await thief.want({ blob: model, indices: [0, 1] })
    await delay(200)
    expect(fleet.chunkCounts()).toEqual({ read: 0, published: 0 })
    const device = await aSpeakingDevice(fleet, owner)
    expect(await download(device, model, 100 * kibibyte)).toBe(model)
    expect(heard).toEqual([])
  })
})

/** Wants what is missing until all is there, as a device does. @returns the sha256 of what came */
async function download({ client, want }: SpeakingDevice, model: string, sizeBytes: number): Promise<string> {
  const chunks = new Map<number, string>()
  const chunkCount = Math.ceil(sizeBytes / chunkBytesMax)
  const parts: Buffer[] = []
  client.on('message', (topic, payload) => {
    const place = parseChunkTopic(topic)
    if (place === undefined || chunks.has(place.index)) return
    const { data } = readChunk(topic, payload)
    chunks.set(place.index, createHash('sha256').update(data).digest('hex'))
    // kept once for all devices: the test is of the hub's memory
    if (place.blob === model) parts[place.index] = shared(model, place.index, data)
  })
  await client.subscribeAsync(chunkFilter(model))
  for (;;) {
    const missing = Array.from({ length: chunkCount }, (_, i) => i).filter((i) => !chunks.has(i))
    if (missing.length === 0) break
    await want({ blob: model, indices: missing.slice(0, chunksWantedMax) })
    const before = chunks.size
    // again only when nothing came for a while
    for (let quiet = 0; quiet < 100 && chunks.size < chunkCount; quiet += 1) {
      const seen = chunks.size
      await delay(50)
      if (chunks.size > seen) quiet = 0
    }
    if (chunks.size === before && !client.connected) throw new Error('the connection is gone')
  }
  await client.unsubscribeAsync(chunkFilter(model))
  return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
}

const kept = new Map<string, Buffer>()
function shared(model: string, index: number, data: Buffer): Buffer {
  const key = `${model}/${index}`
  const known = kept.get(key)
  if (known?.equals(data)) return known
  kept.set(key, Buffer.from(data))
  return data
}
