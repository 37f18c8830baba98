// The fleet at a glance: how it is, where, what serves, and every device.

import { useMemo, useRef } from 'preact/hooks'
import { type DeviceState, deviceState, deviceStates } from '../../../fleet/device-state.ts'
import { answer, api, type Device } from '../api.ts'
import { type Paged, pageRows, usePaged } from '../paged.ts'
import type { PageProps } from '../pages.ts'
import { type Column, DataTable, type Sort } from '../parts/data-table.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { LabelQuery } from '../parts/label-query.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped, Quantity } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { useMay } from '../session.ts'
import { BulkActions } from './bulk-actions.tsx'
import './fleet.css'
import { states } from './states.ts'
import { SitesCard, VersionsCard } from './summary-cards.tsx'
import { VersionsOverTime } from './versions-over-time.tsx'

/** What it costs the hub is shared by all pages that are open; once in this time is enough for an eye. */
const summaryEveryMs = (devices: number): number => (devices > 2_000 ? 3_000 : 1_500)
/** Names in a question whether many devices are meant. */
const sampleMax = 8

export function FleetPage({ address }: PageProps) {
  const query = address.searchParams.get('query') ?? ''
  const state = deviceStates.find((known) => known === address.searchParams.get('state'))
  const total = useRef(0)
  const summary = useResource(
    query,
    (signal) => answer(api.GET('/v1/fleet', { params: { query: { query: query === '' ? 'all' : query } }, signal })),
    ['fleet'],
    summaryEveryMs(total.current),
  )
  const sort = sortOf(address)
  const devices = useDevices(query, state, sort)
  const { value, error } = summary
  total.current = value?.total ?? total.current
  const isBadQuery = error?.problem.code === 'bad-query'
  if (value === undefined && error !== undefined && !isBadQuery)
    return <ErrorState error={error} retry={summary.refresh} />
  if (value?.total === 0 && query === '') return <NoDevices />
  const count = state === undefined ? value?.total : value?.states[state]
  return (
    <div class="stack">
      <div class="title">
        <h1>Fleet</h1>
        {value !== undefined && <p class="quiet">{health(value.total, value.states)}</p>}
      </div>
      <LabelQuery
        value={query}
        labels={value?.labels ?? []}
        fault={isBadQuery ? error.problem.detail : undefined}
        onChange={(next) => setQuery('query', next)}
      />
      {value === undefined ? (
        !isBadQuery && <Loading rows={8} what="The fleet is loading" />
      ) : (
        <>
          <div class="chips" role="group" aria-label="State">
            <Chip isOn={state === undefined} onClick={() => setQuery('state', undefined)}>
              All <Quantity value={value.total} />
            </Chip>
            {deviceStates.map((name) => (
              <Chip
                key={name}
                isOn={state === name}
                onClick={() => setQuery('state', state === name ? undefined : name)}
              >
                <StateDot tone={states[name].tone}>{states[name].title}</StateDot>{' '}
                <Quantity value={value.states[name] ?? 0} />
              </Chip>
            ))}
          </div>
          <div class="columns">
            <SitesCard
              summary={value}
              onSite={(site) => setQuery('query', site === null ? 'not exists site' : `site = ${JSON.stringify(site)}`)}
            />
            <VersionsCard summary={value} />
          </div>
          <VersionsOverTime query={query} address={address} />
          {devices.error !== undefined ? (
            <ErrorState error={devices.error} />
          ) : (devices.end ?? count ?? 0) === 0 ? (
            <EmptyState title="No device is so">
              <p>
                {state === undefined
                  ? 'The label query holds for none.'
                  : `None is ${states[state].title.toLowerCase()} now.`}
              </p>
            </EmptyState>
          ) : (
            <>
              <BulkActions
                key={`${query} ${state ?? ''}`}
                selected={{ query, state, count: count ?? 0, sample: sampleOf(devices, count ?? 0) }}
              />
              <Devices count={devices.end ?? count ?? 0} devices={devices} sort={sort} />
            </>
          )}
        </>
      )}
    </div>
  )
}

const sortable: ReadonlySet<string> = new Set(['id', 'state', 'lastSeenAt'])
const byId: Sort = { key: 'id', descending: false }

/** `-lastSeenAt` in the address is falling. */
function sortOf(address: URL): Sort {
  const [, minus, key = ''] = /^(-?)(\w+)$/.exec(address.searchParams.get('sort') ?? '') ?? []
  return sortable.has(key) ? { key, descending: minus === '-' } : byId
}

