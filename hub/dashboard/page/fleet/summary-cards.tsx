// Devices by site and state, and the versions that serve, as bars.

import type { components } from '../api-types.d.ts'
import { counted, Quantity } from '../parts/quantity.tsx'
import { SiteBars } from './site-bars.tsx'

type Summary = components['schemas']['FleetSummary']

/** Rows of a card; the rest is counted. */
const rowsMax = 6

export function SitesCard({ summary, onSite }: { summary: Summary; onSite: (site: string | null) => void }) {
  return (
    <section class="card" aria-labelledby="sites">
      <h2 id="sites">Sites</h2>
      <SiteBars
        groups={summary.groups}
        but="connected"
        leadTo={(site, name) => (
          <button type="button" class="plain link" onClick={() => onSite(site)}>
            {name}
          </button>
        )}
      />
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
