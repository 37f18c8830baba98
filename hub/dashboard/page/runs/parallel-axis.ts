// An axis of parallel coordinates: where a value stands on it, from 0 (below) to 1 (above). Pure.

import { type Double, numberIn } from './run-values.ts'

type Value = Double | string | undefined
export type ParallelAxis =
  | { kind: 'number'; from: number; to: number; isLog: boolean }
  /** In order, from below. */
  | { kind: 'category'; names: string[] }

/** More are drawn as one place: `others`. */
export const namesMax = 24
export const others = 'others'
/** From here on an axis of positive numbers counts in powers of ten. */
const logFromRatio = 100

/** Numbers where all are; else names. Undefined where no run has a value. */
export function axisOf(values: readonly Value[]): ParallelAxis | undefined {
  const there = values.filter((value) => value !== undefined)
  if (there.length === 0) return undefined
  const numbers = there.map(numberIn)
  // a metric may be NaN now and then: that makes no name of it
  const isNumber =
    numbers.some((number) => number !== undefined) &&
    there.every((value, i) => numbers[i] !== undefined || isOdd(value))
  if (isNumber) {
    const known = numbers.filter((number) => number !== undefined)
    const from = Math.min(...known)
    const to = Math.max(...known)
    return { kind: 'number', from, to, isLog: from > 0 && to / from >= logFromRatio }
  }
  const names = [...new Set(there.map(String))].sort()
  return { kind: 'category', names: names.length <= namesMax ? names : [...names.slice(0, namesMax - 1), others] }
}

const isOdd = (value: Value): boolean => value === 'NaN' || value === 'Infinity' || value === '-Infinity'

/** Undefined where the axis has no place for it. */
export function placeOn(axis: ParallelAxis, value: Value): number | undefined {
  if (value === undefined) return undefined
  if (axis.kind === 'category') {
    const at = axis.names.indexOf(String(value))
    const place = at >= 0 ? at : axis.names.indexOf(others)
    return place < 0 ? undefined : axis.names.length === 1 ? 0.5 : place / (axis.names.length - 1)
  }
  const number = numberIn(value)
  if (number === undefined || number < axis.from || number > axis.to) return undefined
  if (axis.from === axis.to) return 0.5
  const scale = axis.isLog ? Math.log : (x: number) => x
  // halves, since the span of two doubles may be none
  const span = scale(axis.to) / 2 - scale(axis.from) / 2
  return (scale(number) / 2 - scale(axis.from) / 2) / span
}

/** The number at a place; undefined on an axis of names. */
export function numberAt(axis: ParallelAxis, place: number): number | undefined {
  if (axis.kind === 'category') return undefined
  if (!axis.isLog) return axis.from * (1 - place) + axis.to * place
  return Math.exp(Math.log(axis.from) * (1 - place) + Math.log(axis.to) * place)
}

export type Range = readonly [low: number, high: number]

/** Whether a run lies within every range; one without a value on a ranged axis does not. `places`: by axis. */
export const isWithin = (places: readonly (number | undefined)[], ranges: readonly (Range | undefined)[]): boolean =>
  ranges.every((range, i) => {
    const place = places[i]
    return range === undefined || (place !== undefined && place >= range[0] && place <= range[1])
  })
