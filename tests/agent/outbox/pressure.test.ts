// Months offline: the outbox stays within its bytes, no count is lost, and resolution fades with age.

import { writeSegment } from '@roost/agent/outbox/segment.ts'
import { expect, test } from 'vitest'
import { anEvent, bodyOf, openOutbox, readAll } from './an-outbox.ts'
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

test('windows that this version cannot read, and that fill it, stay and hold up nothing but what has no room', async () => {
  const disk = aMemoryDisk()
  // as another version of the agent left them: windows by their heads, and nothing that is known inside
  const body = new Uint8Array(15_900).fill(0xff)
  const epoch = 'feedfeedfeedfeed'
  for (let seq = 1; seq <= 15; seq += 1) {
    const record = { seq, from: seq, windows: 1, ids: [], body }
    await writeSegment('/outbox', { epoch, first: seq, last: seq }, [record], disk)
  }
  const outbox = await openOutbox('/outbox', { disk, bytesMax })
  const appended = outbox.append(anEvent('there is no room for it'))
  await outbox.flush()
  expect(outbox.state).toMatchObject({ waiting: 1, failing: 'full' })
  const kept = await readAll(outbox, 0)
  expect(kept.map(({ seq, body: { length } }) => [seq, length])).toEqual(
    Array.from({ length: 15 }, (_, i) => [i + 1, body.length]),
  )
  await outbox.acknowledge(15)
  await appended
  expect((await readAll(outbox)).map(bodyOf)).toEqual([anEvent('there is no room for it')])
  await outbox.close()
})
