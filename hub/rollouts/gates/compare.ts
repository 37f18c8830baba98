// Canary beside control: makes as many other draws as the answer needs, and no more.

import type { Random } from '../../seeded-random.ts'
import { allOtherDraws, drawsPossible, enumeratedMax, realDraw, redraw, sumsPerDraw, totals } from './redraw.ts'
import type { Scores } from './scores.ts'
import type { Levels } from './spending.ts'
import { countBeside, type Sides, standingAmong } from './statistic.ts'
import { pValue, type Tested } from './tested.ts'

/** Draws after which passing is decided, and failing unless it is close; more where the level to pass is small. */
export const drawsFirst = (pass: number) => Math.min(drawsMost, Math.max(999, Math.ceil(10 / pass)))
/** Draws after which failing is decided: a p-value of one in ten thousand can be told. */
export const drawsMost = 9_999
/** Between these: looked at after every so many whether failing is still possible. */
export const drawsChunk = 2_000
/** The same where nothing else is asked, from the first draw on. */
const drawsChunkOfFailing = 200

/** The smallest p-value that any draw of these devices could give. */
export const smallestP = (strata: Scores['strata']): number => 1 / drawsPossible(strata)

/** Stops early once it is certain that the full number of draws could not fail the gate: the answer is that of the full
 *  number, so stopping costs nothing (curtailed sampling, as in Besag & Clifford 1991).
 *  @param onlyFailing whether it fails is all that is asked: then it makes none of the draws that passing takes */
export function compare(scores: Scores, margin: number, levels: Levels, random: Random, onlyFailing = false): Tested {
  const real = realDraw(scores)
  const all = totals(scores)
  const sides: Sides = { treated: scores.treatedCount, control: scores.controlCount, totals: all }
  const { sums, draws } =
    drawsPossible(scores.strata) <= enumeratedMax
      ? enumerated(scores)
      : sampled(scores, real, sides, margin, levels, random, onlyFailing)
  const perCanary = real[1] ?? 0
  const difference = perCanary > 0 ? (real[0] ?? 0) / perCanary : 0
  const spread = (all[2] ?? 0) - 2 * difference * (all[3] ?? 0) + difference * difference * (all[4] ?? 0)
  const meanSquare = Math.max(0, spread) / scores.u.length
  return {
    draws,
    difference,
    step: perCanary > 0 ? Math.sqrt(meanSquare * sides.treated) / perCanary : 0,
    beside: (at) => countBeside(real, sums, 0, draws, at, sides),
    standing: (at) => standingAmong(real, sums, draws, at, sides),
    effects: (at) => effectsOf(sums, draws, at, perCanary),
  }
}

/** How many there are to be before one looks whether failing is still possible. */
export function drawsNext(draws: number, levels: Levels, onlyFailing: boolean): number {
  if (onlyFailing) return Math.min(drawsMost, draws + drawsChunkOfFailing)
  return Math.min(drawsMost, draws === 0 ? drawsFirst(levels.pass) : draws + drawsChunk)
}

function effectsOf(sums: Float64Array, draws: number, margin: number, perCanary: number): Float64Array {
  const effects = new Float64Array(draws).fill(margin)
  if (perCanary <= 0) return effects
  for (let j = 0; j < draws; j++) {
    const drawn = (sums[j * sumsPerDraw] ?? 0) - margin * (sums[j * sumsPerDraw + 1] ?? 0)
    effects[j] = margin + drawn / perCanary
  }
  return effects
}

function enumerated(scores: Scores): { sums: Float64Array; draws: number } {
  const { sums, count } = allOtherDraws(scores)
  return { sums, draws: count }
}

function sampled(
  scores: Scores,
  real: Float64Array,
  sides: Sides,
  margin: number,
  levels: Levels,
  random: Random,
  onlyFailing: boolean,
): { sums: Float64Array; draws: number } {
  const order = Int32Array.from(scores.u, (_, i) => i)
  const sums = new Float64Array(drawsMost * sumsPerDraw)
  let asBad = 0
  let draws = 0
  while (draws < drawsMost) {
    const to = drawsNext(draws, levels, onlyFailing)
    redraw(scores, order, random, sums, draws, to)
    asBad += countBeside(real, sums, draws, to, margin, sides).asBad
    draws = to
    if (pValue(asBad, drawsMost) > levels.fail) break
  }
  return { sums, draws }
}
