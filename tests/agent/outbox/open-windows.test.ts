// Open windows and the outbox are two files, and a kill may come between any two calls: every inference that was told
// by then is there once, and no window is there twice.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OutboxDisk } from '@roost/agent/outbox/disk.ts'
import { closingMax, OpenWindows } from '@roost/agent/outbox/open-windows.ts'
import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { aWindow } from '../../builders/windows.ts'
import { seeded } from '../download/builders.ts'
import { aPowerCutDisk } from '../power-cut.ts'
import { bodyOf, inferencesIn, openOutbox, readAll, silent } from './an-outbox.ts'
import { aDiskHolding, aMemoryDisk, type MemoryDisk, withFaults } from './memory-disk.ts'

const folder = '/outbox'
const counted = (from: number, ok: number, over: Partial<WindowReport> = {}) =>
  aWindow({ from, to: from + 9, counts: { ok, error: 0, refused: 0 }, ...over })

type Life = { outbox: Outbox; windows: OpenWindows }

async function openBoth(at: string, disk: OutboxDisk): Promise<Life> {
  const outbox = await openOutbox(at, { disk })
  return { outbox, windows: await OpenWindows.open(at, { outbox, log: silent, disk }) }
}

/** Ends like a process does that is stopped, and lets go of the disk. */
async function closeBoth({ outbox, windows }: Life): Promise<void> {
  await outbox.close()
  await windows.close()
}

/** What a new life finds: [start of the window, inferences, interrupted] of every record. */
async function found(at: string, disk: OutboxDisk): Promise<[number, number, boolean][]> {
  const life = await openBoth(at, disk)
  await life.outbox.flush()
  const bodies = (await readAll(life.outbox, 0)).map(bodyOf)
  await closeBoth(life)
  return bodies
    .flatMap((body): [number, number, boolean][] =>
      body.kind === 'window' ? [[body.from, inferencesIn(body), body.interrupted]] : [],
    )
    .sort(([a], [b]) => a - b)
}

/** A day of three windows, each told growing, then closed; `told` hears what was certainly told by then. */
async function runADay(life: Life, told: (what: Told) => void): Promise<void> {
  const { outbox, windows } = life
  const what: Told = { saved: new Map(), closed: new Map() }
  for (const from of [10, 20, 30]) {
    for (const ok of [5, 8]) {
      windows.save('r1', [counted(from, ok)])
      await windows.settled()
      what.saved.set(from, ok)
      told(what)
    }
    const appended = windows.append('r1', counted(from, 9))
    await outbox.flush()
    await appended
    what.closed.set(from, 9)
    told(what)
  }
}

type Told = { saved: Map<number, number>; closed: Map<number, number> }

/** No window twice, none short of what was told, closed ones exact. */
function expectOnce(records: readonly [number, number, boolean][], { saved, closed }: Told): void {
  expect(new Set(records.map(([from]) => from)).size).toBe(records.length)
  for (const [from, ok, interrupted] of records) {
    if (closed.has(from)) expect([ok, interrupted]).toEqual([9, false])
    expect(ok).toBeGreaterThanOrEqual(saved.get(from) ?? 0)
    // a closed window that was caught in the checkpoint is whole
    expect(interrupted).toBe(ok !== 9)
  }
  for (const from of [...saved.keys(), ...closed.keys()]) expect(records.map(([f]) => f)).toContain(from)
}

const copyOf = ({ saved, closed }: Told): Told => ({ saved: new Map(saved), closed: new Map(closed) })

