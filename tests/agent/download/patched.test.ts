// A file made by a patch: with what is there, with what is damaged, over links and disks that fail, and when power goes.

import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlobDisk, BlobStore } from '@roost/agent/download/blob-store.ts'
import { downloadBlob } from '@roost/agent/download/download.ts'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { type LaidOut, makePatch } from '@roost/shared/bundle/delta/encode.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aPowerCutDisk } from '../power-cut.ts'
import { aFakeHub, hashed, never, seeded, waysOf } from './builders.ts'

const seed = 20_261_126
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-patched-'))
})
afterEach(() => rm(folder, { recursive: true }))

type Step = { before: Buffer; after: Buffer; file: HashedBlob; patchBytes: Buffer; patch: Patch }

/** Made once: nobody changes it. */
const steps = new Map<number, Promise<Step>>()

/** Weights and the same ones trained further, and the patch between them. */
function aStep(chunks = 9): Promise<Step> {
  const made = steps.get(chunks) ?? makeStep(chunks)
  steps.set(chunks, made)
  return made
}

async function makeStep(chunks: number): Promise<Step> {
  const random = seeded(seed)
  const count = (chunks * chunkBytes) / 4 - 100
  const weights = Float32Array.from({ length: count }, () => random() - 0.5)
  const moved = weights.map((weight) => weight * (1 + 0.0001 * (random() - 0.5)))
  const [before, after] = [Buffer.from(weights.buffer), Buffer.from(moved.buffer)]
  const pieces = await Array.fromAsync(makePatch(laidOut(before), laidOut(after), after.length))
  const patchBytes = Buffer.concat(pieces)
  const { sha256: blob, sizeBytes, chunks: hashes } = hashed(patchBytes)
  const patch = { from: sha256(before), to: sha256(after), blob, sizeBytes, chunks: hashes }
  return { before, after, file: hashed(after), patchBytes, patch }
}

