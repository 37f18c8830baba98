// Differences on one and the same device: candidate beside primary on the same inputs (shadow), or a device beside its own
// past where nobody is left to compare with. Prepared here for the test of flipped signs.

import type { Pair } from './evidence.ts'
import type { Difference } from './flips.ts'
import type { Level } from './scores.ts'

export type Paired = {
  differences: Difference[]
  /** Weighted means on the scale. */
  candidate: number
  primary: number
  devices: number
  /** Mean difference of all but the device that is worst; undefined where fewer than three devices speak. */
  withoutWorst: number | undefined
  /** What was flipped as one. */
  unit: 'device' | 'stretch'
}

/** From so many devices on a device is what is flipped; below, stretches of its time. */
const devicesEnough = 8
/** Stretches that are flipped in all: long ones, because what is next to each other in time resembles each other. */
const stretchesMost = 24

/** @param pairs on the gate's scale */
export function pairedOf(pairs: readonly Pair[]): Paired | undefined {
  const usable = pairs.filter(({ weight }) => weight > 0)
  if (usable.length === 0) return undefined
  const byDevice = [...Map.groupBy(usable, ({ device }) => device).values()]
  const unit = byDevice.length >= devicesEnough ? 'device' : 'stretch'
  const stretches = Math.max(1, Math.floor(stretchesMost / byDevice.length))
  const merged =
    unit === 'device'
      ? byDevice.map(mergePairs)
      : byDevice.flatMap((own) =>
          intoStretches(
            own.toSorted((a, b) => a.block - b.block),
            stretches,
          ).map(mergePairs),
        )
  const devices = byDevice.map(mergePairs).map(({ difference }) => difference)
  const everything = mergePairs(usable)
  return {
    differences: shrinkWeights(unit === 'device' ? withoutLoneExtremes(merged) : merged),
    candidate: everything.candidate,
    primary: everything.primary,
    devices: byDevice.length,
    withoutWorst: meanWithoutWorst(devices),
    unit,
  }
}

/** A device beside its own past; those without one are left out. */
export function againstOwnPast(levels: readonly Level[]): Paired | undefined {
  const known = levels.flatMap(({ treated, value, before, weight }) =>
    treated && before !== null && weight > 0
      ? [{ candidate: value, primary: before, difference: value - before, weight }]
      : [],
  )
  if (known.length === 0) return undefined
  const everything = meanOf(known)
  return {
    differences: shrinkWeights(withoutLoneExtremes(known)),
    candidate: everything.candidate,
    primary: everything.primary,
    devices: known.length,
    withoutWorst: meanWithoutWorst(known.map(({ difference }) => difference)),
    unit: 'device',
  }
}

type Merged = Difference & { candidate: number; primary: number }

const mergePairs = (pairs: readonly Pair[]): Merged =>
  meanOf(pairs.map((pair) => ({ ...pair, difference: pair.candidate - pair.primary })))

function meanOf(parts: readonly Merged[]): Merged {
  const weight = parts.reduce((sum, part) => sum + part.weight, 0)
  const mean = (figure: (part: Merged) => number) =>
    parts.reduce((sum, part) => sum + figure(part) * part.weight, 0) / weight
  return {
    candidate: mean(({ candidate }) => candidate),
    primary: mean(({ primary }) => primary),
    difference: mean(({ difference }) => difference),
    weight,
  }
}

/** Neighbours in time, as many to each as possible. */
function intoStretches<T>(sorted: readonly T[], count: number): T[][] {
  const stretches = Math.min(count, sorted.length)
  return Array.from({ length: stretches }, (_, i) =>
    sorted.slice(Math.round((i * sorted.length) / stretches), Math.round(((i + 1) * sorted.length) / stretches)),
  )
}

/** The outermost on either side counts as the one next to it. */
function withoutLoneExtremes(differences: readonly Difference[]): Difference[] {
  const sorted = differences.map(({ difference }) => difference).sort((a, b) => a - b)
  const low = sorted[1] ?? Number.NEGATIVE_INFINITY
  const high = sorted.at(-2) ?? Number.POSITIVE_INFINITY
  if (low > high) return [...differences]
  return differences.map((one) => ({ ...one, difference: Math.min(Math.max(one.difference, low), high) }))
}

/** n / (n + median n), as for the comparison of devices. */
function shrinkWeights(differences: readonly Difference[]): Difference[] {
  const weights = differences.map(({ weight }) => weight).sort((a, b) => a - b)
  const median = weights[Math.floor(weights.length / 2)] ?? 1
  return differences.map(({ difference, weight }) => ({ difference, weight: weight / (weight + median) }))
}

function meanWithoutWorst(differences: readonly number[]): number | undefined {
  if (differences.length < 3) return undefined
  const rest = differences.toSorted((a, b) => a - b).slice(0, -1)
  return rest.reduce((sum, difference) => sum + difference, 0) / rest.length
}