describe('open windows', () => {
  test('are there once whenever the process is killed', async () => {
    const disk = aMemoryDisk()
    const moments: { disk: MemoryDisk; told: Told }[] = []
    let told: Told = { saved: new Map(), closed: new Map() }
    const watched = withFaults(disk, () => {
      moments.push({ disk: disk.copy(), told })
      return undefined
    })
    const life = await openBoth(folder, watched.disk)
    await runADay(life, (what) => {
      told = copyOf(what)
    })
    await closeBoth(life)
    expect(moments.length).toBeGreaterThan(60)
    for (const moment of moments) {
      const records = await found(folder, moment.disk)
      expectOnce(records, moment.told)
      // and a second kill, right after the start, changes nothing
      expect(await found(folder, moment.disk)).toEqual(records)
    }
  })

  test('are there once whenever the process is killed twice', async () => {
    const disk = aMemoryDisk()
    const life = await openBoth(folder, disk)
    life.windows.save('r1', [counted(10, 5), counted(20, 6, { role: 'shadow' })])
    await life.windows.settled()
    const first = disk.copy()
    await closeBoth(life)
    const moments: MemoryDisk[] = []
    const second = first.copy()
    const watched = withFaults(second, () => {
      moments.push(second.copy())
      return undefined
    })
    await found(folder, watched.disk)
    expect(moments.length).toBeGreaterThan(20)
    for (const moment of moments) {
      expect(await found(folder, moment)).toEqual([
        [10, 5, true],
        [20, 6, true],
      ])
    }
  })

  test('that begin in the same millisecond are told apart by the order they closed in', async () => {
    const disk = aMemoryDisk()
    const life = await openBoth(folder, disk)
    const closing = life.windows.append('r1', counted(10, 9))
    life.windows.save('r1', [counted(10, 4)])
    await life.windows.settled()
    const before = disk.copy()
    await life.outbox.flush()
    await closing
    const after = disk.copy()
    expect(await found(folder, before)).toEqual([
      [10, 9, false],
      [10, 4, true],
    ])
    expect(await found(folder, after)).toEqual([
      [10, 9, false],
      [10, 4, true],
    ])
    await closeBoth(life)
  })

  test('of a runtime that died close as interrupted, those of another stay open', async () => {
    const disk = aMemoryDisk()
    const life = await openBoth(folder, disk)
    life.windows.save('r1', [counted(10, 5)])
    life.windows.save('r2', [counted(20, 6, { generation: 2 })])
    const interrupted = life.windows.interrupt('r1')
    await life.outbox.flush()
    await interrupted
    const records = await readAll(life.outbox)
    expect(records.map(bodyOf)).toMatchObject([{ from: 10, interrupted: true }])
    await closeBoth(life)
    expect(await found(folder, disk)).toEqual([
      [10, 5, true],
      [20, 6, true],
    ])
  })

  test('closed while the disk is full are taken up by the next start', async () => {
    const disk = aMemoryDisk()
    let full = false
    const { disk: faulty } = withFaults(disk, (call) => (full && call === 'sync' ? 'ENOSPC' : undefined))
    const life = await openBoth(folder, faulty)
    life.windows.save('r1', [counted(10, 5)])
    await life.windows.settled()
    full = true
    const refused = expect(life.windows.append('r1', counted(10, 9))).rejects.toMatchObject({ code: 'closed' })
    await life.outbox.close()
    await refused
    full = false
    life.windows.save('r1', [])
    await life.windows.settled()
    expect(await found(folder, disk)).toEqual([[10, 9, false]])
  })

  test('that cannot be checkpointed are not left in an old checkpoint, which would hold the outbox', async () => {
    const disk = aMemoryDisk()
    let full = false
    const { disk: faulty } = withFaults(disk, (call) => (full && call === 'write' ? 'ENOSPC' : undefined))
    const life = await openBoth(folder, faulty)
    life.windows.save('r1', [counted(10, 5)])
    await life.windows.settled()
    const hold = vi.spyOn(life.outbox, 'hold')
    full = true
    life.windows.save('r1', [counted(10, 6)])
    await life.windows.settled()
    expect(hold).toHaveBeenLastCalledWith(Number.POSITIVE_INFINITY)
    expect([...disk.files.keys()].filter((path) => path.includes('open-windows'))).toEqual([])
    full = false
    life.windows.save('r1', [counted(10, 7)])
    await life.windows.settled()
    await closeBoth(life)
    expect(await found(folder, disk)).toEqual([[10, 7, true]])
  })

  test('too many for a checkpoint keep their counts and go without their columns', async () => {
    const column = { bins: Array<number>(66).fill(4_000_000_000), missing: 0, min: 1, max: 2, sum: 3, sumSquares: 4 }
    const features = Object.fromEntries(Array.from({ length: 4096 }, (_, i) => [`pixel-${i}`, column]))
    const disk = aMemoryDisk()
    const life = await openBoth(folder, disk)
    const many = Array.from({ length: 4 }, (_, i) => counted(i, i + 1, { features }))
    life.windows.save('r1', many)
    await life.windows.settled()
    await closeBoth(life)
    expect((await found(folder, disk)).map(([, ok]) => ok)).toEqual([1, 2, 3, 4])
  })
})

