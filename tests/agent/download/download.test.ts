// Downloads over a bad link onto a real disk: whatever comes, the blob that ends up there is the right one, or none;
// nothing else is ever written, and the trouble has a name.

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { zstdCompressSync } from 'node:zlib'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import { type DownloadWays, downloadBlob, fruitlessRoundsMax } from '@roost/agent/download/download.ts'
import { DownloadError } from '@roost/agent/download/error.ts'
import type { PartialBlob } from '@roost/agent/download/partial-blob.ts'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  aBlob,
  aFakeHub,
  type Carry,
  codeOf,
  type Message,
  never,
  quickTimes,
  rightMessage,
  seeded,
  waysOf,
} from './builders.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-blobs-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const granted = 1_000_000_000
const openStore = (bytesMax = granted) => BlobStore.open(folder, bytesMax)
async function expectWhole(content: Buffer, file: HashedBlob): Promise<void> {
  expect((await readFile(join(folder, file.sha256))).equals(content)).toBe(true)
  expect(await readdir(folder)).toEqual([file.sha256])
}

describe('over a good link', () => {
  test.each([1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 5 * chunkBytes, 200 * chunkBytes + 17])(
    'a blob of %i bytes arrives, each chunk asked for once',
    async (sizeBytes) => {
      const { content, file } = aBlob(sizeBytes)
      const hub = aFakeHub([content])
      const store = await openStore()
      await downloadBlob(file, store, waysOf(hub, { times: {} }), never)
      await expectWhole(content, file)
      expect(store.has(file)).toBe(true)
      expect(hub.wanted.toSorted((a, b) => a - b)).toEqual(Array.from(Array(Math.ceil(sizeBytes / chunkBytes)).keys()))
      expect(hub.subscriptions.size + hub.listeners()).toBe(0)
    },
  )

  test('one that is there is not asked for', async () => {
    const { content, file } = aBlob(1000)
    await downloadBlob(file, await openStore(), waysOf(aFakeHub([content])), never)
    const hub = aFakeHub([content])
    await downloadBlob(file, await openStore(), waysOf(hub), never)
    expect(hub.wanted).toEqual([])
  })

  test('several at once do not get into each other’s way', async () => {
    const blobs = ['a', 'b', 'c'].map((name) => aBlob(40 * chunkBytes + 5, name))
    const hub = aFakeHub(blobs.map(({ content }) => content))
    const store = await openStore()
    await Promise.all(blobs.map(({ file }) => downloadBlob(file, store, waysOf(hub), never)))
    for (const { content, file } of blobs)
      expect((await readFile(join(folder, file.sha256))).equals(content)).toBe(true)
  })
})

