// The chunk cipher of sealed bundles, attacked: whatever is cut, changed, moved or taken from elsewhere does not open.

import { chunkBytes, sealedSizeBytes } from '@roost/shared/bundle/manifest.ts'
import {
  type ChunkPlace,
  contentKeyId,
  openChunk,
  openFile,
  plainChunkBytes,
  sealChunk,
  tagBytes,
} from '@roost/shared/bundle/sealing.ts'
import { unwrapContentKey, wrapContentKey } from '@roost/shared/trust/content-key.ts'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'

const seed = 20261126
const runs = { seed, numRuns: 60 }

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const key = bytes(32)
const role = fc.constantFrom('model' as const, 'features' as const, 'baseline' as const, 'golden' as const)
/** Around the ends of chunks. */
const size = fc
  .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: -2, max: 2 }))
  .map(([chunks, beside]) => Math.max(1, chunks * plainChunkBytes + beside))
const file = fc.tuple(size, fc.integer()).map(([length, start]) => {
  const content = new Uint8Array(length)
  for (let i = 0; i < length; i++) content[i] = (start + i * 31 + (i >> 8)) & 0xff
  return content
})

function sealFile(key: Uint8Array, role: ChunkPlace['role'], plain: Uint8Array): Uint8Array[] {
  const count = Math.ceil(plain.length / plainChunkBytes)
  return Array.from({ length: count }, (_, index) =>
    sealChunk(
      key,
      { role, index, isLast: index === count - 1 },
      plain.subarray(index * plainChunkBytes, (index + 1) * plainChunkBytes),
    ),
  )
}
const joined = (chunks: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(chunks))

describe('a sealed file', () => {
  test('opens to what it was, and is as long as it is said to be, in chunks of 64 KiB', () => {
    fc.assert(
      fc.property(key, role, file, (key, role, plain) => {
        const chunks = sealFile(key, role, plain)
        const sealed = joined(chunks)
        expect(sealed.length).toBe(sealedSizeBytes(plain.length))
        for (const chunk of chunks.slice(0, -1)) expect(chunk.length).toBe(chunkBytes)
        expect(Buffer.compare(openFile(key, role, sealed) ?? new Uint8Array(), plain)).toBe(0)
      }),
      runs,
    )
  })

  test('does not open when a single bit of it or of the key is another', () => {
    fc.assert(
      fc.property(key, role, file, fc.nat(), fc.nat({ max: 7 }), fc.boolean(), (key, role, plain, at, bit, ofKey) => {
        const sealed = joined(sealFile(key, role, plain))
        const changed = ofKey ? Uint8Array.from(key) : sealed
        changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ (1 << bit)
        expect(openFile(ofKey ? changed : key, role, sealed)).toBeUndefined()
      }),
      runs,
    )
  })

  test('does not open when it is cut, anywhere, or when something follows on it', () => {
    fc.assert(
      fc.property(key, role, file, fc.nat(), bytes(tagBytes + 1), (key, role, plain, at, more) => {
        const chunks = sealFile(key, role, plain)
        const sealed = joined(chunks)
        expect(openFile(key, role, sealed.slice(0, at % sealed.length))).toBeUndefined()
        expect(openFile(key, role, joined(chunks.slice(0, -1)))).toBeUndefined()
        expect(openFile(key, role, joined([...chunks, more]))).toBeUndefined()
        expect(openFile(key, role, joined([...chunks, ...chunks]))).toBeUndefined()
      }),
      runs,
    )
  })

  test('does not open when chunks change places, come twice, or come from another bundle or another file of this one', () => {
    const three = fc.integer().map((start) => new Uint8Array(2 * plainChunkBytes + 100).fill(start))
    fc.assert(
      fc.property(key, key, three, fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (key, other, plain, order) => {
        fc.pre(Buffer.compare(key, other) !== 0)
        const chunks = sealFile(key, 'model', plain)
        const reordered = order.flatMap((i) => chunks[i] ?? [])
        expect(openFile(key, 'model', joined(reordered)) !== undefined).toBe(String(order) === '0,1,2')
        const [first, second, third] = chunks
        if (first === undefined || second === undefined || third === undefined) throw new Error('there are three')
        expect(openFile(key, 'model', joined([first, first, third]))).toBeUndefined()
        for (const foreign of [sealFile(other, 'model', plain), sealFile(key, 'golden', plain)]) {
          for (const [i, chunk] of foreign.entries()) {
            expect(openFile(key, 'model', joined(chunks.with(i, chunk)))).toBeUndefined()
          }
        }
      }),
      runs,
    )
  })

  test('a chunk opens in its own place only', () => {
    const place = fc.record({ role, index: fc.nat({ max: 0xffffffff }), isLast: fc.boolean() })
    fc.assert(
      fc.property(key, place, place, bytes(40), (key, one, other, plain) => {
        const sealed = sealChunk(key, one, plain)
        expect(openChunk(key, one, sealed)).toEqual(Buffer.from(plain))
        const same = JSON.stringify(one) === JSON.stringify(other)
        expect(openChunk(key, other, sealed) !== undefined).toBe(same)
        expect(openChunk(key, { ...one, isLast: !one.isLast }, sealed)).toBeUndefined()
      }),
      runs,
    )
  })
})

describe('a content key in its box', () => {
  const manifest = 'ab'.repeat(32)
  const wrapped = fc.tuple(key, key, key, bytes(24))
  const inOrder =
    (...parts: Uint8Array[]) =>
    () =>
      parts.shift() ?? new Uint8Array()

  test('is opened by the device it is for, and by no other', () => {
    fc.assert(
      fc.property(wrapped, key, ([content, device, sender, nonce], other) => {
        const { publicKey } = nacl.box.keyPair.fromSecretKey(device)
        const sealed = wrapContentKey(content, manifest, publicKey, inOrder(sender, nonce))
        expect(unwrapContentKey(sealed, contentKeyId(content), device)).toEqual(content)
        // private keys of X25519 that differ in bits that are clamped are one key
        fc.pre(Buffer.compare(nacl.box.keyPair.fromSecretKey(other).publicKey, publicKey) !== 0)
        expect(unwrapContentKey(sealed, contentKeyId(content), other)).toBeUndefined()
      }),
      runs,
    )
  })

  test('is refused when the box was changed, or holds another key than the manifest names', () => {
    fc.assert(
      fc.property(wrapped, key, fc.nat({ max: 47 }), ([content, device, sender, nonce], other, at) => {
        fc.pre(Buffer.compare(content, other) !== 0)
        const { publicKey } = nacl.box.keyPair.fromSecretKey(device)
        const sealed = wrapContentKey(content, manifest, publicKey, inOrder(sender, nonce))
        expect(unwrapContentKey(sealed, contentKeyId(other), device)).toBeUndefined()
        const box = sealed.box.map((byte, i) => (i === at ? byte ^ 1 : byte))
        expect(unwrapContentKey({ ...sealed, box }, contentKeyId(content), device)).toBeUndefined()
      }),
      runs,
    )
  })
})
