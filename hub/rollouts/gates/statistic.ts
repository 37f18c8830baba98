// How bad a draw looks at a margin: difference of the two means over its standard error, the variances of both sides drawn
// towards each other while few devices speak for one of them (as in Smyth 2004). Studentised, because the same test then
// also holds where the new version changes the spread and not only the mean (Janssen 1997; Chung & Romano 2013).

import { sumsPerDraw } from './redraw.ts'
import type { Standing } from './tested.ts'

/** As many devices' worth of the common variance is mixed into each side's own. */
const priorDevices = 10
/** Variance below this share of the mean square is rounding, where all values are alike. */
const rounding = 1e-12

export type Sides = { treated: number; control: number; totals: Float64Array }

/** Draws from `from` to `to` that look at least as bad, and at least as good, as the real one at this margin. Equal up to
 *  rounding counts as both.
 *  @param sums of the draws, `sumsPerDraw` each */
export function countBeside(
  real: Float64Array,
  sums: Float64Array,
  from: number,
  to: number,
  margin: number,
  sides: Sides,
): { asBad: number; asGood: number } {
  const statistic = statisticAt(margin, sides)
  const seen = statistic(real, 0)
  const tolerance = toleranceOf(seen)
  let asBad = 0
  let asGood = 0
  for (let j = from; j < to; j++) {
    const other = statistic(sums, j * sumsPerDraw)
    if (other >= seen - tolerance) asBad++
    if (other <= seen + tolerance) asGood++
  }
  return { asBad, asGood }
}

/** How bad the real draw looks at this margin, and by how much worse each of the first `draws` others does; equal as
 *  `countBeside` has it. */
export function standingAmong(
  real: Float64Array,
  sums: Float64Array,
  draws: number,
  margin: number,
  sides: Sides,
): Standing {
  const statistic = statisticAt(margin, sides)
  const seen = statistic(real, 0)
  const tolerance = toleranceOf(seen)
  const worseBy = new Float64Array(draws)
  for (let j = 0; j < draws; j++) {
    const other = statistic(sums, j * sumsPerDraw)
    const isEqual = other >= seen - tolerance && other <= seen + tolerance
    worseBy[j] = isEqual ? 0 : other - seen
  }
  return { real: seen, worseBy }
}

const toleranceOf = (seen: number): number => 1e-9 * Math.max(1, Math.abs(seen))

/** The statistic at a margin, of the draw whose sums begin at `at`. */
export function statisticAt(margin: number, sides: Sides): (sums: Float64Array, at: number) => number {
  const { treated, control, totals } = sides
  const squared = margin * margin
  const total = (totals[0] ?? 0) - margin * (totals[1] ?? 0)
  const allSquares = (totals[2] ?? 0) - 2 * margin * (totals[3] ?? 0) + squared * (totals[4] ?? 0)
  const floor = (rounding * allSquares) / (treated + control)
  // reciprocals: this runs some hundred thousand times a verdict
  const perTreated = 1 / treated
  const perControl = 1 / control
  const prior = priorDevices / Math.max(1, treated + control - 2)
  const perVariance = 1 / (priorDevices + treated - 1)
  const perVarianceRest = 1 / (priorDevices + control - 1)
  return (sums, at) => {
    const drawn = (sums[at] as number) - margin * (sums[at + 1] as number) // `at` is a multiple of `sumsPerDraw`
    const squares =
      (sums[at + 2] as number) - 2 * margin * (sums[at + 3] as number) + squared * (sums[at + 4] as number)
    const rest = total - drawn
    const within = Math.max(0, squares - drawn * drawn * perTreated)
    const withinRest = Math.max(0, allSquares - squares - rest * rest * perControl)
    const common = prior * (within + withinRest)
    const variance = Math.max((common + within) * perVariance, floor)
    const varianceRest = Math.max((common + withinRest) * perVarianceRest, floor)
    const error = variance * perTreated + varianceRest * perControl
    return error > 0 ? (drawn * perTreated - rest * perControl) / Math.sqrt(error) : 0
  }
}
