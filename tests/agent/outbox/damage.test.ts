// Damaged, torn and missing files: the outbox starts, what is whole is there, what is not is told as a gap.

import { join } from 'node:path'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { anEvent, bodyOf, openOutbox, readAll, sumsOf } from './an-outbox.ts'
import { aMemoryDisk, type MemoryDisk } from './memory-disk.ts'

const folder = '/outbox'
const seed = 20_261_124

/** An outbox that was closed, with events `1` … `count` in it. */
async function aFilledDisk(count: number, { bytesMax = 16_777_216, detailBytes = 0 } = {}): Promise<MemoryDisk> {
  const disk = aMemoryDisk()
  const outbox = await openOutbox(folder, { disk, bytesMax })
  await fill(outbox, 1, count, detailBytes)
  await outbox.close()
  return disk
}

async function fill(outbox: Awaited<ReturnType<typeof openOutbox>>, from: number, to: number, detailBytes = 0) {
  const details = Array.from({ length: to - from + 1 }, (_, i) => String(from + i).padEnd(detailBytes, '.'))
  const appended = details.map((detail) => outbox.append(anEvent(detail)))
  await outbox.flush()
  return Promise.all(appended)
}

const segmentsOf = (disk: MemoryDisk) => [...disk.files.keys()].filter((path) => path.endsWith('.segment')).toSorted()

async function recoverFrom(disk: MemoryDisk) {
  const outbox = await openOutbox(folder, { disk })
  const records = await readAll(outbox)
  return { outbox, records, ...sumsOf(records) }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i))

