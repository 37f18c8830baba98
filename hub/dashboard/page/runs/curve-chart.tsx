// The curves of one metric, with the same in a table.

import { useCallback } from 'preact/hooks'
import { axis, Chart, type Palette, tooltip } from '../parts/chart.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import {
  type CurveView,
  curveSentence,
  factsOf,
  lineOf,
  loggedLine,
  type RunCurve,
  smoothLine,
  type XY,
  xAxes,
  xText,
} from './curve-lines.ts'
import { leftOut, whyEmpty } from './drawable.ts'
import { duration, figure, runHref } from './run-values.ts'

type Props = {
  metric: string
  runs: readonly { id: string; name: string }[]
  curves: readonly RunCurve[]
  view: CurveView
}

export function CurveChart({ metric, runs, curves, view }: Props) {
  const option = useCallback((palette: Palette) => curveOption(palette, runs, curves, view), [runs, curves, view])
  const named = (curve: RunCurve) => runs.find(({ id }) => id === curve.run)?.name ?? curve.run
  const total = curves.reduce((sum, curve) => sum + curve.total, 0)
  const drawn = curves.reduce((sum, { points }) => sum + points.length, 0)
  const notFinite = curves.reduce((sum, curve) => sum + curve.notFinite, 0)
  const values = curves.flatMap(({ points }) => points.map(({ value }) => value))
  const notDrawn = leftOut(values, view.isLog)
  const empty = whyEmpty(values, view.isLog)
  const notes = [
    counted(total, 'point'),
    ...(drawn < total ? [`${grouped(drawn)} drawn, the extremes among them`] : []),
    ...(notFinite > 0 ? [`${grouped(notFinite)} NaN or infinite, not drawn`] : []),
    ...(notDrawn === undefined ? [] : [notDrawn]),
  ]
  return (
    <section class="card stack curve" aria-label={metric}>
      <div class="title">
        <h2>{metric}</h2>
        <small class="quiet">{notes.join(' · ')}</small>
      </div>
      {total === 0 ? (
        <p class="quiet">Nothing finite was logged.</p>
      ) : (
        <>
          {empty === undefined ? (
            <Chart
              label={`${metric} along ${xAxes[view.x]}. ${curves.map((curve) => curveSentence(named(curve), curve)).join('. ')}.`}
              height={260}
              option={option}
            />
          ) : (
            <p class="quiet">{empty}</p>
          )}
          <details>
            <summary>In figures</summary>
            <ScrollRegion label={`${metric} in figures`}>
              <table>
                <thead>
                  <tr>
                    <th scope="col">Run</th>
                    <th scope="col">Points</th>
                    <th scope="col">First</th>
                    <th scope="col">Last</th>
                    <th scope="col">Least, at step</th>
                    <th scope="col">Greatest, at step</th>
                  </tr>
                </thead>
                <tbody>
                  {curves.map((curve) => (
                    <Row key={curve.run} name={named(curve)} curve={curve} />
                  ))}
                </tbody>
              </table>
            </ScrollRegion>
          </details>
        </>
      )}
    </section>
  )
}

function Row({ name, curve }: { name: string; curve: RunCurve }) {
  const facts = factsOf(curve)
  return (
    <tr>
      <th scope="row">
        <a href={runHref(curve.run)}>{name}</a>
      </th>
      <td>{grouped(curve.total)}</td>
      {facts === undefined ? (
        <td colSpan={4}>none finite</td>
      ) : (
        <>
          <td>{figure(facts.first)}</td>
          <td>{figure(facts.last)}</td>
          <td>
            {figure(facts.least.value)}, {grouped(facts.least.step)}
          </td>
          <td>
            {figure(facts.greatest.value)}, {grouped(facts.greatest.step)}
          </td>
        </>
      )}
    </tr>
  )
}

type Shown = { seriesName?: string; seriesId?: string; value?: XY }

function curveOption(palette: Palette, runs: Props['runs'], curves: readonly RunCurve[], view: CurveView) {
  const { x, isLog, weight } = view
  const isSmooth = weight > 0
  const series = curves.flatMap((curve) => {
    const index = runs.findIndex(({ id }) => id === curve.run)
    const name = runs[index]?.name ?? curve.run
    const { colour, dashes } = lineOf(Math.max(0, index))
    const line = (id: string, data: XY[], opacity: number) => ({
      id: `${id}:${curve.run}`,
      name,
      type: 'line',
      data,
      showSymbol: data.length < 3,
      symbolSize: 6,
      animation: false,
      lineStyle: { color: colour, width: opacity < 1 ? 1 : 1.8, opacity, type: dashes.length === 0 ? 'solid' : dashes },
      itemStyle: { color: colour, opacity },
    })
    return [
      ...(isSmooth ? [line('logged', loggedLine(curve, view), 0.3)] : []),
      line('shown', isSmooth ? smoothLine(curve, view) : loggedLine(curve, view), 1),
    ]
  })
  return {
    grid: { left: 8, right: 16, top: 12, bottom: 28, containLabel: true },
    tooltip: {
      ...tooltip(palette),
      trigger: 'axis',
      formatter: (shown: Shown[]) => {
        const [first] = shown
        const lines = shown
          .filter(({ seriesId }) => seriesId?.startsWith('shown:'))
          .map(({ seriesName, value }) => `${runs.length > 1 ? `${seriesName}: ` : ''}${figure(value?.[1] ?? 0)}`)
        return [xText(first?.value?.[0] ?? 0, x), ...lines.slice(0, 20)].join('\n')
      },
    },
    xAxis: {
      ...axis(palette),
      type: x === 'time' ? 'time' : 'value',
      scale: x !== 'elapsed',
      splitLine: { show: false },
      name: xAxes[x],
      nameLocation: 'middle',
      nameGap: 24,
      axisLabel: {
        color: palette.quiet,
        fontSize: 12,
        hideOverlap: true,
        ...(x === 'elapsed' && { formatter: (ms: number) => duration(ms) }),
      },
    },
    yAxis: {
      ...axis(palette),
      type: isLog ? 'log' : 'value',
      scale: true,
      axisLabel: {
        color: palette.quiet,
        fontSize: 12,
        formatter: (value: number) => figure(Number(value.toPrecision(6))),
      },
    },
    series,
  }
}
