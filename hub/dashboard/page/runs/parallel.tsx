// Parallel coordinates: an axis for each column, a line for each run. A range drawn on an axis chooses the runs whose
// lines pass through it; the same ranges can be typed.

import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { counted } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { columnTitle } from './column-choice.tsx'
import { axisOf, isWithin, numberAt, type ParallelAxis, placeOn, type Range } from './parallel-axis.ts'
import { Ranges } from './ranges.tsx'
import { type ColumnName, cellOf, comparedMax, figure, type Run, runHref } from './run-values.ts'

export type NamedAxis = { column: ColumnName; title: string; axis: ParallelAxis }

type Props = {
  runs: readonly Run[]
  columns: readonly ColumnName[]
  /** Takes over the runs within the ranges; undefined: they can only be looked at. */
  onChoose?: (ids: string[]) => void
}

const heightPx = 320
const topPx = 40
const bottomPx = 28
const sidePx = 56
const axisPxMin = 104
const listedMax = 10

export function ParallelCoordinates({ runs, columns, onChoose }: Props) {
  const axes = useMemo(
    (): NamedAxis[] =>
      columns.flatMap((column) => {
        const axis = axisOf(runs.map((run) => cellOf(run, column)))
        return axis === undefined ? [] : { column, title: columnTitle(column, columns), axis }
      }),
    [runs, columns.join()],
  )
  const places = useMemo(
    () => runs.map((run) => axes.map(({ column, axis }) => placeOn(axis, cellOf(run, column)))),
    [runs, axes],
  )
  const [ranges, setRanges] = useState<Record<string, Range>>({})
  const given = axes.map(({ column }) => ranges[column])
  const inside = runs.filter((_, i) => isWithin(places[i] ?? [], given))
  const set = (column: string, range: Range | undefined) =>
    setRanges(({ [column]: _, ...rest }) => (range === undefined ? rest : { ...rest, [column]: range }))
  if (axes.length < 2) {
    return <p class="quiet">Choose at least two params or metrics as axes.</p>
  }
  const isRanged = given.some((range) => range !== undefined)
  return (
    <div class="stack">
      <section class="card parallel" aria-label="Parallel coordinates">
        <p>
          {isRanged
            ? `${counted(inside.length, 'run')} of ${runs.length} within the ranges.`
            : `${counted(runs.length, 'run')}. Draw along an axis to choose a range of it; a click takes it away.`}
        </p>
        <Picture {...{ axes, places, ranges, set }} isInside={(i) => isWithin(places[i] ?? [], given)} />
        <p class="quiet">
          <small>Colour goes along the last axis, {axes.at(-1)?.title}. A line ends where a run has no value.</small>
        </p>
      </section>
      <Ranges axes={axes} ranges={ranges} onChange={set} />
      {isRanged && (
        <section class="card stack" aria-label="Runs within the ranges">
          <ul class="run-links">
            {inside.slice(0, listedMax).map(({ id, name }) => (
              <li key={id}>
                <a href={runHref(id)}>{name}</a>
              </li>
            ))}
            {inside.length > listedMax && <li class="quiet">and {inside.length - listedMax} more</li>}
          </ul>
          <div class="row">
            {onChoose !== undefined && (
              <button
                type="button"
                disabled={inside.length === 0 || inside.length > comparedMax}
                title={inside.length > comparedMax ? `At most ${comparedMax} are compared` : undefined}
                onClick={() => onChoose(inside.map(({ id }) => id))}
              >
                Choose these {inside.length}
              </button>
            )}
            <button type="button" class="plain" onClick={() => setRanges({})}>
              Take the ranges away
            </button>
          </div>
        </section>
      )}
    </div>
  )
}

type PictureProps = {
  axes: readonly NamedAxis[]
  places: readonly (readonly (number | undefined)[])[]
  ranges: Record<string, Range>
  set: (column: string, range: Range | undefined) => void
  isInside: (run: number) => boolean
}

