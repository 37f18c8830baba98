// The outbox's books, kept twice: everything appended, everything the outbox promised, and a hub that takes records as
// the real one does. Whatever happens between, they must agree to the unit.

import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import type { ReadRecord } from '@roost/agent/outbox/reading.ts'
import type { RecordBody } from '@roost/shared/protocol/records.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import { expect } from 'vitest'
import { aWindow } from '../../builders/windows.ts'
import { anEvent, bodyOf, inferencesIn, sumsOf } from './an-outbox.ts'

/** Sequences jump by that where marks were torn: the one hole that is no loss. */
const sequenceJump = 2 ** 32

/** One event or one window, told apart by its number. */
export type Item = {
  number: number
  body: RecordBody
  /** As append() promised. */
  seq: number | undefined
  /** Promised, or found on disk by a later life. */
  durable: boolean
}

export type Ledger = {
  nextNumber: number
  items: Item[]
  hub: { high: number; taken: ReadRecord[] }
}

export const anEmptyLedger = (): Ledger => ({ nextNumber: 1, items: [], hub: { high: 0, taken: [] } })

export const copyOfLedger = ({ nextNumber, items, hub }: Ledger): Ledger => ({
  nextNumber,
  items: items.map((item) => ({ ...item })),
  hub: { high: hub.high, taken: [...hub.taken] },
})

const latency = createLatencyRecorder().snapshot()
const column = { bins: Array<number>(66).fill(3), missing: 0, min: 1, max: 2, sum: 3, sumSquares: 4 }
const features = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`feature-${i}`, column]))

/** About 700 bytes; of `number` inferences, so that no two sets of windows are likely to have the same sum. */
export const windowOf = (number: number, deployment = 'vibration'): RecordBody =>
  aWindow({
    deployment,
    from: number * 1000,
    to: number * 1000 + 999,
    counts: { ok: number, error: number % 7, refused: 0 },
    latency,
    features,
  })

export const eventOf = (number: number): RecordBody => anEvent(String(number).padEnd(300, '.'), number)

const isEvent = ({ body }: Item): boolean => body.kind === 'event'

/** Appends a new item, a window or every fourth time an event. Resolves, never rejects, once the outbox has spoken. */
export function append(ledger: Ledger, outbox: Outbox, deployment?: string): Promise<void> {
  const number = ledger.nextNumber++
  const body = number % 4 === 0 ? eventOf(number) : windowOf(number, deployment)
  const item: Item = { number, body, seq: undefined, durable: false }
  ledger.items.push(item)
  return outbox.append(body).then(
    (seq) => {
      item.seq = seq
      item.durable = true
    },
    () => undefined,
  )
}

/** The hub takes what it does not hold yet, and there is no hole it should have been told of. */
export function take({ hub }: Ledger, records: readonly ReadRecord[]): void {
  for (const record of records) {
    if (record.from <= hub.high) continue
    expect((record.from - hub.high - 1) % sequenceJump, `hole before ${record.from}`).toBe(0)
    hub.taken.push(record)
    hub.high = record.seq
  }
}

/** After a kill: items that nobody had been promised are durable if they are on disk, and never happened else.
 *  `records`: what a new life finds. */
export function adopt(ledger: Ledger, records: readonly ReadRecord[]): void {
  const onDisk = new Set(records.map(bodyOf).map(numberOf))
  for (const item of ledger.items) item.durable ||= onDisk.has(item.number)
  ledger.items = ledger.items.filter((item) => item.durable)
}

/** undefined for a merged window: it holds only what had been promised. */
function numberOf(body: RecordBody): number | undefined {
  if (body.kind === 'window') return body.windows === 1 ? body.from / 1000 : undefined
  return body.kind === 'event' ? body.at : undefined
}

/** What the hub holds and what is left here (`records`), together, is what was durable: each event once and in order,
 *  each window once, inferences to the unit; whatever the hub has confirmed, it holds. */
export function expectBalanced(ledger: Ledger, records: readonly ReadRecord[]): void {
  const { hub, items } = ledger
  for (const [i, record] of records.entries()) {
    const before = records[i - 1]?.seq ?? record.from - 1
    const isNext = record.from > before && (record.from - before - 1) % sequenceJump === 0
    if (!isNext || record.seq < record.from) expect.fail(`${record.from} … ${record.seq} after ${before}`)
  }
  const durable = items.filter((item) => item.durable)
  const windows = durable.filter((item) => !isEvent(item))
  const all = [...hub.taken, ...records.filter(({ from }) => from > hub.high)]
  const sums = sumsOf(all)
  const damaged = all.map(bodyOf).filter((body) => body.kind === 'gap' && body.reason === 'damaged')
  expect(damaged).toEqual([])
  expect(sums.events.map((detail) => Number.parseInt(detail, 10))).toEqual(
    durable.filter(isEvent).map(({ number }) => number),
  )
  expect(sums.windows + sums.gapRecords).toBe(windows.length)
  expect(sums.inferences + sums.gapInferences).toBe(total(windows))
  expectHeld(ledger)
}

/** What the hub has confirmed by its sequence, it holds. */
function expectHeld({ hub, items }: Ledger): void {
  const confirmed = items.filter(({ seq }) => seq !== undefined && seq <= hub.high)
  const windows = confirmed.filter((item) => !isEvent(item))
  const held = sumsOf(hub.taken)
  const events = new Set(held.events.map((detail) => Number.parseInt(detail, 10)))
  expect(confirmed.filter((item) => isEvent(item) && !events.has(item.number))).toEqual([])
  expect(held.windows + held.gapRecords).toBeGreaterThanOrEqual(windows.length)
  expect(held.inferences + held.gapInferences).toBeGreaterThanOrEqual(total(windows))
}

const total = (items: readonly Item[]): number => items.reduce((sum, { body }) => sum + inferencesIn(body), 0)
