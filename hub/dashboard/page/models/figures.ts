// Figures of evaluations as they are read: which is better, in which order, and what an interval of a difference says.

import { byName, type Group, largestFirst } from '../../../evaluation/group-order.ts'

export type Figure = { value: number; low: number; high: number }

/** The first that is there is the one shown where there is room for one. */
const leading = ['roc_auc', 'accuracy', 'f1', 'f1_macro', 'r2', 'rmse', 'mae']
const smallerIsBetter =
  /^(?:log_loss|brier|expected_calibration_error|mae|rmse|latency_.*|demographic_parity_difference|equalised_odds_difference)(?:\[.*\])?$/

export const isSmallerBetter = (name: string): boolean => smallerIsBetter.test(name)

/** The names of figures, those that are looked at first at the beginning. */
export function figuresInOrder(figures: Readonly<Record<string, unknown>>): string[] {
  const rank = (name: string) => {
    const at = leading.indexOf(name)
    return at < 0 ? leading.length : at
  }
  return Object.keys(figures).sort((a, b) => rank(a) - rank(b) || byName(a, b))
}

/** Whether it says what another figure of the evaluation says already: the averages over classes where there are two, the
 *  spreads of the only column. */
export function isVariation(name: string, figures: Readonly<Record<string, unknown>>): boolean {
  const plain = name.replace(/(?:_macro|_weighted|\[[^\]]*\])$/, '')
  return plain !== name && Object.hasOwn(figures, plain)
}

export const leadingFigure = (figures: Readonly<Record<string, unknown>>): string | undefined =>
  figuresInOrder(figures)[0]

export type Comparison = 'better' | 'worse' | 'open'

/** What the interval of candidate less champion says: `open` where zero lies in it. */
export function compared(name: string, difference: Figure): Comparison {
  const { low, high } = difference
  if (low > 0) return isSmallerBetter(name) ? 'worse' : 'better'
  if (high < 0) return isSmallerBetter(name) ? 'better' : 'worse'
  return 'open'
}

type Slice = Group & { figures: Readonly<Record<string, Figure | undefined>> }

/** The worst first by one figure; those that have none at the end. Equal ones are in their usual order. */
export function worstFirst<S extends Slice>(slices: readonly S[], name: string): S[] {
  const sign = isSmallerBetter(name) ? -1 : 1
  const worth = (slice: S) => {
    const value = slice.figures[name]?.value
    return value === undefined ? Number.POSITIVE_INFINITY : sign * value
  }
  return largestFirst(slices).sort((a, b) => {
    const [one, other] = [worth(a), worth(b)]
    return one === other ? 0 : one - other
  })
}

const significant = new Intl.NumberFormat('en', { maximumSignificantDigits: 4 })
const fixed = new Intl.NumberFormat('en', { minimumFractionDigits: 4, maximumFractionDigits: 4 })

/** `0.9312`, `1,204`. */
export const shortNumber = (value: number): string =>
  Math.abs(value) < 10 && Math.abs(value) >= 0.001 ? fixed.format(value) : significant.format(value)

/** `+0.0123`. */
export const signed = (value: number): string => `${value > 0 ? '+' : ''}${shortNumber(value)}`.replace('-', '−')

/** A scale over everything that is to be seen on it: maps a value into [0, 1]. Values that are all alike stand in the middle. */
export function scaleOver(values: readonly number[]): (value: number) => number {
  const finite = values.filter(Number.isFinite)
  const [low, high] = [Math.min(...finite), Math.max(...finite)]
  if (finite.length === 0 || high === low) return () => 0.5
  return (value) => Math.min(1, Math.max(0, (value - low) / (high - low)))
}
