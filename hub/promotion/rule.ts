// The rules of quality gates as data, and their one way to be written:
// `accuracy >= champion - 0.01 with 95 % confidence`, `size <= 4 MB`, `runs on raspberry-pi-5`.

/** What is compared. `slice`: on the rows whose column has the value; without a value, between all groups of the column
 *  (`equalised_odds_difference[site]`). */
export type Metric =
  | { source: 'evaluation'; name: string; slice?: { column: string; value?: string } }
  /** As the registration brought it: `metrics.loss`. */
  | { source: 'registration'; name: string }
  /** Of the version's files. */
  | { source: 'version'; name: VersionMeasure }

/** `size`: bytes of all files of a bundle; `parameters`: numbers in the weights. The largest variant counts. */
export const versionMeasures = ['size', 'parameters'] as const
export type VersionMeasure = (typeof versionMeasures)[number]

export const comparators = ['>=', '<=', '>', '<'] as const
export type Comparator = (typeof comparators)[number]

/** Bytes in one of each. */
export const byteUnits = { B: 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1_048_576, GiB: 1_073_741_824 } as const
export type ByteUnit = keyof typeof byteUnits

/** `unit` only beside `size`; without one it is bytes there. */
export type Quantity = { number: number; unit?: ByteUnit }

export type Bound =
  | { kind: 'number'; quantity: Quantity }
  /** The champion's own value, plus a signed offset. */
  | { kind: 'champion'; offset: Quantity }
  /** The champion's own value times a factor. */
  | { kind: 'share-of-champion'; factor: number }

export type Rule =
  | {
      kind: 'compare'
      metric: Metric
      comparator: Comparator
      bound: Bound
      /** Percent, one-sided: how sure one has to be that the comparison holds. Undefined: the figure itself is compared. */
      confidence?: number
    }
  | { kind: 'runs-on'; profile: string }

export const bareName = /[\p{L}\p{N}_][\p{L}\p{N}_./:@-]*/u
const wholeBareName = new RegExp(`^(?:${bareName.source})$`, 'u')
export const metricName = /[A-Za-z_][A-Za-z0-9_]*/

/** The rule in its canonical form; `parseRule` reads it back as the same rule. */
export function printRule(rule: Rule): string {
  if (rule.kind === 'runs-on') return `runs on ${rule.profile}`
  const { metric, comparator, bound, confidence } = rule
  const sure = confidence === undefined ? '' : ` with ${confidence} % confidence`
  return `${printMetric(metric)} ${comparator} ${printBound(bound)}${sure}`
}

export function printMetric(metric: Metric): string {
  if (metric.source === 'registration') return `metrics.${printName(metric.name)}`
  if (metric.source === 'version' || metric.slice === undefined) return metric.name
  const { column, value } = metric.slice
  return `${metric.name}[${printName(column)}${value === undefined ? '' : `=${printName(value)}`}]`
}

function printBound(bound: Bound): string {
  switch (bound.kind) {
    case 'number':
      return printQuantity(bound.quantity)
    case 'share-of-champion':
      return `champion * ${bound.factor}`
    case 'champion': {
      const { offset } = bound
      if (offset.number === 0) return 'champion'
      return `champion ${offset.number < 0 ? '-' : '+'} ${printQuantity({ ...offset, number: Math.abs(offset.number) })}`
    }
  }
}

const printQuantity = ({ number, unit }: Quantity): string => (unit === undefined ? `${number}` : `${number} ${unit}`)

const printName = (name: string): string =>
  wholeBareName.test(name) ? name : `"${name.replaceAll(/["\\]/g, (letter) => `\\${letter}`)}"`

/** The quantity as a plain number: bytes where it has a unit. */
export const amountOf = ({ number, unit }: Quantity): number => number * (unit === undefined ? 1 : byteUnits[unit])
