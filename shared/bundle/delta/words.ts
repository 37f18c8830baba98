// Differences between two runs of words. A word is read as an unsigned integer, whatever it stands for; the difference
// wraps round, and zigzag puts small ones of either sign at small numbers: 0, -1, 1, -2 become 0, 1, 2, 3.

import type { WordFormat } from './format.ts'

/** `target` - `base`, word by word; both of the same length. */
export function wordDifferences(base: Uint8Array, target: Uint8Array, width: WordFormat['width']): Uint32Array {
  const [before, after] = [wordsOf(base, width), wordsOf(target, width)]
  const spare = 32 - 8 * width
  const differences = new Uint32Array(after.length)
  for (let i = 0; i < after.length; i++) {
    const signed = (((after[i] ?? 0) - (before[i] ?? 0)) << spare) >> spare
    differences[i] = (signed << 1) ^ (signed >> 31)
  }
  return differences
}

/** The bytes of `base` plus `differences`. */
export function addDifferences(base: Uint8Array, differences: Uint32Array, width: WordFormat['width']): Uint8Array {
  const before = wordsOf(base, width)
  const after = aligned(width, base.length)
  for (let i = 0; i < before.length; i++) {
    const difference = differences[i] ?? 0
    after[i] = (before[i] ?? 0) + ((difference >>> 1) ^ -(difference & 1))
  }
  return new Uint8Array(after.buffer)
}

/** All lowest bytes, then all second ones, and so on. */
export function bytePlanes(words: Uint32Array, width: WordFormat['width']): Uint8Array {
  const planes = new Uint8Array(words.length * width)
  for (let plane = 0, at = 0; plane < width; plane++) {
    for (let i = 0; i < words.length; i++, at++) planes[at] = ((words[i] ?? 0) >>> (8 * plane)) & 0xff
  }
  return planes
}

export function fromBytePlanes(planes: Uint8Array, width: WordFormat['width']): Uint32Array {
  const words = new Uint32Array(planes.length / width)
  for (let plane = 0, at = 0; plane < width; plane++) {
    for (let i = 0; i < words.length; i++, at++) words[i] = (words[i] ?? 0) | ((planes[at] ?? 0) << (8 * plane))
  }
  return words
}

/** Little endian, as all processors are that Node runs on here (x64, arm64). A copy: bytes may lie anywhere. */
export function wordsOf(bytes: Uint8Array, width: WordFormat['width']): Uint8Array | Uint16Array | Uint32Array {
  const words = aligned(width, bytes.length)
  new Uint8Array(words.buffer).set(bytes)
  return words
}

function aligned(width: WordFormat['width'], sizeBytes: number) {
  if (width === 1) return new Uint8Array(sizeBytes)
  return width === 2 ? new Uint16Array(sizeBytes / 2) : new Uint32Array(sizeBytes / 4)
}
