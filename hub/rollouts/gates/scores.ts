// From devices to scores: each device's value without what its own past and its stratum explain, so that all that is left to
// compare are the sums of the scores of the drawn. Linear in the margin: a score is u - margin * v.

/** A unit on the gate's scale (larger is worse). */
export type Level = {
  device: string
  stratum: string
  treated: boolean
  value: number
  before: number | null
  weight: number
}

/** A value that was counted as a less extreme one. */
export type Clipped = { device: string; value: number; countedAs: number }

/** Strata one after the other; within each the treated first. The order depends on what is in the units, never on names
 *  or on the order in which they came, so that sums are the same to the last bit. */
export type Scores = {
  strata: readonly { size: number; treated: number }[]
  u: Float64Array
  v: Float64Array
  /** Weighted means on the scale, not corrected by the past. */
  canary: number
  control: number
  treatedCount: number
  controlCount: number
  /** Inferences (labels, reports) that would say as much about the canary's mean if every device had as many. */
  canaryTries: number
  clipped: Clipped[]
  /** Devices in strata that have no canary or no control. */
  leftOut: { devices: number; strata: number }
}

/** undefined where no stratum has both canary and control. */
export function scoresOf(levels: readonly Level[]): Scores | undefined {
  const groups = [...Map.groupBy(levels, ({ stratum }) => stratum).values()]
  const usable = groups
    .filter((members) => members.some(({ treated }) => treated) && members.some(({ treated }) => !treated))
    .map((members) => members.toSorted(compareLevels))
    .sort(compareStrata)
  if (usable.length === 0) return undefined
  const units = usable.flat()
  const strata = usable.map((members) => ({
    size: members.length,
    treated: members.filter(({ treated }) => treated).length,
  }))
  const weights = weightsOf(units)
  const design = pastOf(units, strata, weights)
  const { values, clipped } = winsorise(units, strata, weights, design)
  const residuals = [values, Float64Array.from(units, ({ treated }) => (treated ? 1 : 0))].map((column) =>
    withoutPast(column, strata, weights, design),
  )
  const scores = residuals.map((column) => column.map((residual, i) => residual * (weights[i] ?? 0)))
  const [u, v] = scores
  if (u === undefined || v === undefined) return undefined
  const mean = (isTreated: boolean) => weightedMean(units, values, weights, isTreated)
  return {
    strata,
    u,
    v,
    canary: mean(true),
    control: mean(false),
    treatedCount: strata.reduce((sum, { treated }) => sum + treated, 0),
    controlCount: strata.reduce((sum, { size, treated }) => sum + size - treated, 0),
    canaryTries: triesOf(units, weights),
    clipped,
    leftOut: { devices: levels.length - units.length, strata: groups.length - usable.length },
  }
}

type Strata = Scores['strata']

const compareLevels = (a: Level, b: Level) =>
  Number(b.treated) - Number(a.treated) ||
  a.value - b.value ||
  (a.before ?? Number.NEGATIVE_INFINITY) - (b.before ?? Number.NEGATIVE_INFINITY) ||
  a.weight - b.weight

function compareStrata(a: readonly Level[], b: readonly Level[]): number {
  if (a.length !== b.length) return a.length - b.length
  for (const [i, level] of a.entries()) {
    const other = b[i]
    const order = other === undefined ? 0 : compareLevels(level, other)
    if (order !== 0 && !Number.isNaN(order)) return order
  }
  return 0
}

/** n / (n + median n): a device with hardly any data says hardly anything, one with very much is still one device. */
function weightsOf(units: readonly Level[]): Float64Array {
  const counts = Float64Array.from(units, ({ weight }) => weight)
  const median = counts.toSorted()[Math.floor(counts.length / 2)] ?? 1
  return counts.map((count) => count / (count + median))
}

function triesOf(units: readonly Level[], weights: Float64Array): number {
  let sum = 0
  let variance = 0
  for (const [i, { treated, weight }] of units.entries()) {
    if (!treated) continue
    sum += weights[i] ?? 0
    variance += (weights[i] ?? 0) ** 2 / weight
  }
  return sum ** 2 / variance
}

function weightedMean(
  units: readonly Level[],
  values: Float64Array,
  weights: Float64Array,
  isTreated: boolean,
): number {
  let sum = 0
  let weight = 0
  for (const [i, { treated }] of units.entries()) {
    if (treated !== isTreated) continue
    sum += (values[i] ?? 0) * (weights[i] ?? 0)
    weight += weights[i] ?? 0
  }
  return sum / weight
}

/** What is known of each device from before: its past (the stratum's mean where it has none) and whether it has one, which
 *  gives those without an intercept of their own. Both without their stratum's mean. */
type Past = { past: Float64Array; known: Float64Array }

function pastOf(units: readonly Level[], strata: Strata, weights: Float64Array): Past {
  const known = Float64Array.from(units, ({ before }) => (before === null ? 0 : 1))
  const [least, most] = innerBounds(
    units.flatMap(({ before }) => (before === null ? [] : [before])),
    1,
  )
  const past = Float64Array.from(units, ({ before }) => (before === null ? 0 : clamp(before, least, most)))
  eachStratum(strata, (from, to) => {
    let sum = 0
    let count = 0
    for (let i = from; i < to; i++) {
      sum += past[i] ?? 0
      count += known[i] ?? 0
    }
    for (let i = from; i < to; i++) if (known[i] === 0) past[i] = count === 0 ? 0 : sum / count
  })
  centre(past, strata, weights)
  centre(known, strata, weights)
  return { past, known }
}

