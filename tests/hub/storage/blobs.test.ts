// Blobs: named by what they hold, whole or not there, readable by range.

import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chunkHashes } from '@roost/shared/bundle/chunks.ts'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BlobStore, openBlobs } from '../../../hub/storage/blobs.ts'

const seed = 20261124
let folder: string
let blobs: BlobStore
let count = 0
const random = (length: number) => {
  count += 1
  return new Uint8Array(length).fill(count)
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const files = async () =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-blobs-'))
  blobs = await openBlobs(folder, random)
})
afterEach(() => rmSync(folder, { recursive: true }))

test('however a stream is cut, its blob is named by its sha256, with the hashes of its chunks', async () => {
  const sizes = fc.array(fc.oneof(fc.nat(200), fc.integer({ min: 60_000, max: 140_000 })), { maxLength: 6 })
  await fc.assert(
    fc.asyncProperty(sizes, async (sizes) => {
      const pieces = sizes.map((size, i) => new Uint8Array(size).fill(i + 1))
      const whole = new Uint8Array(Buffer.concat(pieces))
      const blob = await blobs.put(pieces, { bytesMax: whole.length })
      expect(blob).toEqual(await chunkHashes([whole]))
      expect(blob.sha256).toBe(sha256(whole))
      expect(await blobs.has(blob.sha256)).toBe(true)
      expect(await blobs.sizeBytes(blob.sha256)).toBe(whole.length)
      expect(Buffer.concat(await Array.fromAsync(blobs.open(blob.sha256))).equals(whole)).toBe(true)
    }),
    { seed, numRuns: 40 },
  )
})

test('any range reads what slice gives', async () => {
  const whole = new Uint8Array(200_000).map((_, i) => (i * 31) >> 3)
  const { sha256: name } = await blobs.put([whole], { bytesMax: 1e6 })
  const range = fc.tuple(fc.nat(210_000), fc.nat(210_000))
  await fc.assert(
    fc.asyncProperty(range, async ([offset, length]) => {
      const wanted = Buffer.from(whole.slice(offset, offset + length))
      expect(Buffer.from(await blobs.read(name, offset, length)).equals(wanted)).toBe(true)
      const streamed = Buffer.concat(await Array.fromAsync(blobs.open(name, offset, length)))
      expect(streamed.equals(wanted)).toBe(true)
    }),
    { seed, numRuns: 60 },
  )
})

test('at the byte past the limit reading stops and nothing is left', async () => {
  let given = 0
  function* endless() {
    for (;;) {
      given += 1000
      yield new Uint8Array(1000)
    }
  }
  await expect(blobs.put(endless(), { bytesMax: 10_500 })).rejects.toMatchObject({ code: 'too-large' })
  expect(given).toBe(11_000)
  expect(await files()).toEqual([])
  expect((await blobs.put([new Uint8Array(10_500)], { bytesMax: 10_500 })).sizeBytes).toBe(10_500)
})

test('a source that fails half way leaves nothing', async () => {
  function* failing() {
    yield new Uint8Array(1000)
    throw new Error('the connection was cut')
  }
  await expect(blobs.put(failing(), { bytesMax: 1e6 })).rejects.toThrow('the connection was cut')
  expect(await files()).toEqual([])
})

test('what is staged is no blob before it is kept, and is gone if it is not', async () => {
  const content = Buffer.from('staged')
  let name: string
  {
    await using staged = await blobs.stage([content], { bytesMax: 100 })
    name = staged.sha256
    expect(Buffer.from(await staged.read(2, 3)).toString()).toBe('age')
    expect(await blobs.has(name)).toBe(false)
  }
  expect(await files()).toEqual([])
  {
    await using staged = await blobs.stage([content], { bytesMax: 100 })
    await staged.keep()
  }
  expect(await files()).toEqual([name])
  expect((await stat(blobs.pathOf(name))).mode & 0o777).toBe(0o600)
})

test('what an interrupted upload left is removed at start, blobs stay', async () => {
  const { sha256: name } = await blobs.put([Buffer.from('whole')], { bytesMax: 100 })
  await writeFile(join(folder, 'incoming', 'half'), 'ha')
  const reopened = await openBlobs(folder, random)
  expect(await files()).toEqual([name])
  expect(Buffer.from(await reopened.read(name, 0, 10)).toString()).toBe('whole')
})

test('a name that is no sha256 reaches no file', async () => {
  for (const name of ['../hub.db', 'incoming/half', '', 'A'.repeat(64), `${'a'.repeat(63)}/`]) {
    expect(() => blobs.pathOf(name)).toThrow()
    await expect(blobs.has(name)).rejects.toThrow()
  }
  await expect(blobs.read('0'.repeat(64), 0, 1)).rejects.toMatchObject({ code: 'not-found' })
})
