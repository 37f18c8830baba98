// The room that blobs may take: never more than granted, never what is needed thrown out.

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import { downloadBlob } from '@roost/agent/download/download.ts'
import type { HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aBlob, aFakeHub, codeOf, hashed, never, waysOf } from './builders.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-blobs-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const openStore = (bytesMax = 1_000_000_000) => BlobStore.open(folder, bytesMax)

describe('room', () => {
  const blobs = ['a', 'b', 'c', 'd'].map((name) => aBlob(10 * chunkBytes, name))
  const [a, b, c, d] = blobs
  if (!a || !b || !c || !d) throw new Error('no blobs')
  const hub = () => aFakeHub(blobs.map(({ content }) => content))
  const fetch = (file: HashedBlob, store: BlobStore) => codeOf(downloadBlob(file, store, waysOf(hub()), never))
  const present = async () => (await readdir(folder)).toSorted()

  test('what is needed stays; the oldest of the rest goes when room is wanted, not before', async () => {
    const store = await openStore(30 * chunkBytes)
    for (const { file } of [a, b, c]) expect(await fetch(file, store)).toBe('done')
    store.keep(new Set([a.file.sha256, c.file.sha256]))
    expect((await present()).length).toBe(3)
    expect(await fetch(d.file, store)).toBe('done')
    expect(await present()).toEqual([a, c, d].map(({ file }) => file.sha256).toSorted())
  })

  test('nothing goes before it is known what is needed, nor for a blob that would not fit anyway', async () => {
    const store = await openStore(25 * chunkBytes)
    for (const { file } of [a, b]) expect(await fetch(file, store)).toBe('done')
    expect(await fetch(c.file, store)).toBe('no-space')
    store.keep(new Set([a.file.sha256]))
    expect(await fetch(aBlob(16 * chunkBytes, 'big').file, store)).toBe('no-space')
    expect(await present()).toEqual([a, b].map(({ file }) => file.sha256).toSorted())
    expect(await fetch(c.file, store)).toBe('done')
  })

  test('downloads side by side are not promised the same room', async () => {
    const store = await openStore(25 * chunkBytes)
    const outcomes = await Promise.all([a, b, c].map(({ file }) => fetch(file, store)))
    expect(outcomes.toSorted()).toEqual(['done', 'done', 'no-space'])
  })

  test('what is on disk at the start counts, parts and all', async () => {
    const store = await openStore(30 * chunkBytes)
    for (const { file } of [a, b]) await fetch(file, store)
    await writeFile(join(folder, `${c.file.sha256}.part`), Buffer.alloc(6 * chunkBytes))
    await writeFile(join(folder, 'readme.txt'), 'not ours')
    const again = await openStore(30 * chunkBytes)
    expect(again.has(a.file)).toBe(true)
    expect(await fetch(d.file, again)).toBe('no-space')
    again.keep(new Set([a.file.sha256, b.file.sha256]))
    expect(await fetch(d.file, again)).toBe('done')
    expect(await present()).toEqual([a.file.sha256, b.file.sha256, d.file.sha256, 'readme.txt'].toSorted())
  })

  test('a folder that somebody removed is made again', async () => {
    const store = await openStore()
    await rm(folder, { recursive: true })
    expect(await fetch(a.file, store)).toBe('done')
    expect(await present()).toEqual([a.file.sha256])
  })

  test('a damaged blob is removed and can be had again', async () => {
    const store = await openStore()
    await fetch(a.file, store)
    await writeFile(store.pathOf(a.file.sha256), 'damaged')
    await store.remove(a.file.sha256)
    expect(store.has(a.file)).toBe(false)
    expect(await fetch(a.file, store)).toBe('done')
    expect(hashed(await readFile(store.pathOf(a.file.sha256)))).toEqual(a.file)
  })

  test('a file under a blob’s name that is no blob of that size is not taken for it', async () => {
    await writeFile(join(folder, a.file.sha256), 'short')
    const store = await openStore()
    expect(store.has(a.file)).toBe(false)
    expect(await fetch(a.file, store)).toBe('done')
    expect(hashed(await readFile(store.pathOf(a.file.sha256)))).toEqual(a.file)
  })

  test('no name but a digest ever becomes a path', async () => {
    const store = await openStore()
    for (const name of ['../x', '/etc/passwd', '', 'A'.repeat(64), `${'a'.repeat(64)}\0`])
      expect(() => store.pathOf(name)).toThrow()
  })
})
