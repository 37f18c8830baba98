// A fast random source that is the same on every machine: xoshiro128** (Blackman & Vigna 2018), seeded by a hash of words.
// A verdict that is judged again from its stored inputs makes the same draws.

import { createHash } from 'node:crypto'

export type Random = {
  /** 32 random bits, as an unsigned number. */
  bits(): number
  /** The next ones, all at once: several times faster. */
  fill(numbers: Uint32Array): void
}

export function seededRandom(seed: string): Random {
  const digest = createHash('sha256').update(seed).digest()
  const state = Int32Array.from({ length: 4 }, (_, i) => digest.readInt32LE(4 * i))
  state[0] = (state[0] ?? 0) | 1 // not all zero
  const one = new Uint32Array(1)
  const fill = (numbers: Uint32Array) => {
    let [a = 0, b = 0, c = 0, d = 0] = state
    for (let i = 0; i < numbers.length; i++) {
      const scrambled = Math.imul(b, 5)
      numbers[i] = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
      const shifted = b << 9
      c ^= a
      d ^= b
      b ^= c
      a ^= d
      c ^= shifted
      d = (d << 11) | (d >>> 21)
    }
    state.set([a, b, c, d])
  }
  const bits = () => {
    fill(one)
    return one[0] ?? 0
  }
  return { bits, fill }
}

/** A whole number from 0 to `bound` - 1 out of 32 random bits. The bias of at most bound / 2^32 is far below what any count
 *  of draws shows. */
export const below = (bits: number, bound: number): number => Math.floor(bits * bound * 2 ** -32)
