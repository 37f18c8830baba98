// Numbers that are random enough for statistics and the same for the same seed, on every machine: what was drawn once is
// drawn again when a verdict or an evaluation is repeated from what is stored of it.

import { createHash } from 'node:crypto'

export type Random = {
  /** 32 random bits, as an unsigned number. */
  bits(): number
  /** The next ones, all at once: several times faster. */
  fill(numbers: Uint32Array): void
}

/** Uniform on [0, 1), in steps of 2^-32. */
export type Uniform = () => number

/** Seeded by a hash of words. */
export function seededRandom(seed: string): Random {
  const digest = createHash('sha256').update(seed).digest()
  const state = Int32Array.from({ length: 4 }, (_, i) => digest.readInt32LE(4 * i))
  state[0] = (state[0] ?? 0) | 1 // not all zero
  const fill = xoshiro128(state)
  const one = new Uint32Array(1)
  const bits = () => {
    fill(one)
    return one[0] ?? 0
  }
  return { bits, fill }
}

/** Numbers made at once. */
const uniformBuffer = 64

/** Seeded by a number, by way of SplitMix32, so that near seeds do not give near sequences. `stream` sets apart the
 *  purposes that share a seed. */
export function uniformFrom(seed: number, stream = 0): Uniform {
  const next = splitMix(seed ^ Math.imul(stream, 0x9e37_79b9))
  const fill = xoshiro128(Int32Array.from({ length: 4 }, next))
  const numbers = new Uint32Array(uniformBuffer)
  let place = uniformBuffer
  return () => {
    if (place === uniformBuffer) {
      fill(numbers)
      place = 0
    }
    const bits = numbers[place] ?? 0
    place += 1
    return bits / 2 ** 32
  }
}

/** A whole number from 0 to below `bound` out of 32 random bits. The bias of at most bound / 2^32 is far below what any
 *  count of draws shows. */
export const bitsBelow = (bits: number, bound: number): number => Math.floor(bits * bound * 2 ** -32)

/** A whole number from 0 to below `count`. */
export const below = (uniform: Uniform, count: number): number => Math.floor(uniform() * count)

/** The numbers 0 to count - 1 in a random order, each order as likely (Durstenfeld 1964). */
export function permutation(uniform: Uniform, count: number): Uint32Array {
  const order = new Uint32Array(count).map((_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = below(uniform, i + 1)
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}

/** xoshiro128** (Blackman and Vigna 2018, https://prng.di.unimi.it). `state`: four words, not all zero; it moves on. */
function xoshiro128(state: Int32Array): (numbers: Uint32Array) => void {
  return (numbers) => {
    let [a = 0, b = 0, c = 0, d = 0] = state
    for (let i = 0; i < numbers.length; i++) {
      numbers[i] = Math.imul(rotate(Math.imul(b, 5), 7), 9)
      const shifted = b << 9
      c ^= a
      d ^= b
      b ^= c
      a ^= d
      c ^= shifted
      d = rotate(d, 11)
    }
    state.set([a, b, c, d])
  }
}

/** Steele, Lea and Flood 2014, the 32-bit finaliser of MurmurHash3. */
function splitMix(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x9e37_79b9) | 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35)
    return mixed ^ (mixed >>> 16)
  }
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by))
