// Curves of metrics, of one run or of several in one picture: one chart for each metric, with what all of them share.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { CurveChart } from './curve-chart.tsx'
import { type CurveView, lineOf, type XAxis, xAxes } from './curve-lines.ts'

type Props = {
  runs: readonly { id: string; name: string }[]
  /** All there are to choose from. */
  metrics: readonly string[]
  address: URL
  topics: readonly string[]
}

/** Points of a curve: two for each pixel of a chart, which are enough where the hub keeps the extremes. */
const pointsMax = 1_200
const usualMetrics = 4
const metricsMax = 8

export function Curves({ runs, metrics, address, topics }: Props) {
  const asked = address.searchParams.get('metrics')?.split(',')
  const shown = asked === undefined ? metrics.slice(0, usualMetrics) : metrics.filter((key) => asked.includes(key))
  const [view, setView] = useState<CurveView>({ x: 'step', isLog: false, weight: 0 })
  const by = view.x === 'step' ? 'step' : 'time'
  const ids = runs.map(({ id }) => id).join()
  const curves = useResource(
    JSON.stringify([ids, shown, by]),
    async (signal) =>
      shown.length === 0
        ? []
        : (
            await answer(
              api.GET('/v1/runs/curves', {
                params: { query: { ids, metrics: shown.join(), by, points: pointsMax } },
                signal,
              }),
            )
          ).curves,
    topics,
  )
  const drawn = curves.value
  if (metrics.length === 0) {
    return (
      <EmptyState title="No metrics">
        <p>{runs.length === 1 ? 'The run has logged none.' : 'The runs have logged none.'}</p>
      </EmptyState>
    )
  }
  const toggle = (metric: string) => {
    const next = shown.includes(metric) ? shown.filter((other) => other !== metric) : [...shown, metric]
    setQuery('metrics', next.length === 0 ? ' ' : next.join())
  }
  return (
    <section class="stack" aria-label="Curves">
      <div class="chips" role="group" aria-label="Metrics">
        {metrics.map((metric) => (
          <button
            key={metric}
            type="button"
            class="chip"
            aria-pressed={shown.includes(metric)}
            disabled={!shown.includes(metric) && shown.length >= metricsMax}
            onClick={() => toggle(metric)}
          >
            {metric}
          </button>
        ))}
      </div>
      <Controls view={view} onView={setView} />
      {runs.length > 1 && <Legend runs={runs} />}
      {drawn === undefined ? (
        curves.error === undefined ? (
          <Loading rows={8} what="The curves are loading" />
        ) : (
          <ErrorState error={curves.error} retry={curves.refresh} />
        )
      ) : (
        <div class={shown.length > 1 ? 'columns' : 'stack'}>
          {shown.map((metric) => (
            <CurveChart
              key={metric}
              metric={metric}
              runs={runs}
              curves={drawn.filter((curve) => curve.metric === metric)}
              view={view}
            />
          ))}
        </div>
      )}
    </section>
  )
}

function Controls({ view, onView }: { view: CurveView; onView: (view: CurveView) => void }) {
  return (
    <div class="runs-tools curve-controls">
      <label>
        Along
        <select
          value={view.x}
          onChange={({ currentTarget }) => {
            const x = (Object.keys(xAxes) as XAxis[]).find((known) => known === currentTarget.value) ?? 'step'
            onView({ ...view, x })
          }}
        >
          {Object.entries(xAxes).map(([key, title]) => (
            <option key={key} value={key}>
              {title}
            </option>
          ))}
        </select>
      </label>
      <label class="tick">
        <input type="checkbox" checked={view.isLog} onChange={() => onView({ ...view, isLog: !view.isLog })} />
        logarithmic
      </label>
      <label class="smoothing">
        Smoothing
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={view.weight}
          onInput={({ currentTarget }) => onView({ ...view, weight: Number(currentTarget.value) })}
        />
      </label>
      <small class="quiet">
        {view.weight === 0
          ? 'As logged.'
          : `Exponential moving average, weight ${view.weight.toFixed(2)} a point; as logged behind it, pale.`}
      </small>
    </div>
  )
}

/** Which line is whose: colour and dashes. */
function Legend({ runs }: { runs: Props['runs'] }) {
  return (
    <ul class="curve-legend" aria-label="Runs">
      {runs.map(({ id, name }, i) => {
        const { colour, dashes } = lineOf(i)
        return (
          <li key={id}>
            <svg width="28" height="12" aria-hidden="true">
              <line
                x1="0"
                x2="28"
                y1="6"
                y2="6"
                stroke={colour}
                stroke-width="2.5"
                stroke-dasharray={dashes.join(' ')}
              />
            </svg>
            <a href={`/runs/${id}`}>{name}</a>
          </li>
        )
      })}
    </ul>
  )
}
