// How the device did over time: latency of each version, errors, memory and processor, out of its own reports.

import { useCallback, useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { axis, Chart, type Palette, tooltip } from '../parts/chart.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { grouped, inBytes } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'

type DeviceSeries = NonNullable<components['schemas']['DeviceSeries']>
type Series = DeviceSeries['series'][number]
type Point = Series['points'][number]

const hours = 24

export function Performance({ device }: { device: string }) {
  const path = { id: device }
  const series = useResource(
    `series ${device}`,
    (signal) => answer(api.GET('/v1/devices/{id}/series', { params: { path, query: { hours } }, signal })),
    [`device:${device}`],
  )
  const { value, error } = series
  if (value === undefined) {
    return error === undefined ? <Loading rows={6} /> : <ErrorState error={error} retry={series.refresh} />
  }
  if (value.series === null) {
    return (
      <EmptyState title="No reports yet">
        <p>A device reports at the end of each window, a minute as a rule.</p>
      </EmptyState>
    )
  }
  return <Charts series={value.series} device={device} />
}

function Charts({ series, device }: { series: DeviceSeries; device: string }) {
  const lines = series.series
  const latency = useCallback((palette: Palette) => latencyOption(palette, series), [series])
  const results = useCallback((palette: Palette) => resultsOption(palette, series), [series])
  const memory = useCallback((palette: Palette) => resourceOption(palette, series, 'rssBytes'), [series])
  const processor = useCallback((palette: Palette) => resourceOption(palette, series, 'cpuRatio'), [series])
  const said = useMemo(() => words(lines), [lines])
  return (
    <div class="stack">
      <p class="quiet">
        From <Time at={series.from} form="full" /> to <Time at={series.to} form="full" />, by the device’s clock
        {series.cut ? '; there were more reports, and the beginning is missing' : ''}.
      </p>
      <div class="columns">
        <section class="card" aria-labelledby="latency">
          <h2 id="latency">Latency of an inference: p50 and p99</h2>
          <Chart label={`Latency over time: ${said.latency}`} option={latency} />
        </section>
        <section class="card" aria-labelledby="results">
          <h2 id="results">Inferences a second</h2>
          <Chart label={`Inferences over time: ${said.results}`} option={results} />
        </section>
        <section class="card" aria-labelledby="memory">
          <h2 id="memory">Memory of the runtime process</h2>
          <Chart label={`Memory over time: ${said.memory}`} option={memory} height={180} />
        </section>
        <section class="card" aria-labelledby="processor">
          <h2 id="processor">Processor time, of one core</h2>
          <Chart label={`Processor time over time: ${said.processor}`} option={processor} height={180} />
        </section>
      </div>
      <VersionTotals device={device} />
    </div>
  )
}

/** Since ever, also of what the charts no longer reach. */
function VersionTotals({ device }: { device: string }) {
  const telemetry = useResource(`totals ${device}`, (signal) =>
    answer(api.GET('/v1/devices/{id}/telemetry', { params: { path: { id: device }, query: { limit: 1 } }, signal })),
  )
  const { value, error } = telemetry
  if (value === undefined) return error === undefined ? <Loading rows={3} /> : <ErrorState error={error} />
  return (
    <section class="card" aria-labelledby="totals">
      <h2 id="totals">Since ever, by version</h2>
      <ScrollRegion label="Counts by version">
        <table class="plain-table">
          <thead>
            <tr>
              <th>Version</th>
              <th>Deployment</th>
              <th class="number">Inferences</th>
              <th class="number">Errors</th>
              <th class="number">Refused</th>
              <th class="number">Error rate</th>
            </tr>
          </thead>
          <tbody>
            {value.versions.map(({ model, version, deployment, ok, error, refused }) => (
              <tr key={`${model} ${version} ${deployment}`}>
                <td>
                  <a href={`/models/${encodeURIComponent(model)}/${version}`}>
                    {model} v{version}
                  </a>
                </td>
                <td class="mono">{deployment}</td>
                <td class="number">{grouped(ok + error)}</td>
                <td class="number">{grouped(error)}</td>
                <td class="number">{grouped(refused)}</td>
                <td class="number">{ok + error === 0 ? '–' : `${grouped((100 * error) / (ok + error))} %`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

const nameOf = ({ model, version, role, deployment }: Series, many: boolean): string =>
  `${many ? `${deployment}: ` : ''}${model} v${version}${role === 'shadow' ? ' (shadow)' : ''}`

const isMany = (lines: readonly Series[]): boolean => new Set(lines.map(({ deployment }) => deployment)).size > 1

/** What all of them have in common: time below, a legend that scrolls above. */
function timeFrame(palette: Palette, { from, to }: DeviceSeries) {
  return {
    grid: { left: 56, right: 16, top: 40, bottom: 8 },
    legend: {
      type: 'scroll',
      top: 0,
      left: 0,
      textStyle: { color: palette.text },
      pageTextStyle: { color: palette.text },
    },
    xAxis: { ...axis(palette), type: 'time', min: Date.parse(from), max: Date.parse(to), splitLine: { show: false } },
    tooltip: { ...tooltip(palette), trigger: 'axis' },
  }
}

const line = { type: 'line', showSymbol: false, connectNulls: false, animation: false } as const
const at = ({ at }: Point): number => Date.parse(at)
const inMs = (us: number | null): number | null => (us === null ? null : us / 1_000)
const short = (value: unknown): string => (typeof value === 'number' ? grouped(value) : '–')

function latencyOption(palette: Palette, series: DeviceSeries) {
  const lines = series.series
  const many = isMany(lines)
  return {
    ...timeFrame(palette, series),
    yAxis: { ...axis(palette), type: 'value', axisLabel: { color: palette.quiet, formatter: '{value} ms' } },
    series: lines.flatMap((own, n) => {
      const color = palette.series[n % palette.series.length]
      const name = nameOf(own, many)
      const valueFormatter = (value: unknown) => `${short(value)} ms`
      return [
        {
          ...line,
          name: `${name} p50`,
          color,
          data: own.points.map((p) => [at(p), inMs(p.p50Us)]),
          tooltip: { valueFormatter },
        },
        {
          ...line,
          name: `${name} p99`,
          color,
          lineStyle: { type: 'dashed', width: 1.5 },
          data: own.points.map((p) => [at(p), inMs(p.p99Us)]),
          tooltip: { valueFormatter },
        },
      ]
    }),
  }
}

/** By the time that the reports stretch: however many lie in a step. */
const perSecond = ({ coveredMs }: Point, count: number): number | null =>
  coveredMs === 0 ? null : (1_000 * count) / coveredMs

function resultsOption(palette: Palette, series: DeviceSeries) {
  const valueFormatter = (value: unknown) => `${short(value)} /s`
  const many = isMany(series.series)
  return {
    ...timeFrame(palette, series),
    yAxis: { ...axis(palette), type: 'value', axisLabel: { color: palette.quiet, formatter: '{value} /s' } },
    series: series.series.flatMap((own, n) => [
      {
        ...line,
        name: `${nameOf(own, many)}, answered`,
        color: palette.series[n % palette.series.length],
        data: own.points.map((p) => [at(p), perSecond(p, p.ok)]),
        tooltip: { valueFormatter },
      },
      ...(own.points.some(({ error, refused }) => error + refused > 0)
        ? [
            {
              ...line,
              name: `${nameOf(own, many)}, failed or refused`,
              color: palette.bad,
              lineStyle: { type: n === 0 ? 'solid' : 'dashed' },
              data: own.points.map((p) => [at(p), perSecond(p, p.error + p.refused)]),
              tooltip: { valueFormatter },
            },
          ]
        : []),
    ]),
  }
}

function resourceOption(palette: Palette, series: DeviceSeries, of: 'rssBytes' | 'cpuRatio') {
  const lines = series.series
  const many = isMany(lines)
  const isMemory = of === 'rssBytes'
  const format = (value: unknown): string =>
    typeof value === 'number' ? `${short(value)} ${isMemory ? 'MiB' : '%'}` : '–'
  return {
    ...timeFrame(palette, series),
    grid: { left: 72, right: 16, top: 40, bottom: 8 },
    yAxis: {
      ...axis(palette),
      type: 'value',
      min: 0,
      splitNumber: 3,
      axisLabel: { color: palette.quiet, formatter: format },
    },
    series: lines.map((own, n) => ({
      ...line,
      name: nameOf(own, many),
      color: palette.series[n % palette.series.length],
      data: own.points.map((p) => [at(p), scaled(p[of], isMemory ? 1 / 1_048_576 : 100)]),
      tooltip: { valueFormatter: format },
    })),
  }
}

const scaled = (value: number | null, by: number): number | null => (value === null ? null : value * by)

/** What each chart shows, for who cannot see it. */
function words(lines: readonly Series[]): { latency: string; results: string; memory: string; processor: string } {
  const many = isMany(lines)
  const each = (say: (points: readonly Point[]) => string) =>
    lines.map((own) => `${nameOf(own, many)} ${say(own.points)}`).join('; ')
  const last = (points: readonly Point[]) => points.at(-1)
  return {
    latency: each(
      (points) =>
        `at last ${short(inMs(last(points)?.p50Us ?? null))} ms for half of them, ${short(inMs(last(points)?.p99Us ?? null))} ms for 99 of 100`,
    ),
    results: each((points) => {
      const sum = (of: (point: Point) => number) => points.reduce((total, point) => total + of(point), 0)
      return `${grouped(sum(({ ok }) => ok))} answered, ${grouped(sum(({ error, refused }) => error + refused))} failed or refused`
    }),
    memory: each(
      (points) => `at last ${last(points)?.rssBytes == null ? 'not told' : inBytes(last(points)?.rssBytes ?? 0)}`,
    ),
    processor: each(
      (points) =>
        `at last ${last(points)?.cpuRatio == null ? 'not told' : `${short(100 * (last(points)?.cpuRatio ?? 0))} %`}`,
    ),
  }
}