describe('windows that close while the disk takes nothing', () => {
  /** Every third goes to another deployment. */
  const closedOf = (from: number) => counted(from, 1 + (from % 5), { deployment: from % 3 === 0 ? 'b' : 'a' })
  const count = 600
  const total = Array.from({ length: count }, (_, i) => 1 + ((i + 1) % 5)).reduce((sum, ok) => sum + ok, 0)

  async function closeMany(): Promise<{ life: Life; disk: MemoryDisk; heal: () => void; appended: Promise<number>[] }> {
    const disk = aMemoryDisk()
    let full = true
    // the checkpoint is written in place and fits, the outbox needs room it does not get
    const faulty: OutboxDisk = {
      ...disk,
      open: async (path, ...args) => {
        if (full && path.endsWith('.segment')) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
        return disk.open(path, ...args)
      },
    }
    const life = await openBoth(folder, faulty)
    const appended: Promise<number>[] = []
    for (let from = 1; from <= count; from += 1) {
      appended.push(life.windows.append('r1', closedOf(from)))
      if (from % 50 === 0) await life.outbox.flush()
    }
    await life.windows.settled()
    const heal = () => {
      full = false
    }
    return { life, disk, heal, appended }
  }

  const sumOf = (records: readonly [number, number, boolean][]) => records.reduce((sum, [, ok]) => sum + ok, 0)

  test('become fewer, in memory and in the checkpoint, and are appended when it does', async () => {
    const { life, disk, heal, appended } = await closeMany()
    expect(life.outbox.state.waiting).toBeLessThanOrEqual(closingMax)
    const sizes = [...disk.files].filter(([path]) => path.includes('open-windows')).map(([, { bytes }]) => bytes.length)
    expect(Math.max(...sizes)).toBeLessThan(closingMax * 700)
    heal()
    for (let i = 0; i < 3; i += 1) {
      await life.outbox.flush()
      await life.windows.settled()
    }
    expect(new Set(await Promise.all(appended)).size).toBe(closingMax + 2)
    await closeBoth(life)
    const records = await found(folder, disk)
    expect(sumOf(records)).toBe(total)
    expect(records.every(([, , interrupted]) => !interrupted)).toBe(true)
  })

  test('are counted once whenever the process is killed, before and while they are appended', async () => {
    const { life, disk, heal, appended } = await closeMany()
    expect(sumOf(await found(folder, disk.copy()))).toBe(total)
    const moments: MemoryDisk[] = []
    heal()
    const { open } = disk
    // the life works on `disk` itself: look at it before each of its calls
    disk.open = async (...args) => {
      moments.push(disk.copy())
      return open(...args)
    }
    for (let i = 0; i < 3; i += 1) {
      await life.outbox.flush()
      await life.windows.settled()
    }
    await Promise.all(appended)
    disk.open = open
    await closeBoth(life)
    expect(moments.length).toBeGreaterThan(4)
    for (const moment of moments) expect(sumOf(await found(folder, moment))).toBe(total)
  })
})

describe('open windows and a power cut', () => {
  const seed = 20_261_124
  let at = ''
  beforeEach(async () => {
    at = await mkdtemp(join(tmpdir(), 'roost-open-windows-'))
  })
  afterEach(() => rm(at, { recursive: true }))

  test('at any moment leave every told window there once', async () => {
    const power = aPowerCutDisk(at)
    const tellings: Told[] = [{ saved: new Map(), closed: new Map() }]
    const life = await openBoth(at, power.disk)
    await runADay(life, (what) => {
      tellings.push(copyOf(what))
      power.acknowledge(tellings.length - 1)
    })
    await closeBoth(life)
    let states = 0
    for (const state of power.states(seeded(seed), 4)) {
      const records = await found(folder, aDiskHolding(folder, state.files))
      expectOnce(records, tellings[state.acknowledged] ?? expect.fail(state.name))
      states += 1
    }
    console.info(`open windows: ${states} disk states, seed ${seed}`)
    expect(states).toBeGreaterThan(200)
  })
})
