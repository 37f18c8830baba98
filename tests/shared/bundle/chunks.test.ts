// Chunks: the same hashes however a file arrives, and no chunk taken that is not exactly itself.

import { createHash } from 'node:crypto'
import { ChunkHasher, chunkCount, chunkHashes, chunkSizeBytes, verifyChunk } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes, fileBytesMax } from '@roost/shared/bundle/manifest.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const seed = 20_261_124

/** Bytes that differ from chunk to chunk, made of a size alone. */
const contentOf = (sizeBytes: number): Buffer => {
  const pieces: Buffer[] = []
  for (let at = 0; at < sizeBytes; at += 32) pieces.push(createHash('sha256').update(String(at)).digest())
  return Buffer.concat(pieces).subarray(0, sizeBytes)
}
const sizes = [1, 31, chunkBytes - 1, chunkBytes, chunkBytes + 1, 2 * chunkBytes, 3 * chunkBytes + 17]

test('a file is hashed alike in whatever pieces it comes', async () => {
  const property = fc.asyncProperty(
    fc.constantFrom(...sizes),
    fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 20 }),
    async (sizeBytes, cuts) => {
      const content = contentOf(sizeBytes)
      const pieces: Buffer[] = []
      for (let at = 0, n = 0; at < sizeBytes; n++) {
        const end = at + (cuts[n % cuts.length] ?? 1)
        pieces.push(content.subarray(at, end))
        at = end
      }
      const list = Buffer.concat(
        Array.from({ length: Math.ceil(sizeBytes / chunkBytes) }, (_, i) =>
          createHash('sha256')
            .update(content.subarray(i * chunkBytes, (i + 1) * chunkBytes))
            .digest(),
        ),
      )
      expect(await chunkHashes(pieces)).toEqual({
        sha256: createHash('sha256').update(content).digest('hex'),
        sizeBytes,
        chunks: list.toString('base64'),
      })
    },
  )
  await fc.assert(property, { seed, numRuns: 60 })
})

test('an empty file has no chunks', () => {
  expect(new ChunkHasher().digest()).toMatchObject({ sizeBytes: 0, chunks: '' })
})

test('chunk sizes add up to the file', () => {
  for (const sizeBytes of [...sizes, fileBytesMax - 1, fileBytesMax]) {
    const count = chunkCount({ sizeBytes })
    const total = Array.from({ length: count }, (_, i) => chunkSizeBytes({ sizeBytes }, i)).reduce((a, b) => a + b, 0)
    expect(total).toBe(sizeBytes)
    expect(chunkSizeBytes({ sizeBytes }, count - 1)).toBeGreaterThan(0)
  }
})

describe('a chunk', () => {
  const content = contentOf(3 * chunkBytes + 17)
  const chunk = (index: number) => content.subarray(index * chunkBytes, (index + 1) * chunkBytes)

  test('is taken in its own place only', async () => {
    const file = await chunkHashes([content])
    const taken = [0, 1, 2, 3].flatMap((from) =>
      [-1, 0, 1, 2, 3, 4, 0.5, Number.NaN, 1e9]
        .filter((to) => verifyChunk(file, to, chunk(from)))
        .map((to) => [from, to]),
    )
    expect(taken).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 3],
    ])
  })

  test('is refused cut, padded, or with any byte of it changed', async () => {
    const file = await chunkHashes([content])
    expect(verifyChunk(file, 3, chunk(3).subarray(0, 16))).toBe(false)
    expect(verifyChunk(file, 3, Buffer.concat([chunk(3), Buffer.alloc(1)]))).toBe(false)
    expect(verifyChunk(file, 0, new Uint8Array())).toBe(false)
    for (let at = 0; at < 17; at++) {
      const changed = Buffer.from(chunk(3))
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(verifyChunk(file, 3, changed)).toBe(false)
    }
  })

  test('beyond a hash list that is too short is refused', async () => {
    const file = await chunkHashes([content])
    for (const end of [0, 40, 60, 84]) {
      expect(verifyChunk({ ...file, chunks: file.chunks.slice(0, end) }, 1, chunk(1))).toBe(false)
    }
  })
})
