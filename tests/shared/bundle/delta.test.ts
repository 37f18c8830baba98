// Patches: whatever two files are, the patch makes the one out of the other; whatever a patch is, reading it ends.

import { createHash } from 'node:crypto'
import { zstdCompressSync } from 'node:zlib'
import { applyPatch } from '@roost/shared/bundle/delta/apply.ts'
import { type LaidOut, makePatch, type TensorPlace } from '@roost/shared/bundle/delta/encode.ts'
import {
  blockBytesMax,
  DeltaError,
  decodeHeader,
  decodeOperationHead,
  encodeHeader,
  encodeOperationHead,
  type Operation,
  operationsMax,
  type Source,
  type WordFormat,
} from '@roost/shared/bundle/delta/format.ts'
import { decodeWords, encodeWords } from '@roost/shared/bundle/delta/word-coder.ts'
import { addDifferences, bytePlanes, fromBytePlanes, wordDifferences } from '@roost/shared/bundle/delta/words.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'

const seed = 20_261_126
const float32: WordFormat = { width: 4, contextShift: 23, contextBits: 8 }
const float16: WordFormat = { width: 2, contextShift: 10, contextBits: 5 }
const bytes8: WordFormat = { width: 1, contextShift: 0, contextBits: 0 }

test('a patch makes the new file out of the old one, however tensors moved, changed, came and went', async () => {
  await fc.assert(
    fc.asyncProperty(filePair, async ({ base, target }) => {
      const patch = await patchOf(base, target)
      expect(Buffer.compare(await applied(patch, base, target), target.bytes)).toBe(0)
    }),
    { seed, numRuns: 80 },
  )
})

test('a patch with one byte changed, cut off or put in is refused or makes other bytes, and never more of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      filePair,
      fc.nat(),
      fc.nat(255),
      fc.constantFrom('change', 'cut', 'insert'),
      async (pair, at, byte, how) => {
        const good = await patchOf(pair.base, pair.target)
        const place = at % good.length
        const [before, after] = [good.subarray(0, place), good.subarray(place)]
        const bad = Buffer.concat([
          before,
          how === 'cut' ? new Uint8Array() : Buffer.from([byte]),
          how === 'change' ? after.subarray(1) : how === 'cut' ? new Uint8Array() : after,
        ])
        let madeBytes = 0
        try {
          const names = { base: pair.base.file.sha256, target: pair.target.file }
          for await (const piece of applyPatch(sourceOf(bad), pair.base, names)) {
            expect(piece.length).toBeLessThanOrEqual(blockBytesMax)
            madeBytes += piece.length
          }
          expect(madeBytes).toBe(pair.target.sizeBytes)
        } catch (error) {
          expect(error).toBeInstanceOf(DeltaError)
          expect(madeBytes).toBeLessThanOrEqual(pair.target.sizeBytes)
        }
      },
    ),
    { seed, numRuns: 150 },
  )
})

test('bytes that are no patch are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
      const base = laidOut(Buffer.from('the base'), [])
      await expect(applied(noise, base, base)).rejects.toThrow(DeltaError)
      const behindHeader = Buffer.concat([encodeHeader({ base: base.file, target: base.file }), noise])
      await applied(behindHeader, base, base).catch((error: unknown) => expect(error).toBeInstanceOf(DeltaError))
    }),
    { seed, numRuns: 300 },
  )
})

test('differences of words come back, in planes and arithmetically coded, for all of the word', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(float32, float16, bytes8, { width: 4, contextShift: 0, contextBits: 0 } as const),
      fc.array(
        fc.oneof(fc.nat(0xffff_ffff), fc.nat(3), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xff, 0x80)),
      ),
      fc.array(fc.oneof(fc.nat(0xffff_ffff), fc.nat(3))),
      (words, before, after) => {
        const length = Math.min(before.length, after.length)
        const [base, target] = [before, after].map((list) => packed(list.slice(0, length), words.width))
        if (base === undefined || target === undefined) throw new TypeError('two lists are packed')
        const differences = wordDifferences(base, target, words.width)
        expect(addDifferences(base, differences, words.width)).toEqual(target)
        expect(fromBytePlanes(bytePlanes(differences, words.width), words.width)).toEqual(differences)
        const coded = encodeWords(base, differences, words, 64 + 16 * length)
        expect(coded && decodeWords(base, coded, words)).toEqual(differences)
      },
    ),
    { seed, numRuns: 400 },
  )
})

