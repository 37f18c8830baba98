// Differences of words, arithmetically coded. Of each difference (zigzag) first whether it is 0, then its length in bits,
// then what stands below the leading one: the first bits with odds of their own, the rest at even odds, for they are noise.
//
// What makes it better than byte planes: training moves weights by amounts that hardly depend on their size, so that in
// units of a float's last place the move is the larger the smaller the weight was. The odds are therefore learned apart
// for each exponent of the base's word, which the reader has too.

import type { WordFormat } from './format.ts'
import { aModel, plainBitsMax, RangeDecoder, RangeEncoder } from './range-coder.ts'
import { wordsOf } from './words.ts'

/** Bits below the leading one that have odds of their own. */
const leadingBits = 3

/** Undefined where it would take more than `bytesMax`. */
export function encodeWords(
  base: Uint8Array,
  differences: Uint32Array,
  words: WordFormat,
  bytesMax: number,
): Uint8Array | undefined {
  const coder = new RangeEncoder(bytesMax)
  const models = modelsFor(words)
  const before = wordsOf(base, words.width)
  let wasZero = 1
  for (let i = 0; i < differences.length; i++) {
    if (coder.isOverfull) return undefined
    const difference = differences[i] ?? 0
    const context = contextOf(before[i] ?? 0, wasZero, words)
    wasZero = Number(difference === 0)
    coder.bit(models.zero, context, 1 - wasZero)
    if (difference === 0) continue
    const below = 31 - Math.clz32(difference)
    for (let bit = models.lengthBits - 1, node = 1; bit >= 0; bit--) {
      const one = (below >> bit) & 1
      coder.bit(models.length, (context << models.lengthBits) + node, one)
      node = node * 2 + one
    }
    let left = below
    for (let node = 1; left > 0 && node < 1 << leadingBits; ) {
      left -= 1
      const one = (difference >>> left) & 1
      coder.bit(models.leading, (below << leadingBits) + node, one)
      node = node * 2 + one
    }
    if (left > plainBitsMax) {
      coder.plain((difference >>> plainBitsMax) & (2 ** (left - plainBitsMax) - 1), left - plainBitsMax)
      left = plainBitsMax
    }
    if (left > 0) coder.plain(difference & (2 ** left - 1), left)
  }
  return coder.finish()
}

/** As many differences as `base` has words.
 *  @throws DeltaError `malformed` */
export function decodeWords(base: Uint8Array, payload: Uint8Array, words: WordFormat): Uint32Array {
  const coder = new RangeDecoder(payload)
  const models = modelsFor(words)
  const before = wordsOf(base, words.width)
  const differences = new Uint32Array(before.length)
  let wasZero = 1
  for (let i = 0; i < differences.length; i++) {
    const context = contextOf(before[i] ?? 0, wasZero, words)
    wasZero = 1 - coder.bit(models.zero, context)
    if (wasZero === 1) continue
    let node = 1
    for (let bit = 0; bit < models.lengthBits; bit++) {
      node = node * 2 + coder.bit(models.length, (context << models.lengthBits) + node)
    }
    const below = node - (1 << models.lengthBits)
    let difference = 1
    let left = below
    for (let path = 1; left > 0 && path < 1 << leadingBits; left--) {
      const one = coder.bit(models.leading, (below << leadingBits) + path)
      path = path * 2 + one
      difference = difference * 2 + one
    }
    if (left > plainBitsMax) {
      difference = difference * 2 ** (left - plainBitsMax) + coder.plain(left - plainBitsMax)
      left = plainBitsMax
    }
    if (left > 0) difference = difference * 2 ** left + coder.plain(left)
    differences[i] = difference
  }
  coder.finish()
  return differences
}

/** `lengthBits`: what the place of the leading one takes: 3, 4 or 5 bits for words of 1, 2 or 4 bytes. */
function modelsFor({ width, contextBits }: WordFormat) {
  const lengthBits = 3 + Math.log2(width)
  const contexts = 2 << contextBits
  return {
    lengthBits,
    zero: aModel(contexts),
    length: aModel(contexts << lengthBits),
    leading: aModel((8 * width) << leadingBits),
  }
}

function contextOf(baseWord: number, wasZero: number, { contextShift, contextBits }: WordFormat): number {
  return (((baseWord >>> contextShift) & ((1 << contextBits) - 1)) << 1) | wasZero
}