/** Counts what deviates from a device's own past more than all but the outermost controls do as if it deviated as they do;
 *  a canary's deviation stands if as many canaries as may lie, and one more, deviate as far. So no device can decide
 *  alone, and what several show is seen in full. */
function winsorise(
  units: readonly Level[],
  strata: Strata,
  weights: Float64Array,
  { past }: Past,
): { values: Float64Array; clipped: Clipped[] } {
  const slope = controlSlope(units, strata, weights, past)
  const deviations = Float64Array.from(units, ({ value }, i) => value - slope * (past[i] ?? 0))
  eachStratum(strata, (from, to, treated) => {
    const controls = deviations.slice(from + treated, to).toSorted()
    const median = controls[Math.floor(controls.length / 2)] ?? 0
    for (let i = from; i < to; i++) deviations[i] = (deviations[i] ?? 0) - median
  })
  const of = (isTreated: boolean) => [...deviations].filter((_, i) => units[i]?.treated === isTreated)
  const [controlLow, controlHigh] = innerBounds(of(false), controlsTrimmable)
  const [canaryLow, canaryHigh] = innerBounds(of(true), 1)
  const low = Math.min(controlLow, canaryLow)
  const high = Math.max(controlHigh, canaryHigh)
  const clipped: Clipped[] = []
  const values = Float64Array.from(units, ({ device, value }, i) => {
    const deviation = deviations[i] ?? 0
    const counted = clamp(deviation, low, high)
    if (counted === deviation) return value
    const countedAs = value - deviation + counted
    clipped.push({ device, value, countedAs })
    return countedAs
  })
  return { values, clipped }
}

/** Of fewer controls none is trimmed: it would be too large a part of them. */
const controlsTrimmable = 10
/** Outermost share of the devices that may lie, on either side; at least one device. */
const liarShare = 0.01

/** Values between which all but the outermost 1 % (at least one on either side) lie. Empty bounds, if those are all; the
 *  extremes themselves where there are fewer than `least`. */
function innerBounds(values: readonly number[], least: number): [low: number, high: number] {
  const sorted = Float64Array.from(values).sort()
  const trimmed = sorted.length < least ? 0 : Math.max(1, Math.floor(liarShare * sorted.length))
  const low = sorted[trimmed]
  const high = sorted[sorted.length - 1 - trimmed]
  return low === undefined || high === undefined
    ? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
    : [Math.min(low, high), Math.max(low, high)]
}

/** How the controls' values follow their past, so that an effect of the new version does not bend it; outermost values
 *  trimmed. */
function controlSlope(units: readonly Level[], strata: Strata, weights: Float64Array, past: Float64Array): number {
  const [low, high] = innerBounds(
    units.filter(({ treated }) => !treated).map(({ value }) => value),
    controlsTrimmable,
  )
  let covariance = 0
  let variance = 0
  eachStratum(strata, (from, to, treated) => {
    let weight = 0
    let value = 0
    let mean = 0
    for (let i = from + treated; i < to; i++) {
      const w = weights[i] ?? 0
      weight += w
      value += w * clamp(units[i]?.value ?? 0, low, high)
      mean += w * (past[i] ?? 0)
    }
    for (let i = from + treated; i < to; i++) {
      const deviation = (past[i] ?? 0) - mean / weight
      covariance += (weights[i] ?? 0) * deviation * (clamp(units[i]?.value ?? 0, low, high) - value / weight)
      variance += (weights[i] ?? 0) * deviation ** 2
    }
  })
  return variance > 0 ? covariance / variance : 0
}

/** Residuals of weighted least squares on the strata, the past and whether there is one. Fitted on all devices with the
 *  margin taken off the canaries, which is the same for every draw, so that the test stays exact (Rosenbaum 2002). */
function withoutPast(column: Float64Array, strata: Strata, weights: Float64Array, { past, known }: Past): Float64Array {
  const residual = Float64Array.from(column)
  centre(residual, strata, weights)
  const dot = (a: Float64Array, b: Float64Array) =>
    a.reduce((sum, x, i) => sum + (weights[i] ?? 0) * x * (b[i] ?? 0), 0)
  const first = orthogonal(past, dot)
  if (first !== undefined) subtract(residual, first, dot(residual, first) / dot(first, first))
  const rest = Float64Array.from(known)
  const before = dot(rest, rest)
  if (first !== undefined) subtract(rest, first, dot(rest, first) / dot(first, first))
  const left = dot(rest, rest)
  if (left > singular * Math.max(before, 1e-300)) subtract(residual, rest, dot(residual, rest) / left)
  return residual
}

/** A column that is explained by the others up to rounding explains nothing more. */
const singular = 1e-9

const orthogonal = (column: Float64Array, dot: (a: Float64Array, b: Float64Array) => number) =>
  dot(column, column) > 1e-300 ? column : undefined

function subtract(from: Float64Array, column: Float64Array, times: number): void {
  for (let i = 0; i < from.length; i++) from[i] = (from[i] ?? 0) - times * (column[i] ?? 0)
}

/** Takes each stratum's weighted mean off. */
function centre(column: Float64Array, strata: Strata, weights: Float64Array): void {
  eachStratum(strata, (from, to) => {
    let sum = 0
    let weight = 0
    for (let i = from; i < to; i++) {
      sum += (weights[i] ?? 0) * (column[i] ?? 0)
      weight += weights[i] ?? 0
    }
    for (let i = from; i < to; i++) column[i] = (column[i] ?? 0) - sum / weight
  })
}

function eachStratum(strata: Strata, visit: (from: number, to: number, treated: number) => void): void {
  let from = 0
  for (const { size, treated } of strata) {
    visit(from, from + size, treated)
    from += size
  }
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high)
