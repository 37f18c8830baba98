// A disk that refuses: once, or from some call on until it is well again, or for good because it is full. The process
// lives, so nothing at all may be lost; a kill meanwhile loses only what was promised to nobody.

import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type OutboxDisk, realDisk } from '@roost/agent/outbox/disk.ts'
import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { aWindow } from '../../builders/windows.ts'
import { anEvent, openOutbox, readAll, sumsOf } from './an-outbox.ts'
import { adopt, anEmptyLedger, append, copyOfLedger, expectBalanced, type Ledger, take } from './ledger.ts'
import { aDiskHolding, aMemoryDisk, withFaults } from './memory-disk.ts'

const bytesMax = 262_144

const add = (ledger: Ledger, outbox: Outbox, count: number) =>
  Promise.all(Array.from({ length: count }, (_, i) => append(ledger, outbox, `deployment-${i % 2}`)))

async function ship(ledger: Ledger, outbox: Outbox): Promise<void> {
  take(ledger, await outbox.read(ledger.hub.high, { bytesMax: 30_000, recordsMax: 1024 }))
  await outbox.acknowledge(ledger.hub.high)
}

/** Fills, ships, fills until windows merge, ships. Where the disk refuses what a caller waits for, the caller tries later. */
async function runADay(ledger: Ledger, disk: OutboxDisk): Promise<Outbox> {
  const outbox = await openOutbox('/outbox', { disk, bytesMax })
  for (const count of [80, 100, 120, 60]) {
    void add(ledger, outbox, count)
    await outbox.flush()
    await ship(ledger, outbox).catch(() => undefined)
  }
  return outbox
}

/** A folder that can be neither made nor listed is the one thing it cannot start on; a segment that cannot be read twice
 *  is told as lost. */
function mayFail(call: string, times: number): boolean {
  if (call === 'mkdir' || call === 'readdir') return false
  return times === 1 || !['open', 'read', 'stat'].includes(call)
}

/** Everything is there once the disk is well again, also for the next life. */
async function expectNothingLost(ledger: Ledger, outbox: Outbox, disk: OutboxDisk): Promise<void> {
  await outbox.flush()
  expect(ledger.items.filter((item) => !item.durable)).toEqual([])
  expect(outbox.state).toMatchObject({ waiting: 0, failing: undefined })
  expectBalanced(ledger, await readAll(outbox))
  await outbox.close()
  const again = await openOutbox('/outbox', { disk, bytesMax })
  expectBalanced(ledger, await readAll(again))
  await again.close()
}

describe('outbox', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  test.each(['ENOSPC', 'EIO'])('loses nothing whichever call fails with %s, once or for a while', async (code) => {
    const whole = withFaults(aMemoryDisk(), () => undefined)
    await (await runADay(anEmptyLedger(), whole.disk)).close()
    expect(whole.calls()).toBeGreaterThan(150)
    for (let at = code === 'EIO' ? 2 : 9; at < whole.calls(); at += 13) {
      for (const calls of [1, 40]) {
        const disk = aMemoryDisk()
        let isBad = true
        const faulty = withFaults(disk, (call, count) =>
          isBad && count >= at && count < at + calls && mayFail(call, calls) ? code : undefined,
        )
        const ledger = anEmptyLedger()
        const outbox = await runADay(ledger, faulty.disk)
        isBad = false
        await expectNothingLost(ledger, outbox, disk).catch((error: unknown) => {
          throw new Error(`${calls} calls from ${at} on`, { cause: error })
        })
      }
    }
  })

  test('starts on a disk that was full before it began, and goes on when it is not', async () => {
    const disk = aMemoryDisk()
    let full = true
    const faulty = withFaults(disk, (call) => (full && (call === 'write' || call === 'sync') ? 'ENOSPC' : undefined))
    const outbox = await openOutbox('/outbox', { disk: faulty.disk, bytesMax })
    const ledger = anEmptyLedger()
    void add(ledger, outbox, 100)
    await outbox.flush()
    expect(outbox.state).toMatchObject({ waiting: 100, failing: 'ENOSPC' })
    full = false
    await vi.advanceTimersByTimeAsync(1000)
    await expectNothingLost(ledger, outbox, disk)
  })

  test('starts on a segment that cannot be read, and says what was in it', async () => {
    for (const code of ['EIO', 'EISDIR', 'Unknown system error -117', 'EBADMSG']) {
      const disk = aMemoryDisk()
      const outbox = await openOutbox('/outbox', { disk, bytesMax })
      await Promise.all([add(anEmptyLedger(), outbox, 60), outbox.flush()])
      await outbox.close()
      const [, second = ''] = [...disk.files.keys()].filter((path) => path.endsWith('.segment')).toSorted()
      const open: OutboxDisk['open'] = async (path, ...args) => {
        if (path === second) throw Object.assign(new Error(code), { code })
        return disk.open(path, ...args)
      }
      const again = await openOutbox('/outbox', { disk: { ...disk, open }, bytesMax })
      const records = await readAll(again)
      expect(records.at(0)?.from).toBe(1)
      expect(records.at(-1)?.seq).toBe(60)
      await again.close()
    }
  })

  test('makes events durable at once or lets go of them, and of nothing else', async () => {
    let refusals = 0
    const faulty = withFaults(aMemoryDisk(), (call) => (call === 'sync' && refusals-- > 0 ? 'ENOSPC' : undefined))
    const outbox = await openOutbox('/outbox', { disk: faulty.disk, bytesMax })
    const events = ['a', 'b', 'c'].map((detail) => anEvent(detail))
    expect(await outbox.appendNow(events.slice(0, 1))).toBe(1)
    const others = Promise.all([outbox.append(anEvent('before')), outbox.append(aWindow({}))])
    refusals = 2
    expect(await outbox.appendNow(events.slice(1))).toBe(0)
    expect(outbox.state).toMatchObject({ waiting: 2, failing: 'ENOSPC' })
    await outbox.flush()
    await outbox.flush()
    await others
    expect(await outbox.appendNow(events.slice(1))).toBe(2)
    expect(sumsOf(await readAll(outbox))).toMatchObject({ events: ['a', 'before', 'b', 'c'], windows: 1 })
    await outbox.close()
    expect(await outbox.appendNow(events)).toBe(0)
  })

  test('keeps what waits for the disk within its bound, in coarser windows, and loses none of them', async () => {
    const disk = aMemoryDisk()
    let full = true
    const faulty = withFaults(disk, (call) => (full && call === 'write' ? 'ENOSPC' : undefined))
    const outbox = await openOutbox('/outbox', { disk: faulty.disk, bytesMax: 16_777_216 })
    const ledger = anEmptyLedger()
    let waitingMost = 0
    for (let i = 0; i < 12; i += 1) {
      void add(ledger, outbox, 1000)
      waitingMost = Math.max(waitingMost, outbox.state.waiting)
      await outbox.flush()
    }
    // 12,000 records of 740 bytes on average do not fit into 8 MiB
    expect(waitingMost).toBeLessThan(12_000)
    full = false
    await outbox.flush()
    expect(ledger.items.filter((item) => !item.durable)).toEqual([])
    expectBalanced(ledger, await readAll(outbox))
    await outbox.close()
  })
})

