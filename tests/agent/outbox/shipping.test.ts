// Shipping to a hub that is slow, silent, forgetful or wrong, in time that passes when told to.

import { aheadMax } from '@roost/agent/outbox/holes.ts'
import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import type { ReadRecord } from '@roost/agent/outbox/reading.ts'
import {
  batchesInFlightMax,
  confirmMs,
  confirmMsMax,
  createShipper,
  type Source,
} from '@roost/agent/outbox/shipping.ts'
import type { Reports } from '@roost/shared/protocol/messages.ts'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { openOutbox, readAll, silent } from './an-outbox.ts'
import { anEmptyLedger, append, expectBalanced, type Ledger, take } from './ledger.ts'
import { aMemoryDisk, type MemoryDisk, withFaults } from './memory-disk.ts'

/** Lets everything happen that needs no time. */
const settle = () => vi.advanceTimersByTimeAsync(0)

type Ship = {
  outbox: Outbox
  ledger: Ledger
  published: Reports[]
  shipper: ReturnType<typeof createShipper>
  disk: MemoryDisk
}

/** An outbox of `count` records of 300 to 900 bytes, and a shipper that is not spread: patience is exact. */
async function aShip(
  count: number,
  over: { source?: (outbox: Outbox) => Source; publish?: () => Promise<void> } = {},
): Promise<Ship> {
  const disk = aMemoryDisk()
  const outbox = await openOutbox('/outbox', { disk })
  const ledger = anEmptyLedger()
  await fill({ ledger, outbox }, count)
  const published: Reports[] = []
  const shipper = createShipper({
    outbox: over.source?.(outbox) ?? outbox,
    publish: async (reports) => {
      published.push(reports)
      await over.publish?.()
    },
    log: silent,
    random: (length) => new Uint8Array(length),
  })
  return { outbox, ledger, published, shipper, disk }
}

async function fill({ ledger, outbox }: Pick<Ship, 'ledger' | 'outbox'>, count: number): Promise<void> {
  const appended = Array.from({ length: count }, () => append(ledger, outbox))
  await outbox.flush()
  await Promise.all(appended)
}

const lastOf = ({ records }: Reports): number => records.at(-1)?.seq ?? 0
const firstOf = ({ records }: Reports): number => records[0]?.from ?? 0
const ends = ({ published }: Ship) => published.map(lastOf)

/** The hub takes what comes and confirms it, until nothing comes any more. */
async function arrive(ship: Ship): Promise<void> {
  await settle()
  for (let reports = ship.published.shift(); reports !== undefined; reports = ship.published.shift()) {
    take(ship.ledger, reports.records)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: ship.ledger.hub.high })
    await settle()
  }
}

