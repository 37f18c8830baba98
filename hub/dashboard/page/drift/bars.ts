// Two distributions on one scale as pairs of bars, few enough to be seen: neighbouring bins are taken together.

export type Bar = {
  /** What it holds: `25.3 to 26.0`, `below 25.3`, `missing`. */
  name: string
  /** Under the bar. */
  short: string
  kind: 'below' | 'bin' | 'above' | 'category' | 'other' | 'missing'
  baseline: number
  current: number
}

type Scale = { type: 'numeric'; edges: number[] } | { type: 'categorical'; values: (string | number)[] }

/** As many as can be told apart beside each other on a phone. */
export const binsShownMax = 12

/** Counts add up: all bars together hold what the counts hold. `baseline`: missing last. */
export function barsOf(scale: Scale, baseline: readonly number[], bins: readonly number[], missing: number): Bar[] {
  const at = (n: number) => ({ baseline: baseline[n] ?? 0, current: bins[n] ?? 0 })
  const none: Bar = {
    name: 'missing',
    short: 'missing',
    kind: 'missing',
    baseline: baseline.at(-1) ?? 0,
    current: missing,
  }
  if (scale.type === 'categorical') {
    const values = scale.values.map(
      (value, n): Bar => ({ name: String(value), short: String(value), kind: 'category', ...at(n) }),
    )
    const other: Bar = { name: 'any other value', short: 'other', kind: 'other', ...at(scale.values.length) }
    return [...values, other, none]
  }
  const { edges } = scale
  const [first = 0] = edges
  const last = edges.at(-1) ?? first
  const inner = Math.max(0, edges.length - 1)
  const groups = Math.min(binsShownMax, inner)
  const shown = Array.from({ length: groups }, (_, group): Bar => {
    const from = Math.floor((group * inner) / groups)
    const to = Math.floor(((group + 1) * inner) / groups)
    const held = Array.from({ length: to - from }, (_, n) => at(from + n + 1))
    const [low, high] = [shortNumber(edges[from] ?? 0), shortNumber(edges[to] ?? 0)]
    return {
      name: `${low} to ${high}`,
      short: low,
      kind: 'bin',
      baseline: held.reduce((sum, bin) => sum + bin.baseline, 0),
      current: held.reduce((sum, bin) => sum + bin.current, 0),
    }
  })
  return [
    { name: `below ${shortNumber(first)}`, short: '<', kind: 'below', ...at(0) },
    ...shown,
    { name: `${shortNumber(last)} and above`, short: '≥', kind: 'above', ...at(edges.length) },
    none,
  ]
}

const shortLengthMax = 9

/** Four digits, as a scale needs no more: `25.31`, and `2.22e-6` of what would be long. */
export function shortNumber(value: number): string {
  const rounded = Number(value.toPrecision(4))
  const plain = String(rounded)
  return plain.length <= shortLengthMax ? plain : rounded.toExponential()
}

/** What share of all rows each bar is; 0 where there is no row. */
export function shareOf(bars: readonly Bar[], side: 'baseline' | 'current'): number[] {
  const total = bars.reduce((sum, bar) => sum + bar[side], 0)
  return bars.map((bar) => (total === 0 ? 0 : bar[side] / total))
}
