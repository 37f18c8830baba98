// Replacing a file: the old content or the new one, whole, whatever happens at whichever call.

import * as nodeDisk from 'node:fs/promises'
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Disk, type DiskFile, replaceFile } from '@roost/agent/durable-file.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seeded } from './download/builders.ts'
import { aFaultyDisk, aPowerCutDisk, type CutState, type PowerCutDisk } from './power-cut.ts'

const seed = 20_261_124
let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-durable-'))
})
afterEach(() => rm(folder, { recursive: true }))

/** Longer and longer, so that a mixture of two is neither. */
const contentFor = (n: number) => Buffer.alloc(1000 + n * 777, `value ${n} `)

async function replaceOften(power: PowerCutDisk): Promise<void> {
  for (let n = 1; n <= 4; n++) {
    await replaceFile(join(folder, 'slots.json'), contentFor(n), power.disk)
    power.acknowledge(n)
  }
}

/** Which value the file holds; 0 if there is none, undefined if it is none of them. */
async function valueIn(state: CutState): Promise<number | undefined> {
  const restored = await mkdtemp(join(tmpdir(), 'roost-cut-'))
  try {
    await state.restore(restored)
    if (!(await readdir(restored)).includes('slots.json')) return 0
    const content = await readFile(join(restored, 'slots.json'))
    return [1, 2, 3, 4].find((n) => content.equals(contentFor(n)))
  } finally {
    await rm(restored, { recursive: true })
  }
}

async function shortfalls(power: PowerCutDisk): Promise<{ states: number; short: string[] }> {
  const short: string[] = []
  let states = 0
  for (const state of power.states(seeded(seed), 6)) {
    states++
    const value = await valueIn(state)
    if (value === undefined || value < state.acknowledged) short.push(`${state.name}: ${value}`)
  }
  return { states, short }
}

describe('when power goes', () => {
  test('the file holds the last value told, or the one being written, whole', async () => {
    const power = aPowerCutDisk(folder)
    await replaceOften(power)
    const { states, short } = await shortfalls(power)
    expect(states).toBeGreaterThanOrEqual(200)
    expect(short).toEqual([])
  })

  test('a disk that forgets to sync is caught by the same check', async () => {
    const power = aPowerCutDisk(folder, { forgetful: true })
    await replaceOften(power)
    expect((await shortfalls(power)).short.length).toBeGreaterThan(20)
  })
})

describe('when a call fails', () => {
  test.each(['ENOSPC', 'EIO'])(
    'with %s, whichever it is: the old value stays or the new one is there, and the next call works',
    async (code) => {
      const path = join(folder, 'slots.json')
      let failed = 0
      for (let n = 0; ; n++) {
        await replaceFile(path, contentFor(1))
        const { disk, calls } = aFaultyDisk(nodeDisk, (_, count) => (count === n ? code : undefined))
        const outcome = await replaceFile(path, contentFor(2), disk).catch((error: unknown) => error)
        if (calls() <= n) break
        failed++
        expect(outcome).toMatchObject({ code })
        const found = await readFile(path)
        expect([contentFor(1), contentFor(2)].some((value) => value.equals(found))).toBe(true)
        await replaceFile(path, contentFor(3))
        expect((await readFile(path)).equals(contentFor(3))).toBe(true)
        expect(await readdir(folder)).toEqual(['slots.json'])
      }
      expect(failed).toBeGreaterThanOrEqual(6) // unlink, open, write, sync, rename, open, sync
    },
  )

  test('a value that could not be synced never takes the place of the old one', async () => {
    const path = join(folder, 'slots.json')
    await replaceFile(path, contentFor(1))
    const { disk } = aFaultyDisk(nodeDisk, (call) => (call === 'sync' ? 'EIO' : undefined))
    await expect(replaceFile(path, contentFor(2), disk)).rejects.toMatchObject({ code: 'EIO' })
    expect((await readFile(path)).equals(contentFor(1))).toBe(true)
  })
})

describe('in the same process', () => {
  test('calls for one path go one after the other, and the last one holds', async () => {
    const path = join(folder, 'slots.json')
    const calls = Array.from({ length: 20 }, (_, n) => replaceFile(path, contentFor(n)))
    await Promise.all(calls)
    expect((await readFile(path)).equals(contentFor(19))).toBe(true)
  })

  test('one that fails does not hold up the next', async () => {
    const path = join(folder, 'slots.json')
    const { disk } = aFaultyDisk(nodeDisk, (call) => (call === 'write' ? 'ENOSPC' : undefined))
    const [first, second] = await Promise.allSettled([
      replaceFile(path, contentFor(1), disk),
      replaceFile(path, contentFor(2)),
    ])
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled'])
    expect((await readFile(path)).equals(contentFor(2))).toBe(true)
  })

  test('a link planted in the way is not followed', async () => {
    const precious = join(folder, 'precious')
    await writeFile(precious, 'precious')
    await symlink(precious, join(folder, 'slots.json.new'))
    await replaceFile(join(folder, 'slots.json'), contentFor(1))
    expect(await readFile(precious, 'utf8')).toBe('precious')
    expect((await readFile(join(folder, 'slots.json'))).equals(contentFor(1))).toBe(true)
  })

  test('a short write is completed', async () => {
    const path = join(folder, 'slots.json')
    const disk: Disk = {
      ...nodeDisk,
      open: async (path, flags, mode) => {
        const file: DiskFile = await nodeDisk.open(path, flags, mode)
        return {
          read: (...args) => file.read(...args),
          write: (bytes, offset, length, position) => file.write(bytes, offset, Math.min(length, 100), position),
          truncate: (sizeBytes) => file.truncate(sizeBytes),
          sync: () => file.sync(),
          stat: () => file.stat(),
          close: () => file.close(),
        }
      },
    }
    await replaceFile(path, contentFor(3), disk)
    expect((await readFile(path)).equals(contentFor(3))).toBe(true)
  })
})