describe('shipping', () => {
  const ships: Ship[] = []
  const launch = async (...args: Parameters<typeof aShip>) => {
    const ship = await aShip(...args)
    ships.push(ship)
    return ship
  }
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(async () => {
    for (const { shipper, outbox } of ships.splice(0)) {
      await shipper.close()
      await outbox.close()
    }
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  test('sends nothing before the hub has said what it holds, then a few batches, in order and without a hole', async () => {
    const ship = await launch(900)
    await vi.advanceTimersByTimeAsync(confirmMs * 3)
    expect(ship.published).toEqual([])
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    expect(ship.published).toHaveLength(batchesInFlightMax)
    await fill(ship, 10)
    await settle()
    expect(ship.published).toHaveLength(batchesInFlightMax)
    expect(ship.published.map(firstOf)).toEqual([
      1,
      ...ends(ship)
        .slice(0, -1)
        .map((last) => last + 1),
    ])
    const [first = 0] = ends(ship)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: first })
    await settle()
    expect(ship.published).toHaveLength(batchesInFlightMax + 1)
    await arrive(ship)
    expectBalanced(ship.ledger, [])
    expect(ship.outbox.tail).toBe(ship.outbox.head)
  })

  test('what follows on a batch that gets lost does not cover it up', async () => {
    const ship = await launch(900)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    const [first, lost, ...followers] = ship.published.splice(0)
    expect(lost?.after).toBe(first && lastOf(first))
    for (const reports of [first, ...followers]) {
      // a hub takes no batch that says that something before it is missing
      if (reports === undefined || (reports.after ?? 0) > ship.ledger.hub.high) continue
      take(ship.ledger, reports.records)
    }
    expect(ship.ledger.hub.high).toBe(first && lastOf(first))
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: ship.ledger.hub.high })
    await settle()
    ship.published.length = 0
    await vi.advanceTimersByTimeAsync(confirmMs)
    await arrive(ship)
    expectBalanced(ship.ledger, [])
    expect(ship.outbox.tail).toBe(ship.outbox.head)
  })

  test('ships what becomes durable later at once', async () => {
    const ship = await launch(0)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    await fill(ship, 3)
    await settle()
    expect(ends(ship)).toEqual([3])
  })

  test('sends everything after the last confirmation again, with twice the patience every time', async () => {
    const ship = await launch(400)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    const [first = 0, ...others] = ends(ship)
    ship.published.length = 0
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: first })
    await settle()
    ship.published.length = 0
    for (let patienceMs = confirmMs; patienceMs < confirmMsMax * 4; patienceMs *= 2) {
      const capped = Math.min(patienceMs, confirmMsMax)
      await vi.advanceTimersByTimeAsync(capped - 1)
      expect(ship.published).toEqual([])
      await vi.advanceTimersByTimeAsync(1)
      expect(ends(ship)).toEqual(others)
      expect(firstOf(ship.published[0] ?? expect.fail())).toBe(first + 1)
      ship.published.length = 0
    }
    // and patience is short again once the hub answers
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: first + 1 })
    await vi.advanceTimersByTimeAsync(confirmMs)
    expect(firstOf(ship.published[0] ?? expect.fail())).toBe(first + 2)
  })

  test('takes no notice of a confirmation for another epoch, or of one that cannot be', async () => {
    const ship = await launch(300)
    ship.shipper.onAck({ epoch: 'ff'.repeat(8), seq: 0 })
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: Number.MAX_SAFE_INTEGER })
    await vi.advanceTimersByTimeAsync(confirmMs)
    expect(ship.published).toEqual([])
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    const sent = ends(ship)
    ship.shipper.onAck({ epoch: 'ff'.repeat(8), seq: 200 })
    await settle()
    expect(ends(ship)).toEqual(sent)
    expect(ship.outbox.tail).toBe(0)
    await arrive(ship)
    expectBalanced(ship.ledger, [])
  })

  test('goes on above a confirmation beyond what was shipped, and says once what that cost', async () => {
    const ship = await launch(20)
    // as after a copy of the disk: the hub knows this epoch from another life
    for (let i = 0; i < 3; i += 1) ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 1000 })
    await ship.outbox.flush()
    await settle()
    expect(ship.outbox.tail).toBe(1000)
    expect(ship.published.flatMap(({ records }) => records).map(({ from, seq }) => [from, seq])).toEqual([[1001, 1001]])
    await ship.shipper.close()
    await ship.outbox.close()
    const again = await openOutbox('/outbox', { disk: ship.disk })
    expect(again.head).toBe(1001)
    expect((await readAll(again)).map(({ seq }) => seq)).toEqual([1001])
    await again.close()
  })

  test('refuses a confirmation so far ahead that none could follow, and takes the right ones as ever', async () => {
    const ship = await launch(300)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    const sent = ends(ship)
    for (const seq of [2 ** 52, 2 ** 52 - 1, aheadMax + 1]) {
      ship.shipper.onAck({ epoch: ship.outbox.epoch, seq })
      await settle()
      expect([ship.outbox.head, ship.outbox.tail]).toEqual([300, 0])
    }
    expect(ends(ship)).toEqual(sent)
    await arrive(ship)
    await fill(ship, 10)
    await arrive(ship)
    expectBalanced(ship.ledger, [])
    expect([ship.outbox.head, ship.outbox.tail]).toEqual([310, 310])
  })

  test('goes on even where a hub has said the most that is believed', async () => {
    const ship = await launch(20)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: aheadMax })
    await ship.outbox.flush()
    await settle()
    // 20 are lost, which a gap record tells
    expect(ends(ship)).toEqual([aheadMax + 1])
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: aheadMax + 1 })
    await fill(ship, 3)
    await settle()
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: aheadMax + 9 })
    await settle()
    expect([ship.outbox.head, ship.outbox.tail]).toEqual([aheadMax + 4, aheadMax + 1])
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: aheadMax + 4 })
    await settle()
    expect(ship.outbox.tail).toBe(ship.outbox.head)
  })

  test('stops with the connection and begins where the hub says with the next one', async () => {
    const ship = await launch(900)
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    const [arrived, ...lost] = ship.published.splice(0)
    ship.shipper.onDisconnect()
    await fill(ship, 5)
    await vi.advanceTimersByTimeAsync(confirmMsMax * 2)
    expect(ship.published).toEqual([])
    take(ship.ledger, arrived?.records ?? [])
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: ship.ledger.hub.high })
    await settle()
    expect(firstOf(ship.published[0] ?? expect.fail())).toBe(firstOf(lost[0] ?? expect.fail()))
    await arrive(ship)
    expectBalanced(ship.ledger, [])
  })

  test('sends again on the next connection even if a read of the one before fails meanwhile', async () => {
    let failRead = (_: Error): void => expect.fail('nothing was read')
    let reads = 0
    const source = (outbox: Outbox): Source => ({
      epoch: outbox.epoch,
      head: outbox.head,
      acknowledge: (seq) => outbox.acknowledge(seq),
      onDurable: (listener) => outbox.onDurable(listener),
      read: (after, limits) => {
        reads += 1
        if (reads > 1) return outbox.read(after, limits)
        return new Promise((_, reject) => {
          failRead = reject
        })
      },
    })
    const ship = await launch(3, { source })
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    ship.shipper.onDisconnect()
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await settle()
    expect(ends(ship)).toEqual([3])
    failRead(new Error('EIO'))
    await vi.advanceTimersByTimeAsync(confirmMs)
    expect(ends(ship)).toEqual([3, 3])
  })

  test('waits and tries again where what it ships cannot be written down', async () => {
    const disk = aMemoryDisk()
    let full = false
    const faulty = withFaults(disk, (call) => (full && call === 'write' ? 'ENOSPC' : undefined))
    const outbox = await openOutbox('/outbox', { disk: faulty.disk })
    const ledger = anEmptyLedger()
    await fill({ ledger, outbox }, 5)
    full = true
    const published: Reports[] = []
    const shipper = createShipper({
      outbox,
      publish: async (reports) => published.push(reports),
      log: silent,
      random: (length) => new Uint8Array(length),
    })
    shipper.onAck({ epoch: outbox.epoch, seq: 0 })
    await vi.advanceTimersByTimeAsync(confirmMs * 2)
    expect(published).toEqual([])
    full = false
    await vi.advanceTimersByTimeAsync(confirmMs * 4)
    expect(published.map(lastOf)[0]).toBe(5)
    await shipper.close()
    await outbox.close()
  })

  test('removes no more than the hub has confirmed, whatever was sent', async () => {
    const disk = aMemoryDisk()
    const outbox = await openOutbox('/outbox', { disk, bytesMax: 262_144 })
    const ledger = anEmptyLedger()
    await fill({ ledger, outbox }, 200)
    const sent: ReadRecord[] = []
    const shipper = createShipper({
      outbox,
      publish: async ({ records }) => sent.push(...records),
      log: silent,
      random: (length) => new Uint8Array(length),
    })
    for (const seq of [0, 30, 100, 60, 199]) {
      shipper.onAck({ epoch: outbox.epoch, seq })
      await settle()
      await vi.advanceTimersByTimeAsync(confirmMs)
      const again = await openOutbox('/outbox', { disk: disk.copy(), bytesMax: 262_144 })
      const left = await readAll(again)
      await again.close()
      expect(left[0]?.from).toBeLessThanOrEqual(Math.max(seq, ledger.hub.high) + 1)
      const confirmed = sent.filter((record) => record.seq <= seq)
      take(ledger, confirmed)
      expectBalanced(ledger, left)
    }
    await shipper.close()
    await outbox.close()
  })

  test('survives a connection that refuses every message', async () => {
    const ship = await launch(50, { publish: () => Promise.reject(new Error('not connected')) })
    ship.shipper.onAck({ epoch: ship.outbox.epoch, seq: 0 })
    await vi.advanceTimersByTimeAsync(confirmMs)
    expect(ends(ship)).toEqual([50, 50])
  })
})
