// The wire reader against the generated code's writer, and against messages that lie about their length.

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type MessageFields,
  openWire,
  readText,
  WireError,
  walkIntegers,
  walkMessage,
} from '../../../hub/registry/protobuf.ts'
import { inMemory } from './onnx-oracle.ts'

const seed = 20261124
const fields: MessageFields = new Map([
  [1, ['bytes']],
  [2, ['varint', 'bytes']],
])

/** Texts of field 1 and integers of field 2. */
async function readAll(bytes: Uint8Array) {
  const source = inMemory(bytes)
  const wire = openWire(source)
  const texts: string[] = []
  const integers: number[] = []
  await walkMessage(wire, { start: 0, end: bytes.length }, fields, async (field) => {
    if (field.number === 1) texts.push(await readText(wire, field, 1e6))
    else await walkIntegers(wire, field, (value) => void integers.push(value))
  })
  return { texts, integers }
}

describe('wire reader', () => {
  test('reads what is written, across pages and past what it does not know', async () => {
    const part = fc.oneof(
      fc.record({ text: fc.string({ unit: 'grapheme', maxLength: 40 }) }),
      fc.record({ integer: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) }),
      fc.record({ packed: fc.array(fc.maxSafeInteger(), { maxLength: 300 }) }),
      fc.record({ skipped: fc.integer({ min: 0, max: 40_000 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 40 }), async (parts) => {
        const writer = new BinaryWriter()
        for (const item of parts) {
          if ('text' in item) writer.tag(1, WireType.LengthDelimited).string(item.text)
          else if ('integer' in item) writer.tag(2, WireType.Varint).int64(item.integer)
          else if ('skipped' in item) writer.tag(77, WireType.LengthDelimited).bytes(new Uint8Array(item.skipped))
          else {
            writer.tag(2, WireType.LengthDelimited).fork()
            for (const value of item.packed) writer.int64(value)
            writer.join()
          }
        }
        const { texts, integers } = await readAll(writer.finish())
        expect(texts).toEqual(parts.flatMap((item) => ('text' in item ? [item.text] : [])))
        const wanted = parts.flatMap((item) =>
          'integer' in item ? [item.integer] : 'packed' in item ? item.packed : [],
        )
        expect(integers).toEqual(wanted)
      }),
      { seed, numRuns: 300 },
    )
  })

  test('reads 64-bit integers to the nearest double', async () => {
    const writer = new BinaryWriter()
    for (const value of [2n ** 63n - 1n, -(2n ** 63n), -1n, 2n ** 53n + 2n]) writer.tag(2, WireType.Varint).int64(value)
    expect((await readAll(writer.finish())).integers).toEqual([2 ** 63, -(2 ** 63), -1, 2 ** 53 + 2])
  })

  test('steps over a gigabyte without reading it', async () => {
    const head = new BinaryWriter()
      .tag(77, WireType.LengthDelimited)
      .uint32(2 ** 30)
      .finish()
    const tail = new BinaryWriter().tag(2, WireType.Varint).int64(7).finish()
    let bytesRead = 0
    const source = {
      sizeBytes: head.length + 2 ** 30 + tail.length,
      read: async (offset: number, length: number) => {
        bytesRead += length
        const piece = new Uint8Array(length)
        if (offset === 0) piece.set(head)
        else piece.set(tail, length - tail.length)
        return piece
      },
    }
    const seen: number[] = []
    await walkMessage(
      openWire(source),
      { start: 0, end: source.sizeBytes },
      fields,
      async ({ value }) => void seen.push(value),
    )
    expect(seen).toEqual([7])
    expect(bytesRead).toBeLessThan(100_000)
  })

  test.each<[string, string, number[]]>([
    ['malformed', 'a field number of 0', [0x02, 0x00]],
    ['malformed', 'a group', [0x0b, 0x0c]],
    ['malformed', 'wire type 7', [0x0f]],
    ['malformed', 'a number of eleven bytes', [0x10, ...Array.from({ length: 10 }, () => 0xff), 0x01]],
    ['malformed', 'a text that is no UTF-8', [0x0a, 0x01, 0xff]],
    ['malformed', 'a packed number that goes on behind its field', [0x12, 0x01, 0x80, 0x10, 0x01]],
    ['malformed', 'a known field written as another type', [0x0d, 0, 0, 0, 0]],
    ['truncated', 'a text longer than the file', [0x0a, 0x05, 0x41]],
    ['truncated', 'a number that never ends', [0x10, 0x80]],
    ['truncated', 'a fixed number that is cut', [0x7d, 0x00]],
    ['truncated', 'a length beyond 2^53', [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]],
  ])('calls %s: %s', async (code, _, bytes) => {
    await expect(readAll(Uint8Array.from(bytes))).rejects.toThrow(expect.objectContaining({ name: 'WireError', code }))
  })

  test('refuses a message whose last field goes on behind it', async () => {
    const bytes = Uint8Array.of(0x0a, 0x02, 0x0a, 0x03, 0x41, 0x42, 0x43)
    const wire = openWire(inMemory(bytes))
    const inner = () => walkMessage(wire, { start: 2, end: 4 }, fields, async () => undefined)
    await expect(inner()).rejects.toThrow(expect.objectContaining({ code: 'malformed' }))
  })

  test('goes 100 messages deep and no deeper', async () => {
    async function deep(levels: number): Promise<void> {
      const wire = openWire(inMemory(new Uint8Array(0)))
      for (let i = 0; i < levels; i++) wire.depth += 1
      await walkMessage(wire, { start: 0, end: 0 }, fields, async () => undefined)
    }
    await deep(99)
    await expect(deep(100)).rejects.toThrow(WireError)
  })
})
