// Where a model, or one version of it, serves: devices by site and state, each site a way into the fleet.

import { deviceStates } from '../../../fleet/device-state.ts'
import type { components } from '../api-types.d.ts'
import { states } from '../fleet/states.ts'
import { counted, grouped, Quantity } from '../parts/quantity.tsx'
import { fleetHref, versionHref } from './links.ts'

type Summary = components['schemas']['FleetSummary']

/** Rows of a card; the rest is counted. */
const rowsMax = 6

export function WhereItRuns({ summary, model }: { summary: Summary; model: string }) {
  const sites = summary.groups.slice(0, rowsMax)
  const most = Math.max(1, ...sites.map(({ total }) => total))
  return (
    <section class="card stack" aria-labelledby="runs-on">
      <div class="title">
        <h2 id="runs-on">Where it runs</h2>
        <p class="quiet">{summary.total === 0 ? 'on no device' : `on ${counted(summary.total, 'device')} now`}</p>
      </div>
      {summary.total > 0 && (
        <ul class="bars">
          {sites.map(({ value, total, states: counts }) => (
            <li key={value ?? ''}>
              <a href={fleetHref(value === null ? 'not exists site' : `site = ${JSON.stringify(value)}`)}>
                {value ?? 'without a site'}
              </a>
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
              <small class="quiet">{described(counts)}</small>
            </li>
          ))}
        </ul>
      )}
      {summary.groups.length > rowsMax && (
        <p class="quiet">and {counted(summary.groups.length - rowsMax, 'more site')}</p>
      )}
      {summary.serving.length > 0 && (
        <p>
          In{' '}
          {summary.serving.slice(0, rowsMax).map(({ deployment, version, devices }, n) => (
            <span key={`${deployment} ${version}`}>
              {n > 0 && ', '}
              deployment <code>{deployment}</code>:{' '}
              {version === null ? 'an unknown version' : <a href={versionHref(model, version)}>v{version}</a>} on{' '}
              {grouped(devices)}
            </span>
          ))}
          {summary.serving.length > rowsMax && ` and ${counted(summary.serving.length - rowsMax, 'more')}`}.
        </p>
      )}
    </section>
  )
}

/** `4 connected, 2 offline`. */
const described = (counts: Record<string, number | undefined>): string =>
  deviceStates
    .filter((state) => (counts[state] ?? 0) > 0)
    .map((state) => `${grouped(counts[state] ?? 0)} ${states[state].title.toLowerCase()}`)
    .join(', ')