describe('over a bad link', () => {
  const { content, file } = aBlob(90 * chunkBytes + 77)

  test.each([1, 2, 3])(
    'with loss, doubles, delay and every kind of damage it arrives whole (seed %i)',
    async (seed) => {
      const random = seeded(seed)
      const held: Message[] = []
      const carry: Carry = (right, index) => {
        const fate = random()
        if (fate < 0.15) return []
        if (fate < 0.3) return [right, right]
        if (fate < 0.4) return held.splice(0, held.length, right) // comes later, out of order
        if (fate < 0.5) return [flipped(right, Math.floor(random() * right.message.length))]
        if (fate < 0.55) return [{ ...right, message: right.message.subarray(0, Math.floor(random() * 1000)) }]
        if (fate < 0.6) return [{ ...right, topic: right.topic.replace(/\d+$/, String(index + 1)) }]
        return [right]
      }
      await downloadBlob(file, await openStore(), waysOf(aFakeHub([content], carry)), never)
      await expectWhole(content, file)
    },
  )

  test('a link that comes and goes does not fail it, and is not held against it', async () => {
    let carried = 0
    const hub = aFakeHub([content], (right) => {
      if (++carried % 20 === 0) {
        hub.setConnected(false)
        setTimeout(() => hub.setConnected(true), 30)
      }
      return [right]
    })
    await downloadBlob(file, await openStore(), waysOf(hub), never)
    await expectWhole(content, file)
  })

  test('being cut off for longer than any patience is waited out', async () => {
    const hub = aFakeHub([content])
    hub.setConnected(false)
    let offlineMs = 0
    const now = () => {
      if (!hub.link.isConnected()) offlineMs += 3_600_000 // an hour whenever somebody looks
      return performance.now() + offlineMs
    }
    const download = downloadBlob(file, await openStore(), waysOf(hub, { now }), never)
    while (offlineMs < 1000 * 3_600_000) await delay(1)
    expect(hub.wanted).toEqual([])
    hub.setConnected(true)
    await download
    await expectWhole(content, file)
  })

  test('a hub that cannot be reached over HTTP either is waited for, and failed attempts meanwhile do not count', async () => {
    const hub = aFakeHub([content])
    hub.setConnected(false)
    let attempts = 0
    const http = {
      fetch: async (blob: PartialBlob) => {
        attempts += 1
        if (attempts <= 3 * fruitlessRoundsMax) throw new DownloadError('http', 'the hub cannot be reached')
        for (const index of [...blob.missing])
          await blob.put(index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes))
      },
    }
    const times = { ...quickTimes, pauseMs: 1 }
    await downloadBlob(file, await openStore(), waysOf(hub, { way: 'http', http, times }), never)
    await expectWhole(content, file)
  })

  test('the time that a device is cut off is not held against a download over HTTP', async () => {
    const hub = aFakeHub([content])
    hub.setConnected(false)
    let offlineMs = 0
    const http = {
      fetch: async (blob: PartialBlob) => {
        offlineMs += 3_600_000
        if (offlineMs < 100 * 3_600_000) throw new DownloadError('http', 'the hub cannot be reached')
        for (const index of [...blob.missing])
          await blob.put(index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes))
      },
    }
    const times = { ...quickTimes, pauseMs: 1 }
    const now = () => performance.now() + offlineMs
    await downloadBlob(file, await openStore(), waysOf(hub, { way: 'http', http, times, now }), never)
    await expectWhole(content, file)
  })

  test('chunks that others asked for are taken, and nothing of them is asked for again', async () => {
    const big = aBlob(150 * chunkBytes, 'broadcast')
    const hub = aFakeHub([big.content])
    let index = 70
    const broadcast = setInterval(() => {
      hub.deliver(rightMessage(big.content, big.file.sha256, index))
      index = (index + 1) % 150
    }, 0)
    const times = { ...quickTimes, listenMs: 5_000 }
    await downloadBlob(big.file, await openStore(), waysOf(hub, { times }), never)
    clearInterval(broadcast)
    await expectWhole(big.content, big.file)
    expect(hub.wanted).toEqual([])
  })
})

function flipped(right: Message, at: number): Message {
  const message = Uint8Array.from(right.message)
  message[at] = (message[at] ?? 0) ^ 0x10
  return { ...right, message }
}

