// What moved, in words, and how a figure stands among a measure's shades.

import type { Movement } from './subject.ts'

/** `its values lie higher, by 0.8 standard deviations`. Sizes other than of place are in the chart's own spread between
 *  healthy windows. */
export function movementWords({ chart, direction, size, category }: Movement): string {
  const isUp = direction === 'up'
  const by = chart === 'place' ? `by ${rounded(size)} standard deviations` : `${rounded(size)} × the usual spread`
  switch (chart) {
    case 'place':
      return `its values lie ${isUp ? 'higher' : 'lower'}, ${by}`
    case 'spread':
      return `its values scatter ${isUp ? 'further out' : 'less'}, ${by}`
    case 'shape':
      return `its distribution has another shape, ${by}`
    case 'crowding':
      return `its values crowd in one place, as of a stuck sensor, ${by}`
    case 'missing':
      return `${isUp ? 'more' : 'fewer'} values are missing, ${by}`
    case 'category':
      return `${category === undefined ? 'values that the baseline does not have are' : `the value ${category} is`} ${isUp ? 'more' : 'less'} frequent, ${by}`
  }
}

/** The sign of a column's movements in one cell: where it went, or that it changed otherwise. */
export function signOf(movements: readonly Movement[], column: string): '' | '▲' | '▼' | '◆' {
  const own = movements.filter((movement) => movement.column === column)
  const place = own.find(({ chart }) => chart === 'place')
  if (place !== undefined) return place.direction === 'up' ? '▲' : '▼'
  return own.length > 0 ? '◆' : ''
}

/** 0 to 4: how many of the four lines the figure has reached. */
export const shadeOf = (value: number, shades: readonly number[]): number =>
  shades.filter((line) => value >= line).length

/** `below 0.1`, `0.1 to 0.2`, …, `0.6 and more`. */
export const shadeNames = (shades: readonly number[]): string[] => [
  `below ${shades[0] ?? 0}`,
  ...shades.map((line, n) => (shades[n + 1] === undefined ? `${line} and more` : `${line} to ${shades[n + 1]}`)),
]

/** `1.8 %` of 0.018. */
export const percent = (share: number): string =>
  `${share > 0 && share < 0.001 ? '< 0.1' : share > 0.999 && share < 1 ? '> 99.9' : Number((100 * share).toFixed(1))} %`

export const rounded = (value: number): string => String(Number(value.toPrecision(2)))

/** Three digits, `–` for what is not known. */
export const figure = (value: number | null): string => (value === null ? '–' : String(Number(value.toPrecision(3))))
