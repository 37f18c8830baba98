// Months offline: the outbox stays within its bytes, no count is lost, and resolution fades with age.

import { expect, test } from 'vitest'
import { bodyOf, openOutbox, readAll } from './an-outbox.ts'
import { anEmptyLedger, append, expectBalanced } from './ledger.ts'
import { aMemoryDisk } from './memory-disk.ts'

const bytesMax = 262_144

test('an outbox that never reaches its hub keeps every count, in coarser windows the older they are', async () => {
  const disk = aMemoryDisk()
  const outbox = await openOutbox('/outbox', { disk, bytesMax })
  const ledger = anEmptyLedger()
  const sizeBytes = () =>
    [...disk.files].filter(([path]) => !path.includes('marks')).reduce((sum, [, { bytes }]) => sum + bytes.length, 0)
  for (let group = 0; group < 8; group += 1) {
    // more than fits into the whole outbox at once
    const appended = Array.from({ length: 128 }, () => append(ledger, outbox))
    await outbox.flush()
    await Promise.all(appended)
    expect(sizeBytes()).toBeLessThanOrEqual(bytesMax)
  }
  const records = await readAll(outbox)
  expectBalanced(ledger, records)
  const windows = records.map(bodyOf).flatMap((body) => (body.kind === 'window' ? [body.windows] : []))
  expect(records.map(bodyOf).filter(({ kind }) => kind === 'gap')).toEqual([])
  const third = Math.floor(windows.length / 3)
  const mean = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0) / counts.length
  expect(mean(windows.slice(0, third))).toBeGreaterThan(2 * mean(windows.slice(-third)))
  expect(windows.at(-1)).toBe(1)
  await outbox.close()
})

test('a small outbox takes a long line of records after a pause of the disk without giving any window up', async () => {
  const outbox = await openOutbox('/outbox', { disk: aMemoryDisk(), bytesMax })
  const ledger = anEmptyLedger()
  const appended = Array.from({ length: 600 }, () => append(ledger, outbox))
  await Promise.all(appended)
  const records = await readAll(outbox)
  expectBalanced(ledger, records)
  expect(records.map(bodyOf).filter(({ kind }) => kind === 'gap')).toEqual([])
  await outbox.close()
})

test('records that come faster than the timer of a full group become durable all the same', async () => {
  const outbox = await openOutbox('/outbox', { disk: aMemoryDisk() })
  const ledger = anEmptyLedger()
  let durable = 0
  for (let i = 0; i < 20_000 && durable === 0; i += 1) {
    void append(ledger, outbox).then(() => {
      durable += 1
    })
    await new Promise(setImmediate)
  }
  expect(durable).toBeGreaterThan(0)
  await outbox.close()
})
