// What a comparing gate measures on: which way is worse, where a ratio is meant, how large the margin is there, and how a
// person reads it. On this scale larger is worse, and the margin is a difference. Each metric says its own (../metrics).

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

/** In the metric's own unit, larger or smaller being worse. */
export const plain = (label: string, worse: 1 | -1) => ({
  label,
  falls: worse < 0,
  toScale: (value: number) => worse * value,
  fromScale: (level: number) => worse * level,
  shown: (difference: number) => difference,
  inWords: (difference: number) => signed(worse * difference, short),
  levelInWords: (level: number) => short(worse * level),
})

/** A share, its margin a difference of shares. */
export const shares = (label: string, worse: 1 | -1, margin: number): Scale => ({
  ...plain(label, worse),
  margin: () => margin,
  inWords: (difference) => signed(worse * difference, percent),
  levelInWords: (level) => percent(worse * level),
})

/** What is nothing in the digits that are written has no sign. */
const signed = (difference: number, inWords: (size: number) => string) => {
  const size = inWords(Math.abs(difference))
  return /[1-9]/.test(size) ? `${difference < 0 ? '−' : '+'}${size}` : size
}
/** Three digits that count, as the dashboard has them. */
export const short = (value: number) => String(Number(value.toPrecision(3)))
export const percent = (share: number) => `${Number((share * 100).toFixed(Math.abs(share) < 0.001 ? 3 : 2))} %`
