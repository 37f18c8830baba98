// How bad a draw looks at a margin: difference of the two means over its standard error, the variances of both sides drawn
// towards each other while few devices speak for one of them (as in Smyth 2004). Studentised, because the same test then
// also holds where the new version changes the spread and not only the mean (Janssen 1997; Chung & Romano 2013).

import { sumsPerDraw } from './redraw.ts'

/** As many devices' worth of the common variance is mixed into each side's own. */
const priorDevices = 10
/** Variance below this share of the mean square is rounding, where all values are alike. */
const rounding = 1e-12

export type Sides = { treated: number; control: number; totals: Float64Array }

/** @param sums of the draws, `sumsPerDraw` each; @param at offset of the draw in it */
export function statisticAt(sums: Float64Array, at: number, margin: number, sides: Sides): number {
  const { treated, control, totals } = sides
  const drawn = (sums[at] ?? 0) - margin * (sums[at + 1] ?? 0)
  const squares = (sums[at + 2] ?? 0) - 2 * margin * (sums[at + 3] ?? 0) + margin * margin * (sums[at + 4] ?? 0)
  const total = (totals[0] ?? 0) - margin * (totals[1] ?? 0)
  const allSquares = (totals[2] ?? 0) - 2 * margin * (totals[3] ?? 0) + margin * margin * (totals[4] ?? 0)
  const rest = total - drawn
  const within = Math.max(0, squares - (drawn * drawn) / treated)
  const withinRest = Math.max(0, allSquares - squares - (rest * rest) / control)
  const common = (within + withinRest) / Math.max(1, treated + control - 2)
  const variance = (priorDevices * common + within) / (priorDevices + treated - 1)
  const varianceRest = (priorDevices * common + withinRest) / (priorDevices + control - 1)
  const floor = (rounding * allSquares) / (treated + control)
  const error = Math.sqrt(Math.max(variance, floor) / treated + Math.max(varianceRest, floor) / control)
  return error > 0 ? (drawn / treated - rest / control) / error : 0
}

/** Draws that look at least as bad, and at least as good, as the real one. Equal up to rounding counts as both. */
export function countBeside(
  real: Float64Array,
  sums: Float64Array,
  from: number,
  to: number,
  margin: number,
  sides: Sides,
): { asBad: number; asGood: number } {
  const seen = statisticAt(real, 0, margin, sides)
  const tolerance = 1e-9 * Math.max(1, Math.abs(seen))
  let asBad = 0
  let asGood = 0
  for (let j = from; j < to; j++) {
    const other = statisticAt(sums, j * sumsPerDraw, margin, sides)
    if (other >= seen - tolerance) asBad++
    if (other <= seen + tolerance) asGood++
  }
  return { asBad, asGood }
}
