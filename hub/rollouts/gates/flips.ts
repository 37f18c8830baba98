// The test for differences that each belong to one device or stretch of time: if nothing were wrong beyond the margin, each
// difference could as well have had the other sign (Fisher 1935). Other signs look at least as bad exactly where the flipped
// differences have a mean of at most the margin (Hartigan 1969), so the interval is made of such means.

import type { Random } from '../../seeded-random.ts'
import { drawsMost, drawsNext } from './compare.ts'
import type { Levels } from './spending.ts'
import { pValue, type Tested } from './tested.ts'

export type Difference = { difference: number; weight: number }

/** All sign patterns are tried for at most so many differences. */
const enumeratedMost = 13

/** As `compare`, it stops early where the full number of flips could not fail the gate at `margin`. */
export function flip(
  differences: readonly Difference[],
  margin: number,
  levels: Levels,
  random: Random,
  onlyFailing = false,
): Tested {
  const sorted = differences.toSorted((a, b) => a.difference - b.difference || a.weight - b.weight)
  const d = Float64Array.from(sorted, ({ difference }) => difference)
  const w = Float64Array.from(sorted, ({ weight }) => weight)
  const { sums, weights } =
    d.length <= enumeratedMost ? allFlips(d, w) : someFlips(d, w, margin, levels, random, onlyFailing)
  const draws = sums.length
  const weight = w.reduce((sum, x) => sum + x, 0)
  const difference = d.reduce((sum, x, i) => sum + x * (w[i] ?? 0), 0) / weight
  const square = d.reduce((sum, x, i) => sum + ((w[i] ?? 0) * (x - difference)) ** 2, 0)
  const step = Math.sqrt(square) / weight
  return {
    draws,
    difference,
    step,
    beside: (margin) => countFlips(sums, weights, margin),
    standing: (margin) => {
      const error = Math.max(step, Math.abs(difference - margin) * 1e-3, Number.MIN_VALUE)
      const worseBy = sums.map((sum, j) => -2 * (excessOf(sum, weights[j] ?? 0, margin) / weight / error))
      return { real: (difference - margin) / error, worseBy }
    },
    effects: (margin) => sums.map((sum, j) => difference - (2 * (sum - margin * (weights[j] ?? 0))) / weight),
  }
}

type Flips = { sums: Float64Array; weights: Float64Array }

function allFlips(d: Float64Array, w: Float64Array): Flips {
  const draws = 2 ** d.length - 1
  const flips = { sums: new Float64Array(draws), weights: new Float64Array(draws) }
  const groups = groupsOf(d, w)
  for (let j = 0; j < draws; j++) {
    for (const [g, { sums, weights }] of groups.entries()) {
      const pattern = ((j + 1) >>> (g * groupBits)) & (patterns - 1)
      flips.sums[j] = (flips.sums[j] ?? 0) + (sums[pattern] ?? 0)
      flips.weights[j] = (flips.weights[j] ?? 0) + (weights[pattern] ?? 0)
    }
  }
  return flips
}

function someFlips(
  d: Float64Array,
  w: Float64Array,
  margin: number,
  levels: Levels,
  random: Random,
  onlyFailing: boolean,
): Flips {
  const flips = { sums: new Float64Array(drawsMost), weights: new Float64Array(drawsMost) }
  const groups = groupsOf(d, w)
  let asBad = 0
  let draws = 0
  while (draws < drawsMost) {
    const to = drawsNext(draws, levels, onlyFailing)
    drawFlips(groups, random, flips, draws, to)
    asBad += countFlips(flips.sums.subarray(draws, to), flips.weights.subarray(draws, to), margin).asBad
    draws = to
    if (pValue(asBad, drawsMost) > levels.fail) break
  }
  return { sums: flips.sums.subarray(0, draws), weights: flips.weights.subarray(0, draws) }
}

function drawFlips(groups: readonly Group[], random: Random, flips: Flips, from: number, to: number): void {
  const words = new Uint32Array(Math.ceil(groups.length / groupsPerWord))
  for (let j = from; j < to; j++) {
    random.fill(words)
    let weight = 0
    let sum = 0
    for (let g = 0; g < groups.length; g++) {
      const group = groups[g] as Group // g counts them
      const word = words[Math.floor(g / groupsPerWord)] as number // as many as the groups need
      const pattern = (word >>> (groupBits * (g % groupsPerWord))) & (patterns - 1)
      weight += group.weights[pattern] as number // as many as there are patterns
      sum += group.sums[pattern] as number
    }
    flips.weights[j] = weight
    flips.sums[j] = sum
  }
}

/** Signs are drawn eight at a time: what each pattern of them adds up to is known beforehand. */
const groupBits = 8
const patterns = 2 ** groupBits
const groupsPerWord = 32 / groupBits

/** By pattern, bit i set where the i-th difference of the group has the other sign. */
type Group = { weights: Float64Array; sums: Float64Array }

function groupsOf(d: Float64Array, w: Float64Array): Group[] {
  return Array.from({ length: Math.ceil(d.length / groupBits) }, (_, g) => {
    const group = { weights: new Float64Array(patterns), sums: new Float64Array(patterns) }
    for (let pattern = 1; pattern < patterns; pattern++) {
      const highest = 31 - Math.clz32(pattern)
      const at = g * groupBits + highest
      const rest = pattern - 2 ** highest
      group.weights[pattern] = (group.weights[rest] ?? 0) + (w[at] ?? 0)
      group.sums[pattern] = (group.sums[rest] ?? 0) + (w[at] ?? 0) * (d[at] ?? 0)
    }
    return group
  })
}

function countFlips(sums: Float64Array, weights: Float64Array, margin: number): { asBad: number; asGood: number } {
  let asBad = 0
  let asGood = 0
  for (let j = 0; j < sums.length; j++) {
    const excess = excessOf(sums[j] ?? 0, weights[j] ?? 0, margin)
    if (excess <= 0) asBad++
    if (excess >= 0) asGood++
  }
  return { asBad, asGood }
}

/** By how much the flipped differences lie above the margin; 0 where that is rounding. */
function excessOf(sum: number, weight: number, margin: number): number {
  const excess = sum - margin * weight
  const tolerance = 1e-9 * (Math.abs(sum) + Math.abs(margin) * weight)
  return Math.abs(excess) <= tolerance ? 0 : excess
}
