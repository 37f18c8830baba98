// P6 for downloads: whatever the disk holds after the power went, at whichever call a disk fails, however often the
// process is killed: a blob that counts as whole is right, and what is not whole is gone on with.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as nodeDisk from 'node:fs/promises'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { type BlobDisk, BlobStore, reserveBytes } from '@roost/agent/download/blob-store.ts'
import { downloadBlob } from '@roost/agent/download/download.ts'
import { DownloadError } from '@roost/agent/download/error.ts'
import { chunksPerSync } from '@roost/agent/download/partial-blob.ts'
import type { DiskFile } from '@roost/agent/durable-file.ts'
import { chunkCount, type HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aFaultyDisk, aPowerCutDisk, type CutState, type PowerCutDisk } from '../power-cut.ts'
import { aBlob, aFakeHub, codeOf, hashed, never, seeded, waysOf } from './builders.ts'
import { interruptedBlob } from './interrupted-download.ts'

const seed = 20_261_124
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-interrupted-'))
})
afterEach(() => rm(folder, { recursive: true }))

type Blob = { content: Buffer; file: HashedBlob }

/** Downloads with what the disk held, and checks that nothing wrong was ever taken for the blob, and that no chunk
 *  came again which the program knew to be on disk. */
async function goOn(state: CutState, { content, file }: Blob): Promise<void> {
  const restored = await mkdtemp(join(tmpdir(), 'roost-cut-'))
  try {
    await state.restore(restored)
    const store = await BlobStore.open(restored, 1e9)
    const hub = aFakeHub([content])
    await downloadBlob(file, store, waysOf(hub), never)
    expect(hashed(await readFile(store.pathOf(file.sha256))), state.name).toEqual(file)
    expect(chunkCount(file) - new Set(hub.wanted).size, state.name).toBeGreaterThanOrEqual(state.acknowledged)
  } finally {
    await rm(restored, { recursive: true })
  }
}

/** Downloads; every fsync of the part file acknowledges the chunks written before it. */
async function record({ content, file }: Blob, power: PowerCutDisk): Promise<void> {
  let written = 0
  const disk: BlobDisk = {
    ...power.disk,
    open: async (path, flags, mode) => {
      const opened = await power.disk.open(path, flags, mode)
      if (!path.endsWith('.part')) return opened
      const write: DiskFile['write'] = async (...args) => {
        written++
        return opened.write(...args)
      }
      const sync = async () => {
        await opened.sync()
        power.acknowledge(written)
      }
      return { ...opened, write, sync }
    },
  }
  await downloadBlob(file, await BlobStore.open(folder, 1e9, disk), waysOf(aFakeHub([content])), never)
  expect(written).toBe(chunkCount(file))
}

describe('when power goes', () => {
  test.each([
    ['at any moment of a small download', 4 * chunkBytes + 1000, 8, 1, 100],
    ['in a larger one, between its fsyncs', (2 * chunksPerSync + 3) * chunkBytes, 1, 9, 40],
  ])(
    '%s: nothing wrong is believed, and nothing that was synced comes again',
    async (_, sizeBytes, randomly, every, least) => {
      const blob = aBlob(sizeBytes)
      const power = aPowerCutDisk(folder)
      await record(blob, power)
      let states = 0
      for (const state of power.states(seeded(seed), randomly, every)) {
        await goOn(state, blob)
        states++
      }
      expect(states).toBeGreaterThanOrEqual(least)
    },
  )

  test('a disk that forgets to sync is caught by the same check', async () => {
    const blob = aBlob(2 * chunkBytes)
    const power = aPowerCutDisk(folder, { forgetful: true })
    await record(blob, power)
    let caught = 0
    for (const state of power.states(seeded(seed), 4)) {
      const fault = await goOn(state, blob).catch((error: unknown) => error)
      if (fault instanceof Error) caught++
    }
    expect(caught).toBeGreaterThan(0)
  })
})

