// The test against other draws (Fisher 1935): the canaries were drawn at random within strata, so if the new version changed
// nothing beyond the margin, any other draw could as well have shown what they show. Counts how many look as bad.

import { bitsBelow, type Random } from '../../seeded-random.ts'
import type { Scores } from './scores.ts'

/** Sums over the drawn devices, five numbers a draw: u, v, u², uv, v². From them the statistic follows for any margin. */
export type Draws = { count: number; sums: Float64Array; isExact: boolean }

export const sumsPerDraw = 5

/** All other draws are made where there are at most so many, and random ones where there are more. */
export const enumeratedMax = 20_000

/** Number of draws there are, the real one included; infinite where it has no exact number. */
export function drawsPossible(strata: Scores['strata']): number {
  return strata.reduce((product, { size, treated }) => product * choose(size, treated), 1)
}

function choose(n: number, k: number): number {
  let result = 1
  const least = Math.min(k, n - k)
  for (let i = 1; i <= least && Number.isFinite(result); i++) result = (result * (n - least + i)) / i
  return Math.round(result)
}

/** The real draw: the first of each stratum. */
export function realDraw({ strata, u, v }: Scores): Float64Array {
  const sums = new Float64Array(sumsPerDraw)
  let from = 0
  for (const { size, treated } of strata) {
    for (let i = from; i < from + treated; i++) add(sums, 0, u[i] ?? 0, v[i] ?? 0)
    from += size
  }
  return sums
}

export function totals({ u, v }: Scores): Float64Array {
  const sums = new Float64Array(sumsPerDraw)
  for (let i = 0; i < u.length; i++) add(sums, 0, u[i] ?? 0, v[i] ?? 0)
  return sums
}

function add(sums: Float64Array, at: number, u: number, v: number): void {
  sums[at] = (sums[at] ?? 0) + u
  sums[at + 1] = (sums[at + 1] ?? 0) + v
  sums[at + 2] = (sums[at + 2] ?? 0) + u * u
  sums[at + 3] = (sums[at + 3] ?? 0) + u * v
  sums[at + 4] = (sums[at + 4] ?? 0) + v * v
}

/** Every draw but the real one. Only for at most `enumeratedMax`. */
export function allOtherDraws({ strata, u, v }: Scores): Draws {
  let all = [new Float64Array(sumsPerDraw)]
  let from = 0
  for (const { size, treated } of strata) {
    const parts = combinations(u.subarray(from, from + size), v.subarray(from, from + size), treated)
    all = all.flatMap((sum) => parts.map((part) => sum.map((value, k) => value + (part[k] ?? 0))))
    from += size
  }
  // The real one is the first of each stratum's combinations, and so the first of all.
  const others = all.slice(1)
  const sums = new Float64Array(others.length * sumsPerDraw)
  for (const [j, sum] of others.entries()) sums.set(sum, j * sumsPerDraw)
  return { count: others.length, sums, isExact: true }
}

/** Sums of all ways to take `taken` of the devices, the first ones first. */
function combinations(u: Float64Array, v: Float64Array, taken: number): Float64Array[] {
  const result: Float64Array[] = []
  const chosen = Array.from({ length: taken }, (_, i) => i)
  for (;;) {
    const sums = new Float64Array(sumsPerDraw)
    for (const i of chosen) add(sums, 0, u[i] ?? 0, v[i] ?? 0)
    result.push(sums)
    const at = chosen.findLastIndex((index, k) => index < u.length - taken + k)
    const next = (chosen[at] ?? 0) + 1
    if (at < 0) return result
    for (let k = at; k < taken; k++) chosen[k] = next + k - at
  }
}

/** So many random draws more, added to `sums` from draw `from` on. Where more than half of a stratum is drawn, those that
 *  are not are drawn and taken off its total. */
export function redraw(
  scores: Scores,
  order: Int32Array,
  random: Random,
  sums: Float64Array,
  from: number,
  to: number,
) {
  const { strata, u, v } = scores
  const parts = strata.map((_, s) => stratumTotals(scores, s))
  const bits = new Uint32Array(strata.reduce((sum, { size, treated }) => sum + Math.min(treated, size - treated), 0))
  for (let j = from; j < to; j++) {
    let u1 = 0
    let v1 = 0
    let u2 = 0
    let uv = 0
    let v2 = 0
    let start = 0
    let used = 0
    random.fill(bits)
    for (let s = 0; s < strata.length; s++) {
      const { size, treated } = strata[s] ?? { size: 0, treated: 0 }
      const isComplement = treated * 2 > size
      const taken = isComplement ? size - treated : treated
      let a = 0
      let b = 0
      let aa = 0
      let ab = 0
      let bb = 0
      // Fisher-Yates, the first `taken` places only; starting from any order gives every subset the same chance.
      for (let k = 0; k < taken; k++) {
        const other = start + k + bitsBelow(bits[used++] as number, size - k)
        const index = order[other] as number // within the stratum's part of `order`
        order[other] = order[start + k] as number
        order[start + k] = index
        const x = u[index] as number // indices are those of the scores
        const y = v[index] as number
        a += x
        b += y
        aa += x * x
        ab += x * y
        bb += y * y
      }
      const total = parts[s]
      if (isComplement && total !== undefined) {
        a = (total[0] ?? 0) - a
        b = (total[1] ?? 0) - b
        aa = (total[2] ?? 0) - aa
        ab = (total[3] ?? 0) - ab
        bb = (total[4] ?? 0) - bb
      }
      u1 += a
      v1 += b
      u2 += aa
      uv += ab
      v2 += bb
      start += size
    }
    const at = j * sumsPerDraw
    sums[at] = u1
    sums[at + 1] = v1
    sums[at + 2] = u2
    sums[at + 3] = uv
    sums[at + 4] = v2
  }
}

function stratumTotals({ strata, u, v }: Scores, stratum: number): Float64Array {
  const from = strata.slice(0, stratum).reduce((sum, { size }) => sum + size, 0)
  const sums = new Float64Array(sumsPerDraw)
  for (let i = from; i < from + (strata[stratum]?.size ?? 0); i++) add(sums, 0, u[i] ?? 0, v[i] ?? 0)
  return sums
}
