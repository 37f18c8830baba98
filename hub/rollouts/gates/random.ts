// A fast random source that is the same on every machine: xoshiro128** (Blackman & Vigna 2018), seeded by a hash of words.
// A verdict that is judged again from its stored inputs makes the same draws.

import { createHash } from 'node:crypto'

export type Random = {
  /** A whole number from 0 to `bound` - 1. The bias of at most bound / 2^32 is far below what any count of draws shows. */
  below(bound: number): number
  /** 32 random bits, as an unsigned number. */
  bits(): number
}

export function seededRandom(seed: string): Random {
  const state = createHash('sha256').update(seed).digest()
  let a = state.readInt32LE(0) | 1 // not all zero
  let b = state.readInt32LE(4)
  let c = state.readInt32LE(8)
  let d = state.readInt32LE(12)
  const bits = () => {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result >>> 0
  }
  return { bits, below: (bound) => Math.floor((bits() * bound) / 2 ** 32) }
}
