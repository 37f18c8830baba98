import { Ack, Chunk } from '@roost/shared/protocol/messages.ts'
import { Milliseconds } from '@roost/shared/protocol/names.ts'
import { RecordBody } from '@roost/shared/protocol/records.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { expect, test } from 'vitest'
import { z } from 'zod'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')
const At = z.object({ at: Milliseconds })
/** 24 November 2026: beyond 32 bits, as every time in milliseconds is. */
const at = 1_795_500_000_000

// {"at": 1795500000000} as CBOR libraries write it: 0x1b is an unsigned integer of eight bytes.
const asInteger = `a1 626174 1b ${at.toString(16).padStart(16, '0')}`

test.each([
  ['as an integer of 64 bits', asInteger],
  [
    'as a float',
    `a1 626174 fb ${Buffer.from(new Float64Array([at]).buffer)
      .reverse()
      .toString('hex')}`,
  ],
  ['in a map of unstated length', `bf${asInteger.slice(2)} ff`],
  ['beside fields nobody knows', `a2 6161 83010203 ${asInteger.slice(2)}`],
])('a time in milliseconds is read %s', (_, bytes) => {
  expect(decode(At, hex(bytes))).toEqual({ ok: true, message: { at } })
})

test('what is written is plain RFC 8949: maps with texts as keys, byte strings without a tag', () => {
  expect(Buffer.from(encode({ epoch: '0011223344556677', seq: 7 })).toString('hex')).toBe(
    'a2 6565706f6368 7030303131323233333434353536363737 63736571 07'.replaceAll(' ', ''),
  )
  expect(Buffer.from(encode({ encoding: 'raw', data: new Uint8Array([1, 2]) })).toString('hex')).toBe(
    'a2 68656e636f64696e67 63726177 6464617461 420102'.replaceAll(' ', ''),
  )
})

test.each([
  ['an integer that no double holds', Ack, `a2 6565706f6368 70${'30'.repeat(16)} 63736571 1b ffffffffffffffff`],
  ['a negative count', Ack, `a2 6565706f6368 70${'30'.repeat(16)} 63736571 3b 0000010000000000`],
  ['a text where bytes belong', Chunk, 'a2 68656e636f64696e67 63726177 6464617461 626869'],
  ['a byte string in pieces', Chunk, 'a2 68656e636f64696e67 63726177 6464617461 5f 4101 4102 ff'],
  ['two messages in one', At, `${asInteger}${asInteger}`],
  ['a message cut short', At, asInteger.slice(0, -2)],
  ['nothing', At, ''],
  // in a field that nobody knows: what is ignored has been read all the same
  ['a bignum', At, `a2 6161 c2 43010203 ${asInteger.slice(2)}`],
  ['a negative bignum', At, `a2 6161 c3 43010203 ${asInteger.slice(2)}`],
  ['a value that stands for another one', At, `a2 6161 82 d81c8101 d81d00 ${asInteger.slice(2)}`],
  ['a table of values to refer to', At, `a2 6161 d833 848101808000 ${asInteger.slice(2)}`],
  ['an object by the name of its maker', At, `a2 6161 d81b 82 655265674578 6161 ${asInteger.slice(2)}`],
])('%s is refused with a reason, not an exception', (_, schema, bytes) => {
  const decoded = decode<unknown>(schema, hex(bytes))
  expect(decoded.ok).toBe(false)
  expect(decoded).toHaveProperty('reason', expect.stringMatching(/./))
})

test('a record that cannot be read is told what is wrong with its own kind, not how it differs from another', () => {
  const reasonOf = (record: object) => {
    const decoded = decode(RecordBody, encode(record))
    return decoded.ok ? 'none' : decoded.reason
  }
  const event = { kind: 'event', event: 'started', at: 1, detail: '' }
  expect(reasonOf(event)).toBe('none')
  expect(reasonOf({ ...event, at: 1.5 })).toMatch(/^at: /)
  expect(reasonOf({ ...event, event: 'later' })).toMatch(/^event: /)
  expect(reasonOf({ ...event, event: 'progress' })).toMatch(/^deployment: /)
  expect(reasonOf({ kind: 'gap', at: 1, reason: 'damaged', records: 1 })).toMatch(/^inferences: /)
  expect(reasonOf({ kind: 'window' })).toMatch(/^deployment: /)
  expect(reasonOf({ kind: 'later' })).toMatch(/^kind: /)
  expect(reasonOf([])).toMatch(/^[^:]/)
})