function laidOut(bytes: Buffer): LaidOut {
  const words = { width: 4 as const, contextShift: 23, contextBits: 8 }
  return {
    sizeBytes: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    file: { sha256: sha256(bytes), sizeBytes: bytes.length },
    tensors: [{ key: 'weights', start: 0, end: bytes.length, words }],
  }
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

async function aStore({ before, patch }: Step, bytesMax = 1e9): Promise<BlobStore> {
  await writeFile(join(folder, patch.from), before)
  const store = await BlobStore.open(folder, bytesMax)
  store.keep(new Set([patch.from]))
  return store
}

/** Downloads with the patch as a hint. @returns what was fetched, and why the patch did not do */
async function downloaded(step: Step, store: BlobStore, contents: readonly Buffer[], named = {}) {
  const hub = aFakeHub(contents, undefined, named)
  const failures: string[] = []
  await downloadBlob(step.file, store, waysOf(hub), never, { patch: step.patch, onFailed: (why) => failures.push(why) })
  expect(Buffer.compare(await readFile(store.pathOf(step.file.sha256)), step.after)).toBe(0)
  expect(await readdir(folder)).not.toContain(step.patch.blob)
  return { chunks: hub.wanted.length, failures }
}

const patchChunks = ({ patch }: Step) => Math.ceil(patch.sizeBytes / chunkBytes)
const wholeChunks = ({ file }: Step) => Math.ceil(file.sizeBytes / chunkBytes)

describe('a file that is trained further', () => {
  test('is made by the patch, and only the patch is fetched', async () => {
    const step = await aStep()
    const { chunks, failures } = await downloaded(step, await aStore(step), [step.patchBytes])
    expect(failures).toEqual([])
    expect(chunks).toBe(patchChunks(step))
    expect(chunks).toBeLessThan(wholeChunks(step))
  })

  test('of which most is there already is fetched, without the patch', async () => {
    const step = await aStep()
    const store = await aStore(step)
    const part = await store.begin(step.file)
    for (let i = 0; i < wholeChunks(step) - 1; i++) {
      await part.put(i, step.after.subarray(i * chunkBytes, (i + 1) * chunkBytes))
    }
    await store.close(part)
    expect((await downloaded(step, store, [step.after])).chunks).toBe(1)
  })

  test('comes whole where the base is not there, and nothing is said about it', async () => {
    const step = await aStep()
    const store = await BlobStore.open(folder, 1e9)
    const { chunks, failures } = await downloaded(step, store, [step.after, step.patchBytes])
    expect({ chunks, failures }).toEqual({ chunks: wholeChunks(step), failures: [] })
  })

  test('misses only the chunks that a damaged base spoils: these are fetched, and it is said', async () => {
    const step = await aStep()
    const store = await aStore(step)
    const damaged = Buffer.from(step.before)
    damaged.writeUInt8(damaged.readUInt8(200_000) ^ 1, 200_000)
    await writeFile(store.pathOf(step.patch.from), damaged)
    const { chunks, failures } = await downloaded(step, store, [step.after, step.patchBytes])
    expect(failures).toEqual([expect.stringMatching(/^it made \d+ chunks that are not what the manifest says$/)])
    expect(chunks).toBeGreaterThan(patchChunks(step))
  })

  test('comes whole where the base was cut short', async () => {
    const step = await aStep()
    const store = await aStore(step)
    await writeFile(store.pathOf(step.patch.from), step.before.subarray(0, 1_000))
    const { failures } = await downloaded(step, store, [step.after, step.patchBytes])
    expect(failures).toEqual(['the patch is for other files'])
  })

  test('comes whole where the hub has lost the patch', async () => {
    const step = await aStep()
    const { failures } = await downloaded(step, await aStore(step), [step.after])
    expect(failures).toEqual([expect.stringMatching(/^the patch was not to be had/)])
  })

  test.each([
    ['no patch at all', (good: Buffer) => Buffer.alloc(good.length, 'no')],
    ['one that breaks off', (good: Buffer) => good.subarray(0, good.length - 9)],
    ['one that makes other bytes', (good: Buffer) => withByte(good, good.length - 1_000)],
    ['one for another file', (good: Buffer) => withByte(good, 70)],
  ])('comes whole where the patch is %s', async (_, spoil) => {
    const good = await aStep()
    const bytes = Buffer.from(spoil(good.patchBytes))
    const { sha256: blob, sizeBytes, chunks: hashes } = hashed(bytes)
    const step = { ...good, patch: { ...good.patch, blob, sizeBytes, chunks: hashes } }
    const { failures } = await downloaded(step, await aStore(step), [step.after, bytes])
    expect(failures).toHaveLength(1)
  })

  test('comes whole where there is no room for the patch beside it, and the base stays', async () => {
    const step = await aStep()
    const store = await aStore(step, 2 * step.file.sizeBytes + 10)
    const { failures } = await downloaded(step, store, [step.after, step.patchBytes])
    expect(failures).toEqual([expect.stringMatching(/granted for blobs/)])
    expect(store.holds(step.patch.from)).toBe(true)
  })

  test('is given up at once when the download is cancelled, and goes on with the same patch', async () => {
    const step = await aStep()
    const store = await aStore(step)
    const cancelled = new AbortController()
    const hub = aFakeHub([step.patchBytes], (message, index) => {
      if (index === 1) cancelled.abort(new Error('cancelled'))
      return [message]
    })
    const hint = { patch: step.patch, onFailed: (why: string) => expect.fail(why) }
    const download = downloadBlob(step.file, store, waysOf(hub), cancelled.signal, hint)
    await expect(download).rejects.toThrow('cancelled')
    expect((await downloaded(step, store, [step.patchBytes])).failures).toEqual([])
  })
})

describe('when power goes while a patch is fetched or applied', () => {
  test(`whatever the disk held then, the file is made in the end and nothing wrong is believed (seed ${seed})`, async () => {
    const step = await aStep(5)
    const power = aPowerCutDisk(folder)
    const store = await baseOn(power.disk, step)
    const hint = { patch: step.patch, onFailed: (why: string) => expect.fail(why) }
    await downloadBlob(step.file, store, waysOf(aFakeHub([step.patchBytes])), never, hint)
    let states = 0
    for (const state of power.states(seeded(seed), 1, 2)) {
      const restored = await mkdtemp(join(tmpdir(), 'roost-patched-cut-'))
      try {
        await state.restore(restored)
        const after = await BlobStore.open(restored, 1e9)
        await downloadBlob(step.file, after, waysOf(aFakeHub([step.after, step.patchBytes])), never, {
          patch: step.patch,
          onFailed: () => undefined,
        })
        expect(Buffer.compare(await readFile(after.pathOf(step.file.sha256)), step.after), state.name).toBe(0)
        states++
      } finally {
        await rm(restored, { recursive: true })
      }
    }
    expect(states).toBeGreaterThan(20)
  })
})

/** The base comes through the disk that is recorded, as it did on a device. */
async function baseOn(disk: BlobDisk, { before }: Step): Promise<BlobStore> {
  const store = await BlobStore.open(folder, 1e9, disk)
  await downloadBlob(hashed(before), store, waysOf(aFakeHub([before])), never)
  return store
}

function withByte(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  changed.writeUInt8(changed.readUInt8(at) ^ 0x55, at)
  return changed
}
