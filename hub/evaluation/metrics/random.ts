// Numbers that are random enough for statistics and the same for the same seed, on every machine.

/** Uniform on [0, 1), in steps of 2^-32. */
export type Uniform = () => number

/** xoshiro128** (Blackman and Vigna 2018, https://prng.di.unimi.it), its state filled from `seed` by SplitMix32 so that
 *  near seeds do not give near sequences. `stream` sets apart the purposes that share a seed. */
export function uniformFrom(seed: number, stream = 0): Uniform {
  const fill = splitMix(seed ^ Math.imul(stream, 0x9e37_79b9))
  let [a, b, c, d] = [fill(), fill(), fill(), fill()]
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = rotate(d, 11)
    return result / 2 ** 32
  }
}

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
