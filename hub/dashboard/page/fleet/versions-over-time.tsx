// How many devices each version served on, over time. Drawn here: it is the first page, and small enough to do without
// a library. What is under the pointer is told in the legend.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { grouped, Quantity } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { stackedAreas } from './stacked-areas.ts'

type History = components['schemas']['FleetHistory']
type Series = History['series'][number]

const ranges = [1, 7, 30, 90] as const
const size = { width: 600, height: 160 }
/** The hub counts anew once a minute at most. */
const everyMs = 60_000

export function VersionsOverTime({ query, address }: { query: string; address: URL }) {
  const days = ranges.find((known) => String(known) === address.searchParams.get('days')) ?? 30
  const history = useResource(
    `${days} ${query}`,
    (signal) =>
      answer(
        api.GET('/v1/fleet/history', { params: { query: { days, query: query === '' ? 'all' : query } }, signal }),
      ),
    ['fleet'],
    everyMs,
  )
  const { value } = history
  if (value === undefined || (value.series.length === 0 && days === 30)) return null
  return (
    <section class="card" aria-labelledby="over-time">
      <div class="card-head">
        <h2 id="over-time">Versions in service over time</h2>
        <select
          class="plain"
          aria-label="How far back"
          value={days}
          onChange={({ currentTarget }) =>
            setQuery('days', currentTarget.value === '30' ? undefined : currentTarget.value)
          }
        >
          {ranges.map((range) => (
            <option key={range} value={range}>
              {range === 1 ? '24 hours' : `${range} days`}
            </option>
          ))}
        </select>
      </div>
      {value.series.length === 0 ? (
        <p class="quiet">No device served anything in this time.</p>
      ) : (
        <Areas history={value} />
      )}
    </section>
  )
}

function Areas({ history }: { history: History }) {
  const { series, times, wholeSince } = history
  const [pointed, setPointed] = useState<number>()
  const last = times.length - 1
  const shown = pointed ?? last
  const { areas, top } = stackedAreas(
    series.map(({ devices }) => devices),
    size,
  )
  const point = (event: PointerEvent) => {
    if (!(event.currentTarget instanceof Element)) return
    const { left, width } = event.currentTarget.getBoundingClientRect()
    setPointed(Math.max(0, Math.min(last, Math.round(((event.clientX - left) / width) * last))))
  }
  const x = (size.width * shown) / last
  return (
    <div class="areas">
      <div class="areas-picture">
        <span class="areas-top quiet">{grouped(top)}</span>
        <svg
          viewBox={`0 0 ${size.width} ${size.height}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={inWords(history)}
          onPointerMove={point}
          onPointerLeave={() => setPointed(undefined)}
        >
          {areas.map(({ path }, n) => (
            <path key={nameOf(series[n])} class={`area area-${n % coloursMax}`} d={path} />
          ))}
          {pointed !== undefined && <line class="pointed" x1={x} x2={x} y1="0" y2={size.height} />}
        </svg>
        <div class="areas-axis quiet">
          <Time at={times[0] ?? ''} form="full" />
          <Time at={times[last] ?? ''} form="full" />
        </div>
      </div>
      <div class="areas-legend">
        <p class="quiet">{pointed === undefined ? 'Now' : <Time at={times[shown] ?? ''} form="full" />}</p>
        <ul>
          {[...series.entries()].reverse().map(([n, one]) => (
            <li key={nameOf(one)}>
              <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
                <rect class={`area area-${n % coloursMax}`} width="12" height="12" rx="2" />
              </svg>
              {one.model === null || one.version === null ? (
                <span>{nameOf(one)}</span>
              ) : (
                <a href={`/models/${encodeURIComponent(one.model)}/${one.version}`}>{nameOf(one)}</a>
              )}
              <Quantity value={one.devices[shown] ?? 0} />
            </li>
          ))}
        </ul>
        {wholeSince !== null && (
          <p class="quiet">
            Before <Time at={wholeSince} form="full" /> devices may be missing.
          </p>
        )}
      </div>
    </div>
  )
}

/** Colours that there are; with more areas they come again. */
const coloursMax = 6

const nameOf = (series: Series | undefined): string => {
  if (series === undefined) return ''
  const { deployment, model, version } = series
  if (model === null) return deployment === 'others' ? 'others' : 'unknown bundles'
  return deployment === model ? `${model} v${version}` : `${model} v${version} in ${deployment}`
}

/** For who cannot see it: what it is like at both ends. */
function inWords({ series }: History): string {
  const each = series.map(
    (one) => `${nameOf(one)} from ${grouped(one.devices[0] ?? 0)} to ${grouped(one.devices.at(-1) ?? 0)}`,
  )
  return `Devices on which each version served, from the beginning to now: ${each.join('; ')}`
}
