// Devices by site and state, and the versions that serve, as bars.

import { deviceStates } from '../../../fleet/device-state.ts'
import type { components } from '../api-types.d.ts'
import { counted, grouped, Quantity } from '../parts/quantity.tsx'
import { states } from './states.ts'

type Summary = components['schemas']['FleetSummary']

/** Rows of a card; the rest is counted. */
const rowsMax = 6

export function SitesCard({ summary, onSite }: { summary: Summary; onSite: (site: string | null) => void }) {
  const shown = summary.groups.slice(0, rowsMax)
  const most = Math.max(1, ...shown.map(({ total }) => total))
  const more = summary.groups.length - shown.length
  return (
    <section class="card" aria-labelledby="sites">
      <h2 id="sites">Sites</h2>
      <ul class="bars">
        {shown.map(({ value, total, states: counts }) => (
          <li key={value ?? ''}>
            <button type="button" class="plain link" onClick={() => onSite(value)}>
              {value ?? 'without a site'}
            </button>
            <span class="bar" title={described(counts)}>
              {deviceStates
                .filter((state) => (counts[state] ?? 0) > 0)
                .map((state) => (
                  <span
                    key={state}
                    class={states[state].tone}
                    style={{ width: `${(100 * (counts[state] ?? 0)) / most}%` }}
                  />
                ))}
            </span>
            <Quantity value={total} />
            <small class="quiet">{described(counts, 'connected')}</small>
          </li>
        ))}
      </ul>
      {more > 0 && <p class="quiet">and {counted(more, 'more site', 'more sites')}</p>}
    </section>
  )
}

export function VersionsCard({ summary }: { summary: Summary }) {
  const shown = summary.serving.slice(0, rowsMax)
  const more = summary.serving.length - shown.length
  return (
    <section class="card" aria-labelledby="versions">
      <h2 id="versions">Versions in service</h2>
      {shown.length === 0 ? (
        <p class="quiet">No device serves a model yet.</p>
      ) : (
        <ul class="bars">
          {shown.map(({ deployment, model, version, devices }) => (
            <li key={`${deployment} ${model} ${version}`}>
              <span>
                {model === null ? (
                  'unknown bundle'
                ) : (
                  <a href={`/models/${encodeURIComponent(model)}/${version}`}>
                    {model} v{version}
                  </a>
                )}
                {deployment !== model && <small class="quiet"> in {deployment}</small>}
              </span>
              <span class="bar">
                <span class="accent" style={{ width: `${(100 * devices) / Math.max(1, summary.total)}%` }} />
              </span>
              <Quantity value={devices} />
            </li>
          ))}
        </ul>
      )}
      {more > 0 && <p class="quiet">and {counted(more, 'more')}</p>}
    </section>
  )
}

/** `2 offline, 1 stale`; without `except`. */
const described = (counts: Record<string, number | undefined>, except?: string): string =>
  deviceStates
    .filter((state) => state !== except && (counts[state] ?? 0) > 0)
    .map((state) => `${grouped(counts[state] ?? 0)} ${states[state].title.toLowerCase()}`)
    .join(', ')
