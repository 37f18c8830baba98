// What is drawn of curves: along which axis, smoothed or not, and what a sentence says of each. Pure.

import type { components } from '../api-types.d.ts'
import { isDrawable } from './drawable.ts'
import { smoothed } from './ema.ts'
import { duration, figure } from './run-values.ts'

export type RunCurve = components['schemas']['RunCurve']
export const xAxes = { step: 'step', time: 'time', elapsed: 'time since its first point' } as const
export type XAxis = keyof typeof xAxes
export type CurveView = {
  x: XAxis
  isLog: boolean
  /** Of the exponential moving average; 0: none. */
  weight: number
}
type Place = { step: number; timestamp: number }
export type XY = [x: number, y: number]

/** Okabe and Ito's colours, as the charts have them, then the same with dashes: a dozen lines are told apart, and more. */
const colours = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#56b4e9', '#cc79a7']
const dashings = [[], [8, 4], [2, 3], [10, 3, 2, 3]]
export const lineOf = (index: number): { colour: string; dashes: number[] } => ({
  colour: colours[index % colours.length] ?? '',
  dashes: dashings[Math.floor(index / colours.length) % dashings.length] ?? [],
})

/** What was logged, at most the points that the hub kept. */
export function loggedLine(curve: RunCurve, { x, isLog }: CurveView): XY[] {
  const at = placeAlong(curve, x)
  return shown(
    curve.points.map((point): XY => [at(point), point.value]),
    isLog,
  )
}

/** Its moving average. Where the hub gave bins, each is one value that counts as often as it has points. */
export function smoothLine(curve: RunCurve, { x, isLog, weight }: CurveView): XY[] {
  const at = placeAlong(curve, x)
  const base =
    curve.bins.length > 0
      ? curve.bins
      : curve.points.map(({ value, ...place }) => ({ ...place, mean: value, count: 1 }))
  const values = smoothed(base, weight)
  return shown(
    base.map((place, i): XY => [at(place), values[i] ?? 0]),
    isLog,
  )
}

function placeAlong(curve: RunCurve, x: XAxis): (place: Place) => number {
  if (x === 'step') return ({ step }) => step
  const from = x === 'time' ? 0 : (curve.points[0]?.timestamp ?? 0)
  return ({ timestamp }) => timestamp - from
}

const shown = (line: XY[], isLog: boolean): XY[] => line.filter(([, y]) => isDrawable(y, isLog))

export type CurveFacts = {
  first: number
  last: number
  least: RunCurve['points'][number]
  greatest: RunCurve['points'][number]
}

/** Undefined where nothing finite was logged. */
export function factsOf({ points }: Pick<RunCurve, 'points'>): CurveFacts | undefined {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined) return undefined
  const least = points.reduce((least, point) => (point.value < least.value ? point : least))
  const greatest = points.reduce((greatest, point) => (point.value > greatest.value ? point : greatest))
  return { first: first.value, last: last.value, least, greatest }
}

/** In place of the picture. */
export function curveSentence(name: string, curve: RunCurve): string {
  const facts = factsOf(curve)
  if (facts === undefined) return `${name}: no finite point`
  const { first, last, least, greatest } = facts
  return `${name}: from ${figure(first)} to ${figure(last)}, least ${figure(least.value)} at step ${figure(least.step)}, greatest ${figure(greatest.value)} at step ${figure(greatest.step)}`
}

/** The words of an axis. */
export const xText = (value: number, x: XAxis): string =>
  x === 'step'
    ? `step ${new Intl.NumberFormat('en').format(value)}`
    : x === 'elapsed'
      ? duration(value)
      : new Date(value).toLocaleString('en-GB')
