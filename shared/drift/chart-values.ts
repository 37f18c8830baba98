// What is looked at in the counts of one window: place, spread, shape, crowding and missing of a number,
// the shares of a category. Never the evenness of the edges themselves: they were cut on the baseline,
// so every later window would look poorer.

import type { Movement } from './verdict.ts'

/** Counts of one column in one window. */
export type Window = { bins: readonly number[]; missing: number }

/** The charts of a number, in the order of their values. */
export const numericCharts = ['place', 'spread', 'shape', 'crowding', 'missing'] as const

type Values = (number | undefined)[]

/** The values of numericCharts; undefined where no row is there to tell. `ridits` of the bins, and to which sixteenth of the
 *  baseline each belongs. Place and spread: 0 over the baseline, at most 1/2 off; shape: Legendre's third polynomial (a component
 *  of Neyman's smooth test, 1937); crowding: the largest share in one sixteenth, high for a stuck sensor. */
export function measureNumber(
  ridits: readonly number[],
  sixteenths: readonly number[],
  { bins, missing }: Window,
): Values {
  const present = sum(bins)
  const missingArc = arcShare(missing, present + missing)
  if (present === 0) return [undefined, undefined, undefined, undefined, missingArc]
  let place = 0
  let spread = 0
  let shape = 0
  const crowds = new Array<number>(16).fill(0)
  for (let i = 0; i < bins.length; i++) {
    const count = bins[i] ?? 0
    const y = 2 * (ridits[i] ?? 0.5) - 1
    place += count * y
    spread += count * Math.abs(y)
    shape += count * (5 * y * y * y - 3 * y)
    const sixteenth = sixteenths[i] ?? 0
    crowds[sixteenth] = (crowds[sixteenth] ?? 0) + count
  }
  const crowding = arcShare(Math.max(...crowds), present)
  return [place / (2 * present), spread / present - 0.5, shape / (4 * present), crowding, missingArc]
}

/** The share of each category, of any other value, and of missing rows, each as its arcsine root: the same spread at any share. */
export function measureCategories({ bins, missing }: Window): Values {
  const present = sum(bins)
  return [...bins.map((count) => arcShare(count, present)), arcShare(missing, present + missing)]
}

/** The least deviation between windows of independent rows: what chance alone gives. */
export function chanceDeviation(kind: Movement['chart'], rows: number): number {
  if (kind === 'place' || kind === 'spread') return Math.sqrt(1 / (12 * rows))
  return kind === 'shape' ? Math.sqrt(1 / (7 * rows)) / 2 : 0.5 / Math.sqrt(rows)
}

/** P(below bin i) + P(in bin i) / 2 (Bross 1958). */
export function ridit(counts: readonly number[]): number[] {
  const total = sum(counts)
  let below = 0
  return counts.map((count) => {
    const middle = total === 0 ? 0.5 : (below + count / 2) / total
    below += count
    return middle
  })
}

/** Which sixteenth of the baseline each bin lies in, by its ridit. */
export function sixteenthOf(ridits: readonly number[]): number[] {
  return ridits.map((middle) => Math.min(15, Math.floor(16 * middle)))
}

function arcShare(count: number, of: number): number | undefined {
  return of === 0 ? undefined : Math.asin(Math.sqrt(count / of))
}

export function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