function Picture({ axes, places, ranges, set, isInside }: PictureProps) {
  const box = useRef<HTMLDivElement>(null)
  const [widthPx, setWidth] = useState(960)
  useEffect(() => {
    const element = box.current
    if (element === null) return
    const observer = new ResizeObserver(() => setWidth(element.clientWidth))
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  const width = Math.max(widthPx, (axes.length - 1) * axisPxMin + 2 * sidePx)
  const x = (i: number) => sidePx + (i * (width - 2 * sidePx)) / (axes.length - 1)
  const y = (place: number) => topPx + (1 - place) * (heightPx - topPx - bottomPx)
  const paths = useMemo(() => places.map((run) => pathOf(run, x, y)), [places, width])
  const order = places.map((_, i) => i).sort((a, b) => Number(isInside(a)) - Number(isInside(b)))
  return (
    <div ref={box}>
      <ScrollRegion label="Axes and lines">
        <svg width={width} height={heightPx} role="img" aria-label={sentence(axes, places.length)}>
          <g class="lines">
            {order.map((i) => (
              <path
                key={i}
                d={paths[i] ?? ''}
                class={isInside(i) ? 'in' : 'out'}
                style={isInside(i) ? shade(places[i]?.at(-1)) : {}}
              />
            ))}
          </g>
          {axes.map(({ column, title, axis }, i) => (
            <g key={column} class="axis" transform={`translate(${x(i)} 0)`}>
              <title>{column}</title>
              <line y1={y(1)} y2={y(0)} />
              <text class="name" y={14}>
                {shortened(title)}
              </text>
              {ticks(axis).map(({ place, text }) => (
                <text key={place} x={6} y={y(place) + 4}>
                  {shortened(text)}
                </text>
              ))}
              <Brush range={ranges[column]} y={y} onRange={(range) => set(column, range)} column={column} />
            </g>
          ))}
        </svg>
      </ScrollRegion>
    </div>
  )
}

type BrushProps = {
  column: string
  range: Range | undefined
  y: (place: number) => number
  onRange: (range: Range | undefined) => void
}

function Brush({ column, range, y, onRange }: BrushProps) {
  const start = useRef<number | undefined>(undefined)
  const placeAt = (event: PointerEvent): number => {
    const target = event.currentTarget
    if (!(target instanceof SVGElement)) return 0
    const { top } = target.getBoundingClientRect()
    // the area begins above the axis
    const at = event.clientY - top + y(1) - spare
    return Math.max(0, Math.min(1, (y(0) - at) / (y(0) - y(1))))
  }
  const spare = 8
  return (
    <>
      {range !== undefined && (
        <rect class="range" x={-7} width={14} y={y(range[1])} height={Math.max(2, y(range[0]) - y(range[1]))} />
      )}
      <rect
        class="brush"
        data-column={column}
        x={-16}
        width={32}
        y={y(1) - spare}
        height={y(0) - y(1) + 2 * spare}
        onPointerDown={(event) => {
          start.current = placeAt(event)
          event.currentTarget.setPointerCapture(event.pointerId)
        }}
        onPointerMove={(event) => {
          if (start.current === undefined) return
          const at = placeAt(event)
          if (Math.abs(at - start.current) > 0.01) onRange([Math.min(at, start.current), Math.max(at, start.current)])
        }}
        onPointerUp={(event) => {
          const from = start.current
          start.current = undefined
          if (from !== undefined && Math.abs(placeAt(event) - from) <= 0.01) onRange(undefined)
        }}
      />
    </>
  )
}

/** A gap where there is no value. */
function pathOf(run: readonly (number | undefined)[], x: (i: number) => number, y: (place: number) => number): string {
  let isDown = false
  return run
    .map((place, i) => {
      const command = place === undefined ? '' : `${isDown ? 'L' : 'M'}${x(i).toFixed(1)} ${y(place).toFixed(1)}`
      isDown = place !== undefined
      return command
    })
    .join('')
}

const shade = (place: number | undefined) =>
  place === undefined
    ? {}
    : { stroke: `color-mix(in oklab, var(--accent) ${Math.round(100 * (1 - place))}%, var(--warn))` }

function ticks(axis: ParallelAxis): { place: number; text: string }[] {
  if (axis.kind === 'category')
    return axis.names.map((text, i) => ({ text, place: axis.names.length === 1 ? 0.5 : i / (axis.names.length - 1) }))
  if (axis.from === axis.to) return [{ place: 0.5, text: figure(axis.from) }]
  return [0, 0.25, 0.5, 0.75, 1].map((place) => ({
    place,
    text: figure(Number((numberAt(axis, place) ?? 0).toPrecision(3))),
  }))
}

const shortened = (text: string): string => (text.length > 16 ? `${text.slice(0, 15)}…` : text)

const sentence = (axes: readonly NamedAxis[], runs: number): string =>
  `${counted(runs, 'run')} along ${axes
    .map(({ title, axis }) =>
      axis.kind === 'number'
        ? `${title} from ${figure(axis.from)} to ${figure(axis.to)}${axis.isLog ? ' in powers of ten' : ''}`
        : `${title} (${counted(axis.names.length, 'name')})`,
    )
    .join(', ')}. The ranges below choose among them.`
