// Whether the device's data has drifted, feature by feature, the most moved first; the distributions are a click away.

import { answer, api } from '../api.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'

type Entry = { psi: number | null }

/** A bar is full where the index is one: a quarter counts as large by custom. */
const fullPsi = 1

const verdicts = {
  healthy: { tone: 'good', words: 'As the version’s baseline' },
  drifted: { tone: 'warn', words: 'Drifted' },
  baseline_too_short: { tone: 'idle', words: 'The baseline is too short to judge' },
} as const

export function DeviceDrift({ device }: { device: string }) {
  const drift = useResource(
    `drift ${device}`,
    (signal) => answer(api.GET('/v1/devices/{id}/drift', { params: { path: { id: device } }, signal })),
    [`device:${device}`],
  )
  const { value, error } = drift
  if (value === undefined) {
    if (error === undefined) return <Loading rows={6} />
    if (error.problem.code === 'no-drift-yet') {
      return (
        <EmptyState title={error.problem.title}>
          <p>{error.problem.detail}</p>
        </EmptyState>
      )
    }
    return <ErrorState error={error} retry={drift.refresh} />
  }
  const { verdict, columns, model, version, windows, from, to } = value
  const { tone, words } = verdicts[verdict.state]
  const href = (column?: string) =>
    `/drift?${new URLSearchParams({ device, model, ...(column !== undefined && { column }) })}`
  const sorted = [...columns].sort((a: Entry, b: Entry) => (b.psi ?? -1) - (a.psi ?? -1))
  return (
    <section class="card" aria-labelledby="drift">
      <div class="card-head">
        <h2 id="drift">
          {model} v{version}: <StateDot tone={tone}>{words}</StateDot>
        </h2>
        <a href={href()}>All of its drift over time</a>
      </div>
      <p class="quiet">
        Of {counted(windows, 'report')} from <Time at={from} form="full" /> to <Time at={to} form="full" />.
        {verdict.since !== null && (
          <>
            {' '}
            It is so since <Time at={new Date(verdict.since).toISOString()} form="full" />.
          </>
        )}
      </p>
      <ScrollRegion label="Drift by feature">
        <table class="plain-table">
          <thead>
            <tr>
              <th>Feature</th>
              <th>Moved</th>
              <th class="number" title="Population stability index: 0 is the same; a quarter counts as large by custom">
                PSI
              </th>
              <td class="psi-bar" />
              <th class="number" title="Kolmogorov–Smirnov: the largest distance of the distributions">
                KS
              </th>
            </tr>
          </thead>
          <tbody>
            {sorted.map(({ column, kind, psi, ks }) => (
              <tr key={`${kind} ${column}`}>
                <td>
                  <a class="mono" href={href(column)}>
                    {column}
                  </a>
                  {kind === 'output' && <small class="quiet"> output</small>}
                </td>
                <td>{movedWords(verdict.movements, column)}</td>
                <td class="number">{psi === null ? '–' : grouped(psi)}</td>
                <td class="psi-bar">
                  <Bar ratio={(psi ?? 0) / fullPsi} />
                </td>
                <td class="number">{ks === null ? '–' : grouped(ks)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </section>
  )
}

function Bar({ ratio }: { ratio: number }) {
  return (
    <svg class="meter" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="ground" width="100" height="8" />
      <rect class="value" width={Math.min(100, 100 * ratio)} height="8" />
    </svg>
  )
}

type Movement = { column: string; chart: string; direction: 'up' | 'down' }
const charts: Record<string, string> = {
  place: 'place',
  spread: 'spread',
  shape: 'shape',
  crowding: 'values crowd',
  missing: 'missing values',
  category: 'a category',
}

/** `place ↑, spread ↓`; nothing where the column did not move. */
function movedWords(movements: readonly Movement[], column: string): string {
  return movements
    .filter((movement) => movement.column === column)
    .map(({ chart, direction }) => `${charts[chart] ?? chart} ${direction === 'up' ? '↑' : '↓'}`)
    .join(', ')
}