describe('what is not the blob', () => {
  const { content, file } = aBlob(3 * chunkBytes + 50)
  const packed = (data: Buffer) => ({ encoding: 'zstd', data: zstdCompressSync(data) })
  const bomb = packed(Buffer.alloc(200_000_000)) // six kilobytes
  const chunkAt = (index: number) => content.subarray(index * chunkBytes, (index + 1) * chunkBytes)
  const spoil = (make: (data: Buffer, index: number) => unknown): Carry => {
    return ({ topic }, index) => [
      { topic, message: encode(make(content.subarray(index * chunkBytes, (index + 1) * chunkBytes), index)) },
    ]
  }
  test.each<[string, Carry]>([
    ['nothing', () => []],
    ['other bytes', spoil((data) => ({ encoding: 'raw', data: Buffer.alloc(data.length, 1) }))],
    ['cut chunks', spoil((data) => ({ encoding: 'raw', data: data.subarray(1) }))],
    ['padded chunks', spoil((data) => ({ encoding: 'raw', data: Buffer.concat([data, Buffer.alloc(1)]) }))],
    ['padded chunks, packed', spoil((data) => packed(Buffer.concat([data, Buffer.alloc(1)])))],
    ['endless chunks, packed', spoil(() => bomb)],
    ['neighbouring chunks', spoil((_, index) => ({ encoding: 'raw', data: chunkAt((index + 1) % 4) }))],
    ['no CBOR', ({ topic }) => [{ topic, message: Buffer.from('hello') }]],
    ['another encoding', spoil((data) => ({ encoding: 'gzip', data }))],
    ['messages of a megabyte', spoil((data) => ({ encoding: 'raw', data, padding: Buffer.alloc(1_000_000) }))],
    ['indices that do not exist', (right) => [{ ...right, topic: right.topic.replace(/\d+$/, '999999') }]],
    ['topics of another blob', (right) => [{ ...right, topic: right.topic.replace(file.sha256, 'a'.repeat(64)) }]],
  ])('%s: fails by its name after bounded tries, and writes nothing', async (_, carry) => {
    const hub = aFakeHub([content], carry)
    expect(await codeOf(downloadBlob(file, await openStore(), waysOf(hub), never))).toBe('stalled')
    const [part, ...rest] = await readdir(folder)
    expect([part, rest]).toEqual([`${file.sha256}.part`, []])
    expect((await stat(join(folder, `${file.sha256}.part`))).size).toBe(0)
    expect(hub.wanted.length).toBeLessThanOrEqual(fruitlessRoundsMax * (quickTimes.silentAsksMax + 1) * 4)
    expect(hub.subscriptions.size + hub.listeners()).toBe(0)
  })

  test('a manifest whose chunks do not make its digest fails at once, and leaves nothing', async () => {
    const lying = { ...file, sha256: 'ab'.repeat(32) }
    const hub = aFakeHub([], (right) => [right], { [lying.sha256]: content })
    expect(await codeOf(downloadBlob(lying, await openStore(), waysOf(hub), never))).toBe('digest')
    expect(await readdir(folder)).toEqual([])
  })
})

describe('the other way', () => {
  const { content, file } = aBlob(30 * chunkBytes + 1)

  test('HTTP brings what MQTT did not, and only that', async () => {
    const half: Carry = (right, index) => (index < 20 ? [right] : [])
    const asked: number[] = []
    const http: DownloadWays['http'] = {
      fetch: async (blob) => {
        for (const index of blob.missing) {
          asked.push(index)
          await blob.put(index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes))
        }
      },
    }
    await downloadBlob(file, await openStore(), waysOf(aFakeHub([content], half), { way: 'auto', http }), never)
    await expectWhole(content, file)
    expect(asked).toEqual([20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
  })

  test('rounds go on as long as something comes in each of them', async () => {
    let calls = 0
    const http: DownloadWays['http'] = {
      fetch: async (blob) => {
        calls++
        const [index = 0] = blob.missing
        await blob.put(index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes))
        if (blob.missing.size > 0) throw new DownloadError('http', 'broke off')
      },
    }
    const times = { ...quickTimes, pauseMs: 0 }
    await downloadBlob(file, await openStore(), waysOf(aFakeHub([]), { way: 'http', http, times }), never)
    await expectWhole(content, file)
    expect(calls).toBe(31)
  })

  test('a trickle too slow for its size fails by its deadline', async () => {
    let clock = 0
    const http: DownloadWays['http'] = {
      fetch: async (blob) => {
        clock += 400_000
        const [index = 0] = blob.missing
        await blob.put(index, content.subarray(index * chunkBytes, (index + 1) * chunkBytes))
        throw new DownloadError('http', 'broke off')
      },
    }
    const ways = waysOf(aFakeHub([]), { way: 'http', http, now: () => clock, times: { ...quickTimes, pauseMs: 0 } })
    expect(await codeOf(downloadBlob(file, await openStore(), ways, never))).toBe('deadline')
  })

  test('the same over MQTT: one chunk now and then keeps no download alive for ever', async () => {
    let clock = 0
    const hub = aFakeHub([content], (right, index) => {
      clock += 200_000
      return index % 7 === 0 ? [right] : []
    })
    const ways = waysOf(hub, { now: () => clock + performance.now() })
    expect(await codeOf(downloadBlob(file, await openStore(), ways, never))).toBe('deadline')
  })
})