describe('when a call fails', () => {
  const blob = aBlob(3 * chunkBytes + 5)

  test.each([
    ['ENOSPC', ['no-space', 'disk', 'ENOSPC']],
    ['EIO', ['disk', 'EIO']],
  ])('with %s, whichever it is: it is said, nothing wrong is kept, and the next try succeeds', async (code, codes) => {
    for (let n = 0; ; n++) {
      const own = join(folder, String(n))
      const { disk, calls } = aFaultyDisk(nodeDisk, (_, count) => (count === n ? code : undefined))
      const outcome = await tryOnce(own, disk)
      if (calls() <= n) {
        expect(outcome).toBe('done')
        expect(n).toBeGreaterThan(15)
        return
      }
      expect(codes, `call ${n}`).toContain(outcome)
      expect(await tryOnce(own, nodeDisk)).toBe('done')
      expect(hashed(await readFile(join(own, blob.file.sha256)))).toEqual(blob.file)
    }
  })

  async function tryOnce(own: string, disk: BlobDisk): Promise<string> {
    try {
      const store = await BlobStore.open(own, 1e9, disk)
      await downloadBlob(blob.file, store, waysOf(aFakeHub([blob.content])), never)
      return 'done'
    } catch (error) {
      if (error instanceof DownloadError) return error.code
      if (error instanceof Error && 'code' in error) return String(error.code)
      throw error
    }
  }

  test('a full disk in the middle is no_space, and what came stays for the time when there is room', async () => {
    let writes = 0
    const { disk } = aFaultyDisk(nodeDisk, (call) => (call === 'write' && ++writes > 2 ? 'ENOSPC' : undefined))
    const store = await BlobStore.open(folder, 1e9, disk)
    const failing = downloadBlob(blob.file, store, waysOf(aFakeHub([blob.content])), never)
    await expect(failing).rejects.toMatchObject({ code: 'no-space', reason: 'no_space' })
    const hub = aFakeHub([blob.content])
    await downloadBlob(blob.file, await BlobStore.open(folder, 1e9), waysOf(hub), never)
    expect(hub.wanted.length).toBe(2)
  })

  test('after a failed fsync nothing that came before it is believed', async () => {
    let writes = 0
    const { disk } = aFaultyDisk(nodeDisk, (call) => {
      if (call === 'write') writes++
      return call === 'sync' && writes > 0 ? 'EIO' : undefined
    })
    const store = await BlobStore.open(folder, 1e9, disk)
    expect(await codeOf(downloadBlob(blob.file, store, waysOf(aFakeHub([blob.content])), never))).toBe('disk')
    expect(await readdir(folder)).toEqual([])
  })

  test('a disk that fails and can only be read from then on fails it, now and at the next try, and nothing else', async () => {
    let writes = 0
    const { disk } = aFaultyDisk(nodeDisk, (call) => {
      if (call === 'write') writes++
      if (writes === 0) return undefined
      return { sync: 'EIO', lstat: 'EIO', unlink: 'EROFS' }[call]
    })
    const store = await BlobStore.open(folder, 1e9, disk)
    for (const time of ['first', 'second']) {
      const failing = codeOf(downloadBlob(blob.file, store, waysOf(aFakeHub([blob.content])), never))
      expect([time, await failing]).toEqual([time, 'disk'])
    }
  })

  test('a disk with too little room left is not begun with', async () => {
    const bsize = 4096
    const tight = (freeBytes: number): BlobDisk => ({
      ...nodeDisk,
      statfs: async () => ({ bavail: Math.floor(freeBytes / bsize), bsize }),
    })
    const needed = reserveBytes + blob.file.sizeBytes
    const hub = aFakeHub([blob.content])
    const outcome = async (freeBytes: number) =>
      codeOf(downloadBlob(blob.file, await BlobStore.open(folder, 1e9, tight(freeBytes)), waysOf(hub), never))
    expect(await outcome(needed - bsize)).toBe('no-space')
    expect(hub.wanted).toEqual([])
    expect(await outcome(needed + bsize)).toBe('done')
  })
})

describe('when the process is killed', () => {
  const kills = 12

  test(`${kills} times at random moments, it goes on each time and ends with the right blob (seed ${seed})`, async () => {
    const random = seeded(seed)
    const { file } = interruptedBlob()
    let killed = 0
    for (let start = 0; killed < kills; start++) {
      await mkdir(folder, { recursive: true })
      const outcome = await runAndKill(Math.floor(random() * 160))
      if (outcome === 'killed') killed++
      const names = await readdir(folder)
      for (const name of names) {
        expect([file.sha256, `${file.sha256}.part`]).toContain(name)
        expect((await stat(join(folder, name))).size).toBeLessThanOrEqual(file.sizeBytes)
      }
      if (names.includes(file.sha256)) {
        expect(hashed(await readFile(join(folder, file.sha256)))).toEqual(file)
        await rm(folder, { recursive: true })
      } else expect(outcome).toBe('killed')
      expect(start).toBeLessThan(20 * kills)
    }
    await mkdir(folder, { recursive: true })
    expect(await runAndKill(undefined)).toBe('completed')
    expect(hashed(await readFile(join(folder, file.sha256)))).toEqual(file)
  })

  /** Lets a process download, and kills it so long after it began, if it is not done by then. */
  async function runAndKill(afterMs: number | undefined): Promise<'killed' | 'completed'> {
    const script = join(import.meta.dirname, 'interrupted-download.ts')
    const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    if (afterMs !== undefined) {
      await Promise.race([begun(child), ended])
      await Promise.race([delay(afterMs), ended])
      child.kill('SIGKILL')
    }
    const [code] = await ended
    expect([0, null]).toContain(code)
    return code === 0 ? 'completed' : 'killed'
  }

  async function begun(child: ChildProcess): Promise<void> {
    if (child.stdout !== null) await once(child.stdout, 'data')
  }
})