test('an arithmetic code that takes more than it may is given up', () => {
  const base = Buffer.alloc(4 * 1000)
  const differences = Uint32Array.from({ length: 1000 }, (_, i) => Math.imul(i + 1, 2_654_435_761) >>> 0)
  expect(encodeWords(base, differences, float32, 1_000)).toBeUndefined()
})

test('heads say what they said', () => {
  const operations: Operation[] = [
    { kind: 'copy', length: 5_000_000, baseOffset: 1_000_000 },
    { kind: 'raw', length: 17 },
    { kind: 'zstd', length: 100, payloadBytes: 20, baseOffset: 5, dictionaryBytes: 64 },
    { kind: 'planes', length: 100, payloadBytes: 20, baseOffset: 5, width: 2 },
    { kind: 'coded', length: 100, payloadBytes: 20, baseOffset: 5, words: float32 },
  ]
  for (const operation of operations) {
    expect(decodeOperationHead(encodeOperationHead(operation), 6_000_000, 5_000_000)).toEqual(operation)
  }
  const header = { base: { sha256: 'a'.repeat(64), sizeBytes: 7 }, target: { sha256: 'b'.repeat(64), sizeBytes: 9 } }
  expect(decodeHeader(encodeHeader(header))).toEqual(header)
})

const zeros = zstdCompressSync(Buffer.alloc(blockBytesMax))
const hostile: Record<string, { why: RegExp; operations: [Operation, Uint8Array?][]; targetBytes?: number }> = {
  'a frame that unpacks to more than it says': {
    why: /cannot be read/,
    operations: [
      [{ kind: 'zstd', length: 1_000, payloadBytes: zeros.length, baseOffset: 0, dictionaryBytes: 0 }, zeros],
    ],
  },
  'a frame that unpacks to less': {
    why: /a frame of 3 bytes where 1000 are due/,
    operations: [
      [{ kind: 'zstd', length: 1_000, payloadBytes: 12, baseOffset: 0, dictionaryBytes: 0 }, zstdCompressSync('abc')],
    ],
  },
  'a frame with a window of gigabytes': {
    why: /cannot be read/,
    operations: [wideWindow()],
  },
  'a copy that begins beyond the base': {
    why: /beyond the base/,
    operations: [[{ kind: 'copy', length: 10, baseOffset: 5_000 }]],
  },
  'a copy that ends beyond the base': {
    why: /beyond the base/,
    operations: [[{ kind: 'copy', length: 10, baseOffset: 995 }]],
  },
  'a difference beyond the base': {
    why: /beyond the base/,
    operations: [[{ kind: 'planes', length: 1_000, payloadBytes: 4, baseOffset: 1, width: 1 }, Buffer.alloc(4)]],
  },
  'a dictionary beyond the base': {
    why: /beyond the base/,
    operations: [
      [{ kind: 'zstd', length: 1_000, payloadBytes: 4, baseOffset: 999, dictionaryBytes: 2 }, Buffer.alloc(4)],
    ],
  },
  'more than the file has bytes': {
    why: /2 bytes where 1 are left/,
    operations: [
      [{ kind: 'raw', length: 999 }, Buffer.alloc(999)],
      [{ kind: 'raw', length: 2 }, Buffer.alloc(2)],
    ],
  },
  'a block longer than a reader holds': {
    why: /an operation of 1048577 bytes/,
    operations: [[{ kind: 'raw', length: blockBytesMax + 1 }, Buffer.alloc(blockBytesMax + 1)]],
    targetBytes: 2 * blockBytesMax,
  },
  'a base loaded again and again': {
    why: /more work/,
    operations: Array.from({ length: 2 }, () => withDictionary(zstdCompressSync(Buffer.alloc(100)))),
  },
  'a copy of one byte, over and over': {
    why: /more work/,
    operations: Array.from({ length: operationsMax(3_000) + 1 }, (_, i) => [
      { kind: 'copy' as const, length: 1, baseOffset: i % 2 },
    ]),
    targetBytes: 3_000,
  },
  'words that are no whole number of words': {
    why: /in words of 4/,
    operations: [[{ kind: 'coded', length: 999, payloadBytes: 5, baseOffset: 0, words: float32 }, Buffer.alloc(5)]],
  },
  'an arithmetic code that breaks off': {
    why: /breaks off/,
    operations: [
      [
        { kind: 'coded', length: 1_000, payloadBytes: 6, baseOffset: 0, words: float32 },
        Buffer.from([0, 255, 255, 255, 254, 9]),
      ],
    ],
  },
  'a context beyond the word': {
    why: /a context beyond the word/,
    operations: [
      [
        {
          kind: 'coded',
          length: 1_000,
          payloadBytes: 5,
          baseOffset: 0,
          words: { width: 1, contextShift: 4, contextBits: 8 },
        },
        Buffer.alloc(5),
      ],
    ],
  },
  'nothing, for ever': {
    why: /an operation of 0 bytes/,
    operations: [[{ kind: 'copy', length: 0, baseOffset: 0 }]],
  },
}

