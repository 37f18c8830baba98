// What each comparing gate measures on: which way is worse, where a ratio is meant, how large the margin is there, and how
// a person reads it. On this scale larger is worse, and the margin is a difference.

import type { Gate } from '../plan/gate.ts'

export type ComparingGate = Exclude<Gate, { metric: 'installation' }>

/** Differences on the scale, with the interval's ends; null where so few devices give none. */
export type Effect = { difference: number; low: number | null; high: number | null }

export type Scale = {
  label: string
  /** From the metric's unit to the scale; `factor`s become logarithms. */
  toScale(value: number): number
  /** A level on the scale in the metric's unit. */
  fromScale(level: number): number
  /** A difference on the scale as it is shown: positive is worse; latency as a factor. */
  shown(difference: number): number
  /** Margin on the scale, given what the old version usually shows (a level on the scale). */
  margin(usual: number): number
  /** The metric itself falls where it is worse, so that the interval's upper end is its lower one. */
  falls: boolean
  /** A difference, and a level, in words. */
  inWords(difference: number): string
  levelInWords(level: number): string
  /** The whole effect in words, where a difference from the old version would say it worse. */
  effectInWords?(effect: Effect, margin: number): string
  /** Where the metric is a share of `weight` independent tries: the share that is bad, of a level. */
  badShare?(level: number): number
}

/** What a person calls the gate: `latency p95`, `metric torque`. */
export const labelOf = (gate: Gate): string => (gate.metric === 'installation' ? 'installation' : scaleOf(gate).label)

export function scaleOf(gate: ComparingGate): Scale {
  switch (gate.metric) {
    case 'silence':
      // No counted share: that none of ten devices is silent would never do to exclude one of ten.
      return shares('silent devices', 1, gate.margin)
    case 'error_rate':
      return { ...shares('error rate', 1, gate.margin), badShare: (level) => level }
    case 'agreement':
      return {
        ...shares('agreement', -1, 1 - gate.min),
        badShare: (level) => 1 + level,
        effectInWords: agreementInWords,
      }
    case 'accuracy':
      return { ...shares('accuracy', -1, gate.margin), badShare: (level) => 1 + level }
    case 'prediction_drift':
      return {
        ...plain(gate.output === undefined ? 'prediction drift' : `prediction drift of ${gate.output}`, 1),
        margin: () => gate.margin,
      }
    case 'custom':
      return {
        ...plain(`metric ${gate.name}`, gate.better === 'lower' ? 1 : -1),
        margin: (usual) => (gate.relative ? gate.margin * Math.abs(usual) : gate.margin),
      }
    case 'latency':
      return latency(gate)
  }
}

const plain = (label: string, worse: 1 | -1) => ({
  label,
  falls: worse < 0,
  toScale: (value: number) => worse * value,
  fromScale: (level: number) => worse * level,
  shown: (difference: number) => difference,
  inWords: (difference: number) => signed(worse * difference, (size) => String(Number(size.toPrecision(3)))),
  levelInWords: (level: number) => String(Number((worse * level).toPrecision(3))),
})

const shares = (label: string, worse: 1 | -1, margin: number): Scale => ({
  ...plain(label, worse),
  margin: () => margin,
  inWords: (difference) => signed(worse * difference, percent),
  levelInWords: (level) => percent(worse * level),
})

/** The primary agrees with itself on everything, so the difference from it is what the two do not agree on. */
function agreementInWords({ difference, low, high }: Effect, margin: number): string {
  const agreed = (missing: number) => percent(Math.min(1, Math.max(0, 1 - missing)))
  const ends = [
    ...(high === null ? [] : [`at least ${agreed(high)}`]),
    ...(low === null ? [] : [`at most ${agreed(low)}`]),
  ]
  const range = ends.length === 0 ? 'too few devices for an interval' : ends.join(', ')
  return `candidate and primary agreed on ${agreed(difference)} of the answers (${range}), at least ${agreed(margin)} asked`
}

/** One microsecond: what is faster is not measured. */
const latencyLeastUs = 1

/** Logarithms, because a device half as fast is half as fast in everything. The slack counts where the old version's usual
 *  latency is so short that the ratio would be less. */
function latency(gate: Extract<Gate, { metric: 'latency' }>): Scale {
  return {
    label: `latency p${Number((gate.quantile * 100).toFixed(2))}`,
    falls: false,
    toScale: (us) => Math.log(Math.max(us, latencyLeastUs)),
    fromScale: Math.exp,
    shown: Math.exp,
    margin: (usual) => Math.log(Math.max(gate.ratioMax, 1 + gate.slackUs / Math.exp(usual))),
    inWords: (difference) => `× ${Math.exp(difference).toFixed(2)}`,
    levelInWords: (level) => micros(Math.exp(level)),
  }
}

const signed = (difference: number, inWords: (size: number) => string) =>
  `${difference < 0 ? '−' : '+'}${inWords(Math.abs(difference))}`
const percent = (share: number) => `${Number((share * 100).toFixed(Math.abs(share) < 0.001 ? 3 : 2))} %`
const micros = (us: number) => (us < 1000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(2)} ms`)
