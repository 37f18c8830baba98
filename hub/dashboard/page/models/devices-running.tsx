// The devices on which a version serves now, page by page.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { deviceHref, fleetHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'

type Row = components['schemas']['LineageDevice']

const pageRows = 50
/** A label query names so many devices at most, lest it gets too long for a link. */
const namedMax = 40

export function DevicesRunning({ model, version }: { model: string; version: number }) {
  const [pages, setPages] = useState(1)
  const node = `version:${model}/${version}`
  const devices = useResource(`devices ${node} ${pages}`, (signal) => load(node, pages, signal), ['fleet'])
  const { value, error } = devices
  if (value === undefined) return error === undefined ? <Loading rows={3} /> : <ErrorState error={error} />
  const names = [...new Set(value.rows.map(({ device }) => device))]
  return (
    <section class="card stack" aria-labelledby="devices-running">
      <div class="title">
        <h2 id="devices-running">Devices that run it now</h2>
        <p class="quiet">
          {counted(value.running, 'device')}; {counted(value.ever, 'device')} ever.{' '}
          {!value.more && names.length <= namedMax && (
            <a href={fleetHref(`id in (${names.map((name) => JSON.stringify(name)).join(', ')})`)}>
              Show them in the fleet
            </a>
          )}
        </p>
      </div>
      <RowsTable label="Devices that run it">
        <thead>
          <tr>
            <th scope="col">Device</th>
            <th scope="col">Deployment</th>
            <th scope="col">Variant</th>
            <th scope="col">State</th>
            <th scope="col">Since</th>
          </tr>
        </thead>
        <tbody>
          {value.rows.map(({ device, deployment, variant, state, since, manifest }) => (
            <tr key={`${device} ${deployment} ${manifest}`}>
              <th scope="row" class="mono">
                <a href={deviceHref(device)}>{device}</a>
              </th>
              <td class="mono">{deployment}</td>
              <td>{variant}</td>
              <td>{state.replaceAll('_', ' ')}</td>
              <td>{since === null ? 'not said' : <Time at={since} />}</td>
            </tr>
          ))}
        </tbody>
      </RowsTable>
      {value.more && (
        <div class="row">
          <button type="button" onClick={() => setPages(pages + 1)}>
            Show more
          </button>
        </div>
      )}
    </section>
  )
}

async function load(node: string, pages: number, signal: AbortSignal) {
  const rows: Row[] = []
  let cursor: string | null = null
  let counts = { running: 0, ever: 0 }
  for (let page = 0; page < pages; page++) {
    const query: { node: string; limit: number; cursor?: string } = {
      node,
      limit: pageRows,
      ...(cursor !== null && { cursor }),
    }
    const body: { devices: Row[]; counts: typeof counts; next: string | null } = await answer(
      api.GET('/v1/lineage/devices', { params: { query }, signal }),
    )
    rows.push(...body.devices)
    counts = body.counts
    cursor = body.next
    if (cursor === null) break
  }
  return { rows, ...counts, more: cursor !== null }
}
