// Half precision (IEEE 754 binary16) as bits in a Uint16Array, so that nothing depends on whether this Node
// has a Float16Array; onnxruntime takes the bits as they are.

const single = new Float32Array(1)
const bits = new Uint32Array(single.buffer)

/** The nearest half-precision value, ties to even; beyond 65,504 it is an infinity. */
export function toHalfBits(value: number): number {
  single[0] = value
  // Rounding to single first and then to half can round twice; nudging to odd (IEEE 754 "round to odd") prevents it.
  let word = bits[0] ?? 0
  if (Number.isFinite(value) && single[0] !== value && (word & 1) === 0) word = towardsOdd(word, value, single[0] ?? 0)
  const sign = (word >>> 16) & 0x8000
  const magnitude = word & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 // not a number
  if (magnitude >= 0x47800000) return sign | 0x7c00 // 65,536 and above
  if (magnitude < 0x33000000) return sign // below half of the smallest subnormal
  if (magnitude < 0x38800000) {
    // Subnormal: the value in units of 2^-24.
    const shift = 126 - (magnitude >>> 23)
    return sign | roundShift((magnitude & 0x7fffff) | 0x800000, shift)
  }
  return sign | roundShift(magnitude - 0x38000000, 13)
}

export function fromHalfBits(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

function roundShift(value: number, shift: number): number {
  const kept = value >>> shift
  const rest = value & ((1 << shift) - 1)
  const half = 1 << (shift - 1)
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept
}

function towardsOdd(word: number, exact: number, rounded: number): number {
  return Math.abs(rounded) > Math.abs(exact) ? word - 1 : word + 1
}
