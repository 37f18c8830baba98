// Where a model, or one version of it, serves: devices by site and state, each site a way into the fleet.

import type { components } from '../api-types.d.ts'
import { SiteBars } from '../fleet/site-bars.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { fleetHref, versionHref } from './links.ts'

type Summary = components['schemas']['FleetSummary']

/** Deployments that are named; the rest is counted. */
const rowsMax = 6

export function WhereItRuns({ summary, model }: { summary: Summary; model: string }) {
  return (
    <section class="card stack" aria-labelledby="runs-on">
      <div class="title">
        <h2 id="runs-on">Where it runs</h2>
        <p class="quiet">{summary.total === 0 ? 'on no device' : `on ${counted(summary.total, 'device')} now`}</p>
      </div>
      {summary.total > 0 && (
        <SiteBars
          groups={summary.groups}
          leadTo={(site, name) => (
            <a href={fleetHref(site === null ? 'not exists site' : `site = ${JSON.stringify(site)}`)}>{name}</a>
          )}
        />
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