describe('outbox on a file system that is really full', () => {
  let at = ''
  let isMounted = false
  let isWell = false
  beforeEach(async () => {
    at = await mkdtemp(join(tmpdir(), 'roost-full-disk-'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', at], { stdio: 'ignore' })
      isMounted = true
    } catch {
      isMounted = false
    }
  })
  afterEach(async () => {
    if (isMounted) execFileSync('umount', ['-l', at])
    await rm(at, { recursive: true })
  })

  /** Where nothing may be mounted: the real folder, and refusals of ours. */
  const refusing = () =>
    withFaults(realDisk, (call, count) => (!isWell && call === 'write' && count > 60 ? 'ENOSPC' : undefined)).disk

  async function whatAnotherLifeFinds(folder: string) {
    const names = await readdir(folder)
    const contents = await Promise.all(names.map((name) => readFile(join(folder, name))))
    const files = new Map(names.map((name, i) => [name, contents[i] ?? Buffer.alloc(0)]))
    const other = await openOutbox('/outbox', { disk: aDiskHolding('/outbox', files) })
    const records = await readAll(other)
    await other.close()
    return records
  }

  test('keeps all that it promised, and all that waits, until there is room again', async () => {
    console.info(isMounted ? 'a tmpfs of 512 KiB' : 'nothing can be mounted here: writes are refused by the test')
    const outbox = await openOutbox(at, { disk: isMounted ? realDisk : refusing() })
    const ledger = anEmptyLedger()
    for (let i = 0; i < 20 && outbox.state.failing === undefined; i += 1) {
      void add(ledger, outbox, 100)
      await outbox.flush()
    }
    expect(outbox.state.failing).toBe('ENOSPC')
    void add(ledger, outbox, 300)
    await outbox.flush()
    expect(outbox.state.waiting).toBeGreaterThanOrEqual(300)
    const found = await whatAnotherLifeFinds(at)
    const books = copyOfLedger(ledger)
    adopt(books, found)
    expectBalanced(books, found)
    // a part is shipped and confirmed: that makes room for some of what waits, and so on
    isWell = true
    for (let i = 0; i < 60 && (i === 0 || outbox.state.waiting > 0); i += 1) {
      await ship(ledger, outbox)
      await outbox.flush()
    }
    expect(outbox.state).toMatchObject({ waiting: 0, failing: undefined })
    expect(ledger.items.filter((item) => !item.durable)).toEqual([])
    expectBalanced(ledger, await readAll(outbox, ledger.hub.high))
    await outbox.close()
  })
})
