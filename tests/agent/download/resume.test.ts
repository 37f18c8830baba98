// What a part file is worth after an interruption: what it hashes to, not a byte more.

import { link as hardLink, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import { downloadBlob } from '@roost/agent/download/download.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aBlob, aFakeHub, type Carry, codeOf, never, waysOf } from './builders.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-blobs-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const openStore = () => BlobStore.open(folder, 1_000_000_000)

describe('resuming', () => {
  const { content, file } = aBlob(60 * chunkBytes + 9)
  const half: Carry = (right, index) => (index % 2 === 0 ? [right] : [])

  async function expectWhole(): Promise<void> {
    expect((await readFile(join(folder, file.sha256))).equals(content)).toBe(true)
    expect(await readdir(folder)).toEqual([file.sha256])
  }

  async function aHalfDownload(): Promise<void> {
    expect(await codeOf(downloadBlob(file, await openStore(), waysOf(aFakeHub([content], half)), never))).toBe(
      'stalled',
    )
  }

  test('asks only for what is missing', async () => {
    await aHalfDownload()
    const hub = aFakeHub([content])
    await downloadBlob(file, await openStore(), waysOf(hub), never)
    await expectWhole()
    expect(hub.wanted.every((index) => index % 2 === 1)).toBe(true)
  })

  test('believes no byte of the part file: each damaged chunk is fetched again', async () => {
    await aHalfDownload()
    const path = join(folder, `${file.sha256}.part`)
    const part = await readFile(path)
    for (const index of [0, 8, 58]) part[index * chunkBytes + index] = (part[index * chunkBytes + index] ?? 0) ^ 1
    await writeFile(path, part)
    const hub = aFakeHub([content])
    await downloadBlob(file, await openStore(), waysOf(hub), never)
    await expectWhole()
    expect(hub.wanted.filter((index) => index % 2 === 0).toSorted((a, b) => a - b)).toEqual([0, 8, 58])
  })

  test.each([0, 1, chunkBytes - 1, chunkBytes, 7 * chunkBytes + 3])('goes on from a part cut at %i', async (length) => {
    await aHalfDownload()
    await truncate(join(folder, `${file.sha256}.part`), length)
    await downloadBlob(file, await openStore(), waysOf(aFakeHub([content])), never)
    await expectWhole()
  })

  test.each<[string, (path: string, elsewhere: string) => Promise<void>]>([
    ['longer than the blob', (path) => writeFile(path, Buffer.alloc(content.length + 1))],
    ['a symbolic link', (path, elsewhere) => symlink(elsewhere, path)],
    ['a hard link', (path, elsewhere) => hardLink(elsewhere, path)],
  ])('a part that is %s is replaced, and what it led to is untouched', async (_, plant) => {
    const elsewhere = `${folder}-elsewhere`
    await writeFile(elsewhere, 'precious')
    try {
      const store = await openStore()
      await plant(join(folder, `${file.sha256}.part`), elsewhere)
      await downloadBlob(file, store, waysOf(aFakeHub([content])), never)
      await expectWhole()
      expect(await readFile(elsewhere, 'utf8')).toBe('precious')
      expect((await stat(join(folder, file.sha256))).nlink).toBe(1)
    } finally {
      await rm(elsewhere)
    }
  })

  test('after an abort everything is closed, and the next try goes on', async () => {
    const abort = new AbortController()
    let carried = 0
    const hub = aFakeHub([content], (right) => {
      if (++carried === 30) abort.abort(new Error('not wished any more'))
      return [right]
    })
    const store = await openStore()
    await expect(downloadBlob(file, store, waysOf(hub), abort.signal)).rejects.toThrow('not wished any more')
    expect(hub.subscriptions.size + hub.listeners()).toBe(0)
    await downloadBlob(file, store, waysOf(aFakeHub([content])), never)
    await expectWhole()
  })

  test('an abort ends a download that waits', async () => {
    const abort = new AbortController()
    const waiting = downloadBlob(file, await openStore(), waysOf(aFakeHub([]), { times: {} }), abort.signal)
    setTimeout(() => abort.abort(new Error('stop')), 10)
    await expect(waiting).rejects.toThrow('stop')
  })
})
