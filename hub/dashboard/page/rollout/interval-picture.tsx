// A gate's interval beside its margin, a line a look: what is to the right of the margin is worse than allowed.

import { counted } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useWidth } from '../parts/use-width.ts'
import type { GateLook } from './gates-panel.tsx'
import { type Axis, axisOf, differenceInWords } from './scale.ts'
import { outcomes } from './words.ts'

const rowPx = 16
const lastRowPx = 24
const topPx = 20
const axisPx = 34
const edgePx = 12
/** A tick's words are not cut off at an edge. */
const wordsPx = 24

export function IntervalPicture({ looks: all }: { looks: readonly GateLook[] }) {
  const [place, widthPx] = useWidth<HTMLElement>()
  const looks = all.filter(({ verdict }) => verdict.difference !== null)
  const axis = axisOf(looks.map(({ verdict }) => verdict))
  const last = looks.at(-1)
  const margin = last?.verdict.margin ?? null
  if (axis === undefined || last === undefined || margin === null) return null
  const x = (value: number) => edgePx + axis.at(value) * Math.max(0, widthPx - 2 * edgePx)
  const bottom = topPx + (looks.length - 1) * rowPx + lastRowPx
  const isMarginRight = x(margin) > widthPx / 2
  return (
    <figure ref={place}>
      <svg
        class="intervals"
        width={widthPx}
        height={bottom + axisPx}
        role="img"
        aria-label={`Interval of ${last.verdict.label} at each of ${looks.length} looks. ${saidOf(last, margin)}`}
      >
        <rect
          class="beyond"
          x={x(margin)}
          y={topPx - 4}
          width={Math.max(0, widthPx - x(margin))}
          height={bottom - topPx + 4}
        />
        <line class="none" x1={x(axis.none)} x2={x(axis.none)} y1={topPx - 4} y2={bottom} />
        <line class="margin" x1={x(margin)} x2={x(margin)} y1={topPx - 12} y2={bottom} />
        <text
          class="strong"
          x={x(margin) + (isMarginRight ? -4 : 4)}
          y={topPx - 8}
          text-anchor={isMarginRight ? 'end' : 'start'}
        >
          {axis.inWords(margin)} allowed
        </text>
        {looks.map((look, row) => (
          <Row
            key={look.number}
            look={look}
            axis={axis}
            x={x}
            widthPx={widthPx}
            y={topPx + row * rowPx + (row === looks.length - 1 ? lastRowPx : rowPx) / 2}
            isLast={row === looks.length - 1}
          />
        ))}
        <line class="axis" x1={edgePx} x2={widthPx - edgePx} y1={bottom} y2={bottom} />
        {axis.ticks.map((tick) => (
          <g key={tick}>
            <line class="axis" x1={x(tick)} x2={x(tick)} y1={bottom} y2={bottom + 4} />
            <text x={Math.min(Math.max(x(tick), wordsPx), widthPx - wordsPx)} y={bottom + 16} text-anchor="middle">
              {axis.inWords(tick)}
            </text>
          </g>
        ))}
        <text x={edgePx} y={bottom + 30}>
          ← better
        </text>
        <text x={widthPx - edgePx} y={bottom + 30} text-anchor="end">
          worse →
        </text>
      </svg>
      <figcaption class="quiet">
        {looks.length === 1 ? 'One look' : 'Each line is a look, the newest lowest'}: its interval, and the estimate as
        a dot. {all.length > looks.length && `${counted(all.length - looks.length, 'look')} before could not say yet. `}
        Last <Time at={last.at} />.
      </figcaption>
    </figure>
  )
}

type RowProps = {
  look: GateLook
  axis: Axis
  x: (value: number) => number
  widthPx: number
  y: number
  isLast: boolean
}

function Row({ look, axis, x, widthPx, y, isLast }: RowProps) {
  const { low, high, difference, outcome, margin } = look.verdict
  if (difference === null) return null
  const from = low === null ? 0 : x(low)
  const to = high === null ? widthPx : x(high)
  const isOutLeft = low !== null && axis.at(low) === 0
  const isOutRight = high !== null && axis.at(high) === 1
  const half = isLast ? 5 : 3
  return (
    <g class={`interval ${outcomes[outcome].tone}${isLast ? ' last' : ''}`}>
      <title>{`Look ${look.number}: ${saidOf(look, margin)}`}</title>
      <line x1={from} x2={to} y1={y} y2={y} />
      {low !== null && !isOutLeft && <line x1={from} x2={from} y1={y - half} y2={y + half} />}
      {high !== null && !isOutRight && <line x1={to} x2={to} y1={y - half} y2={y + half} />}
      {(isOutRight || axis.at(difference) === 1) && <path d={`M${widthPx - 9} ${y - 4}l8 4l-8 4Z`} />}
      {(isOutLeft || axis.at(difference) === 0) && <path d={`M9 ${y - 4}l-8 4l8 4Z`} />}
      <circle cx={x(difference)} cy={y} r={isLast ? 5 : 3} />
    </g>
  )
}

function saidOf({ verdict }: GateLook, margin: number | null): string {
  const { difference, low, high, outcome } = verdict
  const words = (value: number | null, none: string) => (value === null ? none : differenceInWords(verdict, value))
  const range =
    low === null && high === null
      ? 'too few devices for an interval'
      : `${words(low, 'no lower end')} to ${words(high, 'no upper end')}`
  return `${words(difference, 'no estimate')} (${range}) where ${words(margin, 'nothing')} is allowed: ${outcomes[outcome].title.toLowerCase()}`
}
