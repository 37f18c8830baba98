// Runs as points: one number along each side, a third as colour. A click leads to the run.

import { useCallback, useMemo, useState } from 'preact/hooks'
import { axis, Chart, type Palette } from '../parts/chart.tsx'
import { counted } from '../parts/quantity.tsx'
import { navigate } from '../router.ts'
import { columnTitle } from './column-choice.tsx'
import { isDrawable, whyEmpty } from './drawable.ts'
import { rankCorrelation } from './rank-correlation.ts'
import { type ColumnName, cellOf, figure, numberIn, type Run, runHref } from './run-values.ts'

type Dot = { run: Run; x: number; y: number; colour: number | undefined }

export function RunScatter({ runs, columns }: { runs: readonly Run[]; columns: readonly ColumnName[] }) {
  const numeric = columns.filter((column) => runs.some((run) => numberIn(cellOf(run, column)) !== undefined))
  const [x, setX] = useState<ColumnName>()
  const [y, setY] = useState<ColumnName>()
  const [colour, setColour] = useState<ColumnName | ''>('')
  const [isLogX, setLogX] = useState(false)
  const [isLogY, setLogY] = useState(false)
  const among = (wanted: ColumnName | undefined, usual: number) =>
    numeric.find((column) => column === wanted) ?? numeric[usual] ?? numeric[0]
  const param = numeric.findIndex((column) => column.startsWith('params.'))
  const metric = numeric.findIndex((column) => column.startsWith('metrics.'))
  const xColumn = among(x, param < 0 ? 1 : param)
  const yColumn = among(y, Math.max(0, metric))
  const colourColumn = numeric.find((column) => column === colour)
  const dots = useMemo(
    () =>
      runs.flatMap((run): Dot[] => {
        const [atX, atY] = [numberIn(cellOf(run, xColumn ?? '')), numberIn(cellOf(run, yColumn ?? ''))]
        if (atX === undefined || atY === undefined) return []
        if (!isDrawable(atX, isLogX) || !isDrawable(atY, isLogY)) return []
        const atColour = numberIn(cellOf(run, colourColumn ?? ''))
        return [
          { run, x: atX, y: atY, colour: atColour !== undefined && isDrawable(atColour, false) ? atColour : undefined },
        ]
      }),
    [runs, xColumn, yColumn, colourColumn, isLogX, isLogY],
  )
  const names = { x: xColumn ?? '', y: yColumn ?? '', colour: colourColumn }
  const option = useCallback(
    (palette: Palette) => scatterOption(palette, dots, names, isLogX, isLogY),
    [dots, xColumn, yColumn, colourColumn],
  )
  if (xColumn === undefined || yColumn === undefined)
    return <p class="quiet">None of the chosen params and metrics is a number.</p>
  const select = (label: string, value: ColumnName | '', set: (column: ColumnName) => void, none?: string) => (
    <label>
      {label}
      <select
        value={value}
        onChange={({ currentTarget }) =>
          set((numeric.find((column) => column === currentTarget.value) ?? '') as ColumnName)
        }
      >
        {none !== undefined && <option value="">{none}</option>}
        {numeric.map((column) => (
          <option key={column} value={column}>
            {columnTitle(column, columns)}
          </option>
        ))}
      </select>
    </label>
  )
  const tick = (label: string, value: boolean, set: (value: boolean) => void) => (
    <label class="tick">
      <input type="checkbox" checked={value} onChange={() => set(!value)} />
      {label}
    </label>
  )
  const correlation = rankCorrelation(dots.map(({ x, y }) => [x, y]))
  const said = `${counted(dots.length, 'run')}: ${columnTitle(yColumn, columns)} against ${columnTitle(xColumn, columns)}.${
    correlation === undefined ? '' : ` Spearman’s rank correlation ${correlation.toFixed(2)}.`
  }`
  const empty =
    dots.length === 0
      ? 'No run has both numbers where they can be drawn: up to ±1e300, along a logarithmic axis from 1e-200 to 1e200.'
      : (whyEmpty(
          dots.map(({ x }) => x),
          isLogX,
        ) ??
        whyEmpty(
          dots.map(({ y }) => y),
          isLogY,
        ))
  return (
    <section class="card stack" aria-label="Scatter">
      <div class="runs-tools">
        {select('Along', xColumn, setX)}
        {tick('logarithmic', isLogX, setLogX)}
        {select('Up', yColumn, setY)}
        {tick('logarithmic', isLogY, setLogY)}
        {select('Colour', colourColumn ?? '', setColour, 'none')}
      </div>
      <p>{said}</p>
      {empty === undefined ? (
        <Chart
          label={said}
          height={400}
          option={option}
          onClick={({ dataIndex }) => {
            const dot = dots[dataIndex]
            if (dot !== undefined) navigate(runHref(dot.run.id))
          }}
        />
      ) : (
        <p class="quiet">{empty}</p>
      )}
      <p class="quiet">
        <small>
          {runs.length > dots.length &&
            `${counted(runs.length - dots.length, 'run')} left out: without both numbers, or with one that cannot be drawn. `}
          A click on a point leads to its run; the table has the same numbers.
        </small>
      </p>
    </section>
  )
}

function scatterOption(
  palette: Palette,
  dots: readonly Dot[],
  names: { x: string; y: string; colour: string | undefined },
  isLogX: boolean,
  isLogY: boolean,
) {
  const colours = dots.flatMap(({ colour }) => colour ?? [])
  const side = (name: string, isLog: boolean) => ({
    ...axis(palette),
    type: isLog ? 'log' : 'value',
    scale: true,
    name: name.replace(/^\w+\./, ''),
    nameLocation: 'middle',
  })
  return {
    grid: { left: 64, right: colours.length > 0 ? 96 : 24, top: 16, bottom: 48 },
    xAxis: { ...side(names.x, isLogX), nameGap: 28 },
    yAxis: { ...side(names.y, isLogY), nameGap: 44 },
    ...(colours.length > 0 && {
      visualMap: {
        type: 'continuous',
        dimension: 2,
        min: Math.min(...colours),
        max: Math.max(...colours),
        right: 0,
        top: 'center',
        precision: 3,
        calculable: false,
        text: [figure(Math.max(...colours)), figure(Math.min(...colours))],
        textStyle: { color: palette.quiet },
        inRange: { color: [palette.accent, palette.warn] },
      },
    }),
    series: [
      {
        type: 'scatter',
        symbolSize: 8,
        itemStyle: { opacity: 0.75 },
        data: dots.map(({ run, x, y, colour }) => ({ name: run.name, value: [x, y, colour ?? '-'] })),
        tooltip: {
          formatter: ({ dataIndex }: { dataIndex: number }) => {
            const dot = dots[dataIndex]
            if (dot === undefined) return ''
            const lines = [dot.run.name, `${names.x}: ${figure(dot.x)}`, `${names.y}: ${figure(dot.y)}`]
            if (names.colour !== undefined && dot.colour !== undefined)
              lines.push(`${names.colour}: ${figure(dot.colour)}`)
            return lines.join('\n')
          },
        },
      },
    ],
  }
}
