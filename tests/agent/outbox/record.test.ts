// The framing of records: whatever is cut or flipped, every whole record is found and nothing else.

import { crc32c } from '@roost/agent/outbox/checksum.ts'
import { encodedBytes, encodeRecord, type StoredRecord, scanRecords } from '@roost/agent/outbox/record.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const epoch = '00112233aabbccdd'
const aStored = (seq: number, over: Partial<StoredRecord> = {}): StoredRecord => ({
  seq,
  from: seq,
  windows: 1,
  ids: [],
  body: Buffer.from(`record ${seq}`),
  ...over,
})
const join = (records: readonly StoredRecord[]) => Buffer.concat(records.map((record) => encodeRecord(epoch, record)))
const seqs = (bytes: Uint8Array, limits = {}) => scanRecords(bytes, epoch, limits).records.map(({ seq }) => seq)

describe('CRC32C', () => {
  test.each([
    // RFC 3720 B.4 and the check value of the CRC catalogue
    ['', 0],
    ['123456789', 0xe3069283],
    ['\0'.repeat(32), 0x8a9136aa],
    ['ÿ'.repeat(32), 0x62a8ab43],
  ])('of %j is %i', (text, expected) => {
    expect(crc32c(Buffer.from(text, 'latin1'))).toBe(expected)
  })

  test('goes on where it stopped', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) & 255)
    for (const cut of [0, 1, 7, 8, 9, 500, 1000]) {
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(crc32c(bytes))
    }
  })
})

describe('record', () => {
  test('comes back as it was, whatever is in it', () => {
    const record = fc.record({
      width: fc.integer({ min: 0, max: 2 ** 33 }),
      windows: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      ids: fc.array(fc.stringMatching(/^[0-9a-f]{16}$/), { maxLength: 5 }),
      body: fc.uint8Array({ maxLength: 200 }),
    })
    fc.assert(
      fc.property(fc.array(record, { maxLength: 10 }), (parts) => {
        let last = 0
        const records = parts.map(({ width, ...rest }) => {
          const from = last + 1
          last = from + width
          return { ...rest, from, seq: last }
        })
        const bytes = join(records)
        expect(bytes.length).toBe(records.reduce((sum, one) => sum + encodedBytes(one), 0))
        const scan = scanRecords(bytes, epoch)
        expect(scan).toEqual({
          records: records.map((one) => ({ ...one, body: Buffer.from(one.body) })),
          endBytes: bytes.length,
          strayBytes: 0,
        })
      }),
      { seed: 20_261_124 },
    )
  })

  test('is not found in a segment of another epoch, below `after` or from `before` on', () => {
    const bytes = join([1, 2, 3, 4].map((seq) => aStored(seq)))
    expect(scanRecords(bytes, '00112233aabbccde').records).toEqual([])
    expect(seqs(bytes, { after: 2 })).toEqual([3, 4])
    expect(seqs(bytes, { before: 3 })).toEqual([1, 2])
  })

  test('of an earlier sequence is not taken up again further back', () => {
    expect(seqs(join([aStored(5), aStored(6), aStored(5), aStored(7)]))).toEqual([5, 6, 7])
  })

  test('is cut from the tail wherever the tail is torn', () => {
    const records = [1, 2, 3, 4].map((seq) => aStored(seq))
    const bytes = join(records)
    const ends = records.map((_, i) => join(records.slice(0, i + 1)).length)
    for (let length = 0; length <= bytes.length; length += 1) {
      const { records: found, endBytes } = scanRecords(bytes.subarray(0, length), epoch)
      const whole = ends.filter((end) => end <= length)
      expect(found).toHaveLength(whole.length)
      expect(endBytes).toBe(whole.at(-1) ?? 0)
    }
  })

  test('is found behind a torn or overwritten stretch of any kind', () => {
    const [first, last] = [join([aStored(1), aStored(2)]), join([aStored(9)])]
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (garbage) => {
        const scan = scanRecords(Buffer.concat([first, garbage, last]), epoch)
        expect(scan.records.map(({ seq }) => seq)).toEqual([1, 2, 9])
        expect(scan.strayBytes).toBe(garbage.length)
      }),
      { seed: 20_261_124 },
    )
  })

  test('over its bounds is refused', () => {
    expect(() => encodeRecord(epoch, aStored(1, { body: new Uint8Array(524_289) }))).toThrow(RangeError)
    expect(() => encodeRecord(epoch, aStored(1, { ids: Array(1025).fill('00'.repeat(8)) }))).toThrow(RangeError)
  })
})
