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
  const residuals = [values, columnOf(units, ({ treated }) => (treated ? 1 : 0))].map((column) =>
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
  const counts = columnOf(units, ({ weight }) => weight)
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
  const known = columnOf(units, ({ before }) => (before === null ? 0 : 1))
  const pasts = Float64Array.from(units.flatMap(({ before }) => (before === null ? [] : [before])))
  const [low, high] = innerBounds(pasts, Math.max(1, Math.floor(0.01 * pasts.length)))
  const past = columnOf(units, ({ before }) => (before === null ? 0 : clamp(before, low, high)))
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

/** Counts the outermost deviations from what the devices' own past foretells as if they were like the next one. So no
 *  device can decide alone, and what several show is seen. Which are outermost does not depend on who is canary: under
 *  other draws they would be the same, and the test stays exact. */
function winsorise(
  units: readonly Level[],
  strata: Strata,
  weights: Float64Array,
  { past }: Past,
): { values: Float64Array; clipped: Clipped[] } {
  const canary = strata.reduce((sum, { treated }) => sum + treated, 0)
  const outermost = outermostOf(units.length, canary)
  const slope = trimmedSlope(units, strata, weights, past, outermost)
  const deviations = columnOf(units, ({ value }, i) => value - slope * (past[i] ?? 0))
  eachStratum(strata, (from, to) => {
    const median = medianOf(deviations.slice(from, to))
    for (let i = from; i < to; i++) deviations[i] = (deviations[i] ?? 0) - median
  })
  const [low, high] = innerBounds(deviations, outermost)
  const clipped: Clipped[] = []
  const values = columnOf(units, ({ device, value }, i) => {
    const deviation = deviations[i] ?? 0
    const counted = clamp(deviation, low, high)
    if (counted === deviation) return value
    const countedAs = value - deviation + counted
    clipped.push({ device, value, countedAs })
    return countedAs
  })
  return { values, clipped }
}

/** How many devices on either side may lie: 1 % of all, and no more than a tenth of the canaries, whose effect must remain;
 *  always one. */
const outermostOf = (devices: number, canaries: number) =>
  Math.max(1, Math.floor(Math.min(0.01 * devices, 0.1 * canaries)))

/** Values between which all but the outermost on either side lie. */
function innerBounds(values: Float64Array, outermost: number): [low: number, high: number] {
  const sorted = values.toSorted()
  const low = sorted[Math.min(outermost, sorted.length - 1)] ?? 0
  const high = sorted[Math.max(0, sorted.length - 1 - outermost)] ?? 0
  return [Math.min(low, high), Math.max(low, high)]
}

/** How values follow the past; the outermost values trimmed. */
function trimmedSlope(
  units: readonly Level[],
  strata: Strata,
  weights: Float64Array,
  past: Float64Array,
  outermost: number,
): number {
  const values = columnOf(units, ({ value }) => value)
  const [low, high] = innerBounds(values, outermost)
  const trimmed = values.map((value) => clamp(value, low, high))
  centre(trimmed, strata, weights)
  const variance = dot(weights, past, past)
  return variance > least ? dot(weights, past, trimmed) / variance : 0
}

function medianOf(values: Float64Array): number {
  const sorted = values.toSorted()
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2
}

/** Residuals of weighted least squares on the strata, the past and whether there is one. Fitted on all devices with the
 *  margin taken off the canaries, which is the same for every draw, so that the test stays exact (Rosenbaum 2002). */
function withoutPast(column: Float64Array, strata: Strata, weights: Float64Array, { past, known }: Past): Float64Array {
  const residual = Float64Array.from(column)
  centre(residual, strata, weights)
  const all = dot(weights, past, past)
  if (all > least) subtract(residual, past, dot(weights, residual, past) / all)
  const rest = Float64Array.from(known)
  if (all > least) subtract(rest, past, dot(weights, rest, past) / all)
  const left = dot(weights, rest, rest)
  if (left > singular * weights.length) subtract(residual, rest, dot(weights, residual, rest) / left)
  return residual
}

/** A column of zeros and ones that the past explains up to rounding explains nothing more. */
const singular = 1e-9
/** Squares below this are rounding of zero. */
const least = 1e-200

function dot(weights: Float64Array, a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < weights.length; i++) sum += (weights[i] ?? 0) * (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}

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

function columnOf(units: readonly Level[], figure: (unit: Level, i: number) => number): Float64Array {
  const column = new Float64Array(units.length)
  for (const [i, unit] of units.entries()) column[i] = figure(unit, i)
  return column
}