function useDevices(query: string, state: DeviceState | undefined, { key, descending }: Sort): Paged<Device> {
  const sort = key === 'state' || key === 'lastSeenAt' ? key : 'id'
  return usePaged(
    JSON.stringify([query, state, sort, descending]),
    async (cursor) => {
      const body = await answer(
        api.GET('/v1/devices', {
          params: {
            query: {
              limit: pageRows,
              query: query === '' ? 'all' : query,
              sort,
              order: descending ? 'desc' : 'asc',
              ...(state && { state }),
              ...(cursor !== null && { cursor }),
            },
          },
        }),
      )
      return { items: body.devices, next: body.next }
    },
    ['fleet'],
  )
}

function Devices({ count, devices, sort }: { count: number; devices: Paged<Device>; sort: Sort }) {
  const columns = useMemo(() => deviceColumns(), [])
  return (
    <DataTable
      label={`Devices, ${counted(count, 'row')}`}
      columns={columns}
      count={count}
      rowAt={devices.rowAt}
      keyOf={(device) => device.id}
      hrefOf={hrefOf}
      onVisible={devices.onVisible}
      sortable={sortable}
      sort={sort}
      onSort={({ key, descending }) =>
        setQuery('sort', key === 'id' && !descending ? undefined : `${descending ? '-' : ''}${key}`)
      }
    />
  )
}

const hrefOf = ({ id }: Pick<Device, 'id'>): string => `/devices/${encodeURIComponent(id)}`

function sampleOf({ rowAt }: Paged<Device>, count: number): string[] {
  return Array.from({ length: Math.min(sampleMax, count) }, (_, n) => rowAt(n)?.id ?? []).flat()
}

const deviceColumns = (): Column<Device>[] => [
  {
    key: 'id',
    title: 'Device',
    width: 'minmax(0, 1.6fr)',
    cell: (device) => (
      <a class="mono" href={hrefOf(device)} title={device.id}>
        {device.id}
      </a>
    ),
  },
  { key: 'state', title: 'State', width: 'minmax(96px, 1.2fr)', cell: (device) => <State device={device} /> },
  { key: 'site', title: 'Site', width: 'minmax(0, 1fr)', isWideOnly: true, cell: ({ labels }) => labels.site ?? '–' },
  { key: 'profile', title: 'Profile', width: 'minmax(0, 1.4fr)', isWideOnly: true, cell: ({ profile }) => profile },
  {
    key: 'lastSeenAt',
    title: 'Last seen',
    width: 'minmax(92px, 1fr)',
    cell: ({ connected, lastSeenAt }) => (connected ? 'now' : lastSeenAt === null ? 'never' : <Time at={lastSeenAt} />),
  },
  { key: 'agent', title: 'Agent', width: 'minmax(0, .8fr)', isWideOnly: true, cell: ({ agent }) => agent ?? '–' },
]

function State({ device }: { device: Device }) {
  const { tone, title } = states[stateNow(device)]
  return <StateDot tone={tone}>{title}</StateDot>
}

const stateNow = ({ connected, lastSeenAt, stale, asideUntil }: Device): DeviceState =>
  deviceState({ connected, seen: lastSeenAt !== null, stale: stale === true, aside: asideUntil !== null })

function Chip({ isOn, onClick, children }: { isOn: boolean; onClick: () => void; children: preact.ComponentChildren }) {
  return (
    <button type="button" class="chip" aria-pressed={isOn} onClick={onClick}>
      {children}
    </button>
  )
}

/** One sentence: whether anything needs a look. */
function health(total: number, counts: Record<string, number | undefined>): string {
  const notWell = (['offline', 'stale', 'aside'] as const)
    .filter((state) => (counts[state] ?? 0) > 0)
    .map((state) => `${grouped(counts[state] ?? 0)} ${states[state].title.toLowerCase()}`)
  const devices = counted(total, 'device')
  return notWell.length === 0 ? `${devices}, none needs a look.` : `${devices}: ${notWell.join(', ')}.`
}

function NoDevices() {
  const may = useMay()
  return (
    <div class="stack">
      <h1>Fleet</h1>
      <EmptyState title="No devices yet">
        {may('operator', 'claims') ? (
          <p>
            Make a claim token with <code>roost claim create</code>, and enrol a gateway with it:{' '}
            <code>roost-agent enrol</code>.
          </p>
        ) : (
          <p>An operator enrols gateways.</p>
        )}
      </EmptyState>
    </div>
  )
}