test.each(Object.entries(hostile))('refused: %s', async (_, { why, operations, targetBytes = 1_000 }) => {
  const base = laidOut(Buffer.alloc(1_000, 'base'), [])
  const target = laidOut(Buffer.alloc(targetBytes), [])
  const parts = operations.flatMap(([operation, payload]) => [
    encodeOperationHead(operation),
    payload ?? new Uint8Array(),
  ])
  const patch = Buffer.concat([encodeHeader({ base: base.file, target: target.file }), ...parts])
  await expect(applied(patch, base, target)).rejects.toThrow(why)
})

test('refused: another base, another target, another size, bytes behind the end', async () => {
  const [base, target] = [laidOut(Buffer.alloc(2_000, 'ab'), []), laidOut(Buffer.alloc(2_000, 'abc'), [])]
  const patch = await patchOf(base, target)
  const other = laidOut(Buffer.alloc(2_000, 'x'), [])
  await expect(applied(patch, other, target)).rejects.toThrow('for other files')
  await expect(applied(patch, base, other)).rejects.toThrow('for other files')
  await expect(applied(patch, { ...base, sizeBytes: 1_999 }, target)).rejects.toThrow('for other files')
  await expect(applied(Buffer.concat([patch, Buffer.alloc(1)]), base, target)).rejects.toThrow('goes on behind its end')
})

test('a patch that would be longer than it may is not finished', async () => {
  const base = laidOut(noise(4_000, 1), [])
  const target = laidOut(noise(4_000, 2), [])
  const made = makePatch(base, target, 1_000)
  let end = await made.next()
  while (end.done !== true) end = await made.next()
  expect(end.value).toBe(false)
})

test('weights moved by a thousandth take less than six tenths of their bytes, and frozen ones next to nothing', async () => {
  const count = 250_000
  const random = randomFrom(3)
  const before = Float32Array.from({ length: 2 * count }, () => random() - 0.5)
  const after = before.map((weight, i) => (i < count ? weight * (1 + 0.001 * (random() - 0.5)) : weight))
  const laid = (weights: Float32Array) => {
    const bytes = Buffer.from(weights.buffer)
    return laidOut(bytes, [
      { key: 'moved', start: 0, end: 4 * count, words: float32 },
      { key: 'frozen', start: 4 * count, end: 8 * count, words: float32 },
    ])
  }
  const [base, target] = [laid(before), laid(after)]
  const patch = await patchOf(base, target)
  expect(Buffer.compare(await applied(patch, base, target), target.bytes)).toBe(0)
  expect(patch.length).toBeLessThan(4 * count * 0.6)
})

type File = LaidOut & { bytes: Buffer }

