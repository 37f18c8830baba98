// The axis on which a gate's interval and its margin are drawn, and how its figures are written.

import type { GateVerdict } from './words.ts'

/** Of everything that is drawn on it, and what means that nothing has changed. */
export type Axis = {
  from: number
  to: number
  /** 0 … 1 of a value, which may lie outside: cut at the edges. */
  at: (value: number) => number
  ticks: number[]
  /** A difference as a person reads it: `+1.5 %`, `× 1.2`. */
  inWords: (difference: number) => string
  /** The difference that means that nothing has changed. */
  none: number
}

const isFactor = ({ metric }: Pick<GateVerdict, 'metric'>) => metric === 'latency'
const isShare = ({ metric }: Pick<GateVerdict, 'metric'>) =>
  metric === 'error_rate' || metric === 'accuracy' || metric === 'agreement' || metric === 'silence'

/** @param looks verdicts of one gate, in order; undefined where there is nothing to draw */
export function axisOf(looks: readonly GateVerdict[]): Axis | undefined {
  const last = looks.findLast(({ difference, margin }) => difference !== null && margin !== null)
  if (last === undefined) return undefined
  const none = isFactor(last) ? 1 : 0
  const drawn = looks.flatMap(({ low, high, difference, margin }) => [low, high, difference, margin])
  const scale = isFactor(last) ? Math.log : (value: number) => value
  const back = isFactor(last) ? Math.exp : (value: number) => value
  const values = [none, ...drawn]
    .filter((value) => value !== null && Number.isFinite(scale(value)))
    .map((value) => scale(Number(value)))
  // one wild early look must not make the rest a point: the axis holds the margin's neighbourhood, arrows lead outside
  const reach =
    6 *
    Math.max(
      Math.abs(scale(last.margin ?? none) - scale(none)),
      Math.abs(scale(last.difference ?? none) - scale(none)),
      1e-9,
    )
  const centre = scale(none)
  const least = Math.max(Math.min(...values), centre - reach)
  const most = Math.min(Math.max(...values), centre + reach)
  const pad = (most - least || Math.abs(most) || 1) * 0.06
  const [from, to] = [least - pad, most + pad]
  return {
    from: back(from),
    to: back(to),
    at: (value) => Math.min(1, Math.max(0, (scale(value) - from) / (to - from))),
    ticks: isFactor(last) ? factorTicks(back(from), back(to)) : evenTicks(from, to),
    inWords: (difference) => differenceInWords(last, difference),
    none,
  }
}

const ticksWanted = 4

/** At multiples of 1, 2 or 5 times a power of ten; never more than six. */
export function evenTicks(from: number, to: number): number[] {
  const rough = (to - from) / ticksWanted
  if (!(rough > 0) || !Number.isFinite(rough)) return []
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? 10 * power
  const first = Math.ceil(from / step)
  const count = Math.floor(to / step) - first + 1
  return Array.from({ length: Math.max(0, count) }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** Of factors: each 1, 2 and 5 of a power of ten where that is few, else every power. */
export function factorTicks(from: number, to: number): number[] {
  if (to / from < 2.5) return evenTicks(from, to)
  const first = Math.floor(Math.log10(from))
  const last = Math.ceil(Math.log10(to))
  const powers = Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i))
  const all = powers.flatMap((power) => [1, 2, 5].map((times) => Number((times * power).toPrecision(12))))
  const inside = (value: number) => value >= from && value <= to
  const some = all.filter(inside)
  if (some.length <= ticksWanted + 2) return some
  const tens = powers.filter(inside)
  const every = Math.ceil(tens.length / (ticksWanted + 2))
  return tens.filter((_, i) => i % every === 0)
}

/** By how much worse, as `margin` and `difference` of a verdict have it. */
export function differenceInWords(verdict: Pick<GateVerdict, 'metric'>, difference: number): string {
  if (isFactor(verdict)) return `× ${short(difference)}`
  const sign = difference === 0 ? '' : difference < 0 ? '−' : '+'
  const size = Math.abs(difference)
  return isShare(verdict) ? `${sign}${short(100 * size)} %` : `${sign}${short(size)}`
}

/** A value of the metric, of one side: `2.1 %`, `9.5 ms`. */
export function levelInWords(verdict: Pick<GateVerdict, 'metric'>, level: number): string {
  if (verdict.metric === 'latency') return level < 1_000 ? `${short(level)} µs` : `${short(level / 1_000)} ms`
  return isShare(verdict) ? `${short(100 * level)} %` : short(level)
}

/** Three digits that count, none for nothing. */
export const short = (value: number): string => {
  if (value === 0) return '0'
  const rounded = Number(value.toPrecision(3))
  return Math.abs(rounded) >= 1e6 || Math.abs(rounded) < 1e-4
    ? rounded.toExponential()
    : rounded.toLocaleString('en', { maximumFractionDigits: 6 })
}
