// Whether the data that devices see still are those the model was made for, at a glance; the drift page has the rest.

import { answer, api } from '../api.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import type { Tone } from '../parts/tone.ts'
import { useResource } from '../resource.ts'

const shownMax = 4
const states: Record<string, { tone: Tone; title: string }> = {
  healthy: { tone: 'good', title: 'no drift found' },
  drifted: { tone: 'bad', title: 'drifted' },
  baseline_too_short: { tone: 'idle', title: 'no verdict: the baseline is too short' },
}
const charts: Record<string, string> = {
  place: 'its values have moved',
  spread: 'its values scatter otherwise',
  shape: 'its distribution has another shape',
  crowding: 'its values crowd together',
  missing: 'values are missing',
  category: 'a category has another share',
}

export function ModelDrift({ model, version }: { model: string; version?: number }) {
  const drift = useResource(
    `drift ${model} ${version ?? ''}`,
    (signal) =>
      answer(
        api.GET('/v1/models/{id}/drift', {
          params: { path: { id: model }, query: version === undefined ? {} : { version } },
          signal,
        }),
      ),
    ['drift'],
  )
  const { value, error } = drift
  return (
    <section class="card stack" aria-labelledby="drift">
      <div class="title">
        <h2 id="drift">Drift</h2>
        <a
          href={`/drift?${new URLSearchParams({ model, ...(version !== undefined && { version: String(version) }) })}`}
        >
          by feature and device
        </a>
      </div>
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={2} />
        ) : error.status === 404 ? (
          <p class="quiet">Nothing to judge yet: {error.problem.detail}.</p>
        ) : (
          <ErrorState error={error} retry={drift.refresh} />
        )
      ) : (
        <>
          <p>
            <StateDot tone={states[value.verdict.state]?.tone ?? 'idle'}>
              {states[value.verdict.state]?.title ?? value.verdict.state}
            </StateDot>{' '}
            <span class="quiet">
              in version {value.version}, by {counted(value.windows, 'report')} of {counted(value.devices, 'device')},
              the last <Time at={value.to} />.
            </span>
          </p>
          {value.verdict.movements.length > 0 && (
            <ul class="lines">
              {value.verdict.movements.slice(0, shownMax).map((movement) => (
                <li key={`${movement.column} ${movement.chart} ${movement.category ?? ''}`}>
                  <code>{movement.column}</code>: {charts[movement.chart] ?? movement.chart},{' '}
                  {movement.direction === 'up' ? 'upwards' : 'downwards'}
                </li>
              ))}
              {value.verdict.movements.length > shownMax && (
                <li class="quiet">and {counted(value.verdict.movements.length - shownMax, 'more movement')}</li>
              )}
            </ul>
          )}
        </>
      )}
    </section>
  )
}