describe('outbox', () => {
  test('loses only the torn record, wherever its last segment is cut', async () => {
    const whole = await aFilledDisk(10)
    const [path = ''] = segmentsOf(whole)
    const bytes = whole.files.get(path)?.bytes ?? Buffer.alloc(0)
    let shortest = 10
    for (let length = bytes.length; length >= 0; length -= 1) {
      const disk = whole.copy()
      disk.files.set(path, { bytes: Buffer.from(bytes.subarray(0, length)) })
      const { outbox, events, gapRecords } = await recoverFrom(disk)
      expect(events).toEqual(numbers(1, events.length))
      expect(events.length).toBeLessThanOrEqual(shortest)
      expect(events.length).toBeGreaterThanOrEqual(shortest - 1)
      shortest = events.length
      expect(gapRecords).toBe(0)
      expect(await fill(outbox, events.length + 1, events.length + 1)).toEqual([events.length + 1])
      expect((await readAll(outbox)).map(({ seq }) => seq)).toEqual(numbers(1, events.length + 1).map(Number))
      await outbox.close()
      expect((await recoverFrom(disk)).events).toEqual(numbers(1, shortest + 1))
    }
    expect(shortest).toBe(0)
  })

  test('tells of a damaged segment once, however often it is read', async () => {
    const disk = await aFilledDisk(10)
    const [path = ''] = segmentsOf(disk)
    const bytes = disk.files.get(path)?.bytes ?? Buffer.alloc(0)
    bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1)
    const told: unknown[] = []
    const log = pino({ level: 'error' }, { write: (line: string) => void told.push(JSON.parse(line)) })
    const outbox = await openOutbox(folder, { disk, log })
    for (let i = 0; i < 20; i++) await readAll(outbox)
    expect(told).toMatchObject([{ msg: 'damaged records in an outbox segment', path }])
  })

  test('loses only the record a flipped bit is in, tells of it, and takes no sequence twice', async () => {
    const whole = await aFilledDisk(60)
    const [path = ''] = segmentsOf(whole)
    const size = whole.files.get(path)?.bytes.length ?? 0
    expect(size).toBeGreaterThan(4096)
    // every bit of the head and the first records, then a bit of every fourth byte: 31, so that each place in a byte comes up
    const bits = Array.from({ length: 4096 * 8 }, (_, bit) => bit).filter((bit) => bit < 256 * 8 || bit % 31 === 0)
    let losses = 0
    for (const bit of bits) {
      const disk = whole.copy()
      const bytes = disk.files.get(path)?.bytes ?? Buffer.alloc(0)
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const { events, gapRecords, records } = await recoverFrom(disk)
      const lost = numbers(1, 60).filter((detail) => !events.includes(detail))
      expect(lost).toHaveLength(bit < 64 ? 0 : 1)
      losses += lost.length
      expect(events).toHaveLength(60 - lost.length)
      expect(gapRecords).toBe(lost.length)
      // the gap record stands where the lost one stood
      expect(records.map(({ seq }) => seq)).toEqual(numbers(1, 60).map(Number))
    }
    expect(losses).toBe(bits.length - 64)
  })

  test('starts whatever subset of its files is gone, and says how many records that were', async () => {
    const whole = await aFilledDisk(60, { bytesMax: 262_144, detailBytes: 490 })
    const files = [...whole.files.keys()]
    const segments = segmentsOf(whole)
    expect(segments.length).toBeGreaterThanOrEqual(3)
    const inSegment = async (path: string) => {
      const disk = aMemoryDisk(new Map([...whole.files].filter(([file]) => file === path || file.includes('marks'))))
      return (await recoverFrom(disk)).events
    }
    const contents = new Map(await Promise.all(segments.map(async (path) => [path, await inSegment(path)] as const)))
    for (let subset = 0; subset < 2 ** files.length; subset += 1) {
      const disk = whole.copy()
      const gone = files.filter((_, i) => subset & (1 << i))
      for (const path of gone) disk.files.delete(path)
      const { outbox, events, gapRecords } = await recoverFrom(disk)
      expect(events).toEqual(segments.flatMap((path) => (gone.includes(path) ? [] : (contents.get(path) ?? []))))
      const last = segments.findLastIndex((path) => !gone.includes(path))
      const marksWhole = !gone.some((path) => path.includes('marks'))
      const first = marksWhole ? 0 : segments.findIndex((path) => !gone.includes(path))
      // behind the last and, without marks, before the first there is nothing to count by
      const counted = segments.slice(Math.max(first, 0), last + 1).filter((path) => gone.includes(path))
      expect(gapRecords).toBe(counted.reduce((sum, path) => sum + (contents.get(path)?.length ?? 0), 0))
      const appended = outbox.append(anEvent('new'))
      await outbox.flush()
      const seq = await appended
      // never a sequence that may have been shipped
      expect(seq > 60 || marksWhole || last < 0).toBe(true)
      expect(bodyOf((await readAll(outbox)).at(-1) ?? expect.fail())).toEqual(anEvent('new'))
      await outbox.close()
    }
  })

  test('tells what it had shipped and lost, sequence by sequence, so that the hub takes what it does not hold', async () => {
    const disk = await aFilledDisk(20)
    const outbox = await openOutbox(folder, { disk })
    expect(await readAll(outbox)).toHaveLength(20)
    await outbox.acknowledge(12)
    await outbox.close()
    for (const path of segmentsOf(disk)) disk.files.delete(path)
    const again = await openOutbox(folder, { disk })
    expect(again.epoch).toBe(outbox.epoch)
    await fill(again, 21, 21)
    const records = await readAll(again)
    expect(records.map(({ from, seq }) => [from, seq])).toEqual(numbers(1, 21).map((n) => [Number(n), Number(n)]))
    expect(sumsOf(records)).toMatchObject({ gapRecords: 20, events: ['21'] })
    expect(sumsOf(records.filter(({ from }) => from > 12))).toMatchObject({ gapRecords: 8, events: ['21'] })
  })

  test('begins a new epoch in an empty folder, and keeps it otherwise', async () => {
    const disk = aMemoryDisk()
    const first = await openOutbox(folder, { disk })
    expect(await fill(first, 1, 3)).toEqual([1, 2, 3])
    await first.close()
    const second = await openOutbox(folder, { disk })
    expect(second.epoch).toBe(first.epoch)
    expect(second.head).toBe(3)
    await second.close()
    disk.files.clear()
    const third = await openOutbox(folder, { disk, random: (length) => Buffer.alloc(length, 9) })
    expect(third.epoch).toBe('09'.repeat(8))
    expect(third.head).toBe(0)
  })

  test('leaves garbage, foreign files and half-written rewrites alone and starts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ at: fc.nat({ max: 8000 }), bytes: fc.uint8Array({ maxLength: 64 }) }), { maxLength: 8 }),
        fc.uint8Array({ maxLength: 100 }),
        async (spots, tail) => {
          const disk = await aFilledDisk(60)
          const [path = ''] = segmentsOf(disk)
          const bytes = disk.files.get(path)?.bytes ?? Buffer.alloc(0)
          for (const { at, bytes: garbage } of spots)
            bytes.set(garbage.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length))
          disk.files.set(path, { bytes: Buffer.concat([bytes, tail]) })
          disk.files.set(join(folder, 'rewriting.tmp'), { bytes: Buffer.from(tail) })
          disk.files.set(join(folder, 'lost+found'), { bytes: Buffer.from(tail) })
          disk.files.set(join(folder, `${'ab'.repeat(8)}-0000000000000001.segment`), { bytes: Buffer.from(tail) })
          const { events, gapRecords } = await recoverFrom(disk)
          expect(new Set(events).size).toBe(events.length)
          expect(events.every((detail) => numbers(1, 60).includes(detail))).toBe(true)
          // a damaged last record is a torn tail
          expect(events.length + gapRecords).toBe(Number(events.at(-1) ?? 0))
        },
      ),
      { seed, numRuns: 200 },
    )
  })
})
