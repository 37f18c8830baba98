// A figure as its interval: a line from the low to the high end, a dot where the value is, a mark where it is to be
// compared with. The numbers stand beside it; the picture is for the eye.

import { type Figure, scaleOver } from './figures.ts'

const width = 160
const height = 20
const edge = 6

/** `over`: everything that the scale is to hold. `mark`: drawn as a vertical line. */
export function Interval({
  figure,
  over,
  mark,
  tone = 'plain',
}: {
  figure: Figure
  over: readonly number[]
  mark?: number | undefined
  tone?: 'plain' | 'good' | 'bad'
}) {
  const scale = scaleOver(over)
  const x = (value: number) => edge + scale(value) * (width - 2 * edge)
  const middle = height / 2
  return (
    <svg class={`interval ${tone}`} viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
      {mark !== undefined && <line class="mark" x1={x(mark)} x2={x(mark)} y1={1} y2={height - 1} />}
      <line class="span" x1={x(figure.low)} x2={x(figure.high)} y1={middle} y2={middle} />
      <circle cx={x(figure.value)} cy={middle} r={4} />
    </svg>
  )
}
