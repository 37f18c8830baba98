// How many different values there are, in 4 KiB: HyperLogLog (Flajolet et al., 2007) with the estimator of Ertl, "New
// cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no table of corrections.

/** 2^12 registers: standard error 1.04 / sqrt(4096) = 1.6 %. */
const registerBits = 12
const registers = 1 << registerBits
/** Bits of the second hash, whose leading zeros are counted. */
const rankBits = 32

export type DistinctCount = { add(value: string | number): void; estimate(): number }

export function createDistinctCount(): DistinctCount {
  const ranks = new Uint8Array(registers)
  return {
    add: (value) => {
      const [place, rest] = typeof value === 'number' ? hashNumber(value) : hashText(value)
      const register = place >>> (32 - registerBits)
      ranks[register] = Math.max(ranks[register] ?? 0, Math.clz32(rest) + 1)
    },
    estimate: () => Math.round(estimateOf(ranks)),
  }
}

function estimateOf(ranks: Uint8Array): number {
  const counts = new Float64Array(rankBits + 2)
  for (const rank of ranks) counts[rank] = (counts[rank] ?? 0) + 1
  let z = registers * tau(1 - (counts[rankBits + 1] ?? 0) / registers)
  for (let rank = rankBits; rank >= 1; rank--) z = 0.5 * (z + (counts[rank] ?? 0))
  z += registers * sigma((counts[0] ?? 0) / registers)
  return (registers * registers) / (2 * Math.LN2 * z)
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY
  let x = share
  let y = 1
  let z = share
  for (let before = -1; z !== before; ) {
    x *= x
    before = z
    z += x * y
    y += y
  }
  return z
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0
  let x = share
  let y = 1
  let z = 1 - share
  for (let before = -1; z !== before; ) {
    x = Math.sqrt(x)
    before = z
    y *= 0.5
    z -= (1 - x) ** 2 * y
  }
  return z / 3
}

const numberBits = new Float64Array(1)
const numberWords = new Uint32Array(numberBits.buffer)

function hashNumber(value: number): [number, number] {
  numberBits[0] = value
  const [low = 0, high = 0] = numberWords
  return [mix(mix(low ^ 0x9e3779b9) ^ high), mix(mix(high ^ 0x7f4a7c15) ^ low)]
}

/** FNV-1a twice, from two starts, finished by the mixer. */
function hashText(text: string): [number, number] {
  let a = 0x811c9dc5
  let b = 0x01000193
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    a = Math.imul(a ^ unit, 0x01000193)
    b = Math.imul(b ^ unit, 0x5bd1e995) ^ (b >>> 15)
  }
  return [mix(a), mix(b)]
}

/** The finaliser of MurmurHash3. */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