function laidOut(bytes: Buffer, tensors: TensorPlace[]): File {
  const file = { sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length }
  return { ...sourceOf(bytes), bytes, file, tensors }
}

function sourceOf(bytes: Uint8Array): Source {
  return {
    sizeBytes: bytes.length,
    read: async (offset, length) => {
      if (offset < 0 || offset + length > bytes.length) throw new RangeError('read beyond the file')
      return bytes.subarray(offset, offset + length)
    },
  }
}

async function patchOf(base: LaidOut, target: LaidOut): Promise<Buffer> {
  const pieces = await Array.fromAsync(makePatch(base, target, 100_000_000))
  return Buffer.concat(pieces)
}

async function applied(patch: Uint8Array, base: File, target: File): Promise<Buffer> {
  const names = { base: base.file.sha256, target: target.file }
  return Buffer.concat(await Array.fromAsync(applyPatch(sourceOf(patch), base, names)))
}

/** A frame that asks for a window of 2 GiB (RFC 8878, 3.1.1.1.2) and holds ten bytes. */
function wideWindow(): [Operation, Uint8Array] {
  const tenTimesA = [(10 << 3) | 3, 0, 0, 0x41]
  const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, ...tenTimesA])
  return [{ kind: 'zstd', length: 10, payloadBytes: frame.length, baseOffset: 0, dictionaryBytes: 0 }, frame]
}

function withDictionary(frame: Uint8Array): [Operation, Uint8Array] {
  return [{ kind: 'zstd', length: 100, payloadBytes: frame.length, baseOffset: 0, dictionaryBytes: 1_000 }, frame]
}

function packed(words: readonly number[], width: WordFormat['width']): Uint8Array {
  const bytes = Buffer.alloc(words.length * width)
  for (const [i, word] of words.entries()) bytes.writeUIntLE((word >>> 0) % 2 ** (8 * width), i * width, width)
  return new Uint8Array(bytes)
}

function randomFrom(start: number): () => number {
  let state = start
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function noise(length: number, start: number): Buffer {
  const random = randomFrom(start)
  return Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
}

/** Files of tensors with other bytes between them. The new one has some of the same tensors, moved, changed or as they were. */
const filePair = fc
  .record({
    tensors: fc.array(
      fc.record({
        words: fc.constantFrom(float32, float16, bytes8),
        count: fc.integer({ min: 0, max: 1_500 }),
        start: fc.nat(1_000),
        change: fc.constantFrom('none', 'little', 'all'),
        where: fc.constantFrom('both', 'both', 'both', 'base', 'target'),
      }),
      { maxLength: 6 },
    ),
    gaps: fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 7, maxLength: 7 }),
    otherGaps: fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 7, maxLength: 7 }),
    isReversed: fc.boolean(),
  })
  .map(({ tensors, gaps, otherGaps, isReversed }) => {
    const named = tensors.map((tensor, i) => ({ ...tensor, key: `${i}` }))
    const base = put(
      named.filter(({ where }) => where !== 'target'),
      gaps,
      false,
    )
    const kept = named.filter(({ where }) => where !== 'base')
    return { base, target: put(isReversed ? kept.toReversed() : kept, otherGaps, true) }
  })

type Drawn = { key: string; words: WordFormat; count: number; start: number; change: string }

function put(tensors: readonly Drawn[], gaps: readonly Uint8Array[], isNew: boolean): File {
  const parts: Uint8Array[] = [gaps[0] ?? new Uint8Array(), Buffer.from('!')]
  const places: TensorPlace[] = []
  for (const [i, { key, words, count, start, change }] of tensors.entries()) {
    const random = randomFrom(start + (isNew && change === 'all' ? 7 : 0))
    const moves = isNew && change === 'little'
    const values = Array.from({ length: count }, (_, at) => Math.floor(random() * 2 ** 32) + (moves ? at % 9 : 0))
    const at = parts.reduce((sum, { length }) => sum + length, 0)
    parts.push(packed(values, words.width), gaps[i + 1] ?? new Uint8Array())
    places.push({ key, start: at, end: at + count * words.width, words })
  }
  return laidOut(Buffer.concat(parts), places)
}
