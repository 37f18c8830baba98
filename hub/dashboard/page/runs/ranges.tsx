// The ranges of parallel coordinates as fields, for the keyboard, and for who wants a number exactly.

import type { NamedAxis } from './parallel.tsx'
import { numberAt, placeOn, type Range } from './parallel-axis.ts'
import { figure, numberIn } from './run-values.ts'

type Props = {
  axes: readonly NamedAxis[]
  ranges: Record<string, Range>
  onChange: (column: string, range: Range | undefined) => void
}

export function Ranges({ axes, ranges, onChange }: Props) {
  return (
    <details class="ranges">
      <summary>Ranges as numbers</summary>
      <div class="ranges-grid">
        {axes.map((axis) => (
          <RangeFields key={axis.column} {...axis} range={ranges[axis.column]} onChange={onChange} />
        ))}
      </div>
    </details>
  )
}

/** So that a name's place is within its range in spite of rounding. */
const beside = 0.001

function RangeFields({
  column,
  title,
  axis,
  range,
  onChange,
}: NamedAxis & { range: Range | undefined } & Pick<Props, 'onChange'>) {
  if (axis.kind === 'category') {
    const current = axis.names.find(
      (name) => range !== undefined && Math.abs((placeOn(axis, name) ?? -1) - (range[0] + range[1]) / 2) < 2 * beside,
    )
    return (
      <label>
        {title}
        <select
          value={current ?? ''}
          onChange={({ currentTarget: { value } }) => {
            const place = value === '' ? undefined : placeOn(axis, value)
            onChange(column, place === undefined ? undefined : [place - beside, place + beside])
          }}
        >
          <option value="">{range === undefined || current !== undefined ? 'any' : 'as drawn'}</option>
          {axis.names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    )
  }
  const bound = (which: 0 | 1) => {
    const drawn = range === undefined ? undefined : numberAt(axis, range[which])
    return (
      <input
        type="number"
        step="any"
        aria-label={`${title}, ${which === 0 ? 'at least' : 'at most'}`}
        placeholder={figure(which === 0 ? axis.from : axis.to)}
        value={drawn === undefined || range?.[which] === which ? '' : Number(drawn.toPrecision(4))}
        onChange={({ currentTarget: { value } }) => {
          const number = numberIn(value)
          const place =
            number === undefined
              ? which
              : clamped(number <= axis.from ? 0 : number >= axis.to ? 1 : (placeOn(axis, number) ?? which))
          const [low, high] = range ?? [0, 1]
          const next: Range = which === 0 ? [place, Math.max(place, high)] : [Math.min(place, low), place]
          onChange(column, next[0] <= 0 && next[1] >= 1 ? undefined : next)
        }}
      />
    )
  }
  return (
    <div class="range-fields" role="group" aria-label={title}>
      <span>{title}</span>
      {bound(0)}
      {bound(1)}
    </div>
  )
}

const clamped = (place: number): number => Math.max(0, Math.min(1, place))
