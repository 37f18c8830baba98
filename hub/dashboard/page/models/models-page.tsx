// The models there are: what is in production, where it runs, what waits for somebody.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, Quantity } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { useMay } from '../session.ts'
import { modelHref, versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'
import './models.css'

type Model = components['schemas']['Model']

/** The most that the hub gives at once. */
const pageRows = 200

export function ModelsPage({ address }: PageProps) {
  const [pages, setPages] = useState(1)
  const wanted = address.searchParams.get('name') ?? ''
  const models = useResource(`models ${pages}`, (signal) => loadModels(pages, signal), ['models'])
  const fleet = useResource('serving', (signal) => answer(api.GET('/v1/fleet', { signal })), ['fleet'])
  const waiting = useResource(
    'waiting',
    (signal) => answer(api.GET('/v1/promotion-requests', { params: { query: { state: 'open', limit: 200 } }, signal })),
    ['models'],
  )
  if (models.value === undefined) {
    return models.error === undefined ? (
      <Loading rows={6} what="The models are loading" />
    ) : (
      <ErrorState error={models.error} retry={models.refresh} />
    )
  }
  const { rows, more } = models.value
  if (rows.length === 0) return <NoModels />
  const shown = rows.filter(({ name }) => name.toLowerCase().includes(wanted.trim().toLowerCase()))
  const running = Map.groupBy(fleet.value?.serving ?? [], ({ model }) => model)
  const requests = Map.groupBy(waiting.value?.requests ?? [], ({ model }) => model)
  const waits = waiting.value?.requests.length ?? 0
  return (
    <div class="stack">
      <div class="title">
        <h1>Models</h1>
        <p class="quiet">
          {counted(rows.length, 'model')}
          {more ? ' and more' : ''}
          {waits > 0 ? `, ${counted(waits, 'promotion waits', 'promotions wait')} for approval.` : '.'}
        </p>
      </div>
      <label class="find">
        Name
        <input
          type="search"
          value={wanted}
          placeholder="part of a name"
          onInput={({ currentTarget }) => setQuery('name', currentTarget.value)}
        />
      </label>
      {shown.length === 0 ? (
        <EmptyState title="No model is called so">
          <p>No name contains “{wanted}”.</p>
        </EmptyState>
      ) : (
        <div class="card">
          <RowsTable label="Models">
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Production</th>
                <th scope="col" class="wide-only">
                  Champion
                </th>
                <th scope="col" class="wide-only">
                  Latest
                </th>
                <th scope="col" class="number">
                  Devices
                </th>
                <th scope="col">Waits</th>
                <th scope="col" class="wide-only">
                  Made
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((model) => (
                <Row
                  key={model.name}
                  model={model}
                  devices={
                    fleet.value && (running.get(model.name) ?? []).reduce((sum, { devices }) => sum + devices, 0)
                  }
                  requests={requests.get(model.name) ?? []}
                />
              ))}
            </tbody>
          </RowsTable>
        </div>
      )}
      {more && (
        <div class="row">
          <button type="button" onClick={() => setPages(pages + 1)}>
            Show more
          </button>
        </div>
      )}
    </div>
  )
}

function Row({
  model,
  devices,
  requests,
}: {
  model: Model
  devices: number | undefined
  requests: components['schemas']['PromotionRequest'][]
}) {
  const { name, description, production, champion, latestVersion, createdAt } = model
  const [first] = requests
  return (
    <tr>
      <th scope="row">
        <a href={modelHref(name)}>{name}</a>
        {description !== '' && (
          <small class="quiet clipped" title={description}>
            {description}
          </small>
        )}
      </th>
      <td>
        {production === null ? <span class="quiet">none</span> : <VersionLink model={name} version={production} />}
      </td>
      <td class="wide-only">
        {champion === null ? <span class="quiet">none</span> : <VersionLink model={name} version={champion} />}
      </td>
      <td class="wide-only">
        {latestVersion === 0 ? <span class="quiet">none</span> : <VersionLink model={name} version={latestVersion} />}
      </td>
      <td class="number">{devices === undefined ? '…' : <Quantity value={devices} />}</td>
      <td>
        {first === undefined ? (
          <span class="quiet">nothing</span>
        ) : (
          <a href={versionHref(name, first.version, 'gates')}>
            <StateDot tone="warn">
              {requests.length === 1
                ? `v${first.version} for approval`
                : `${counted(requests.length, 'version')} for approval`}
            </StateDot>
          </a>
        )}
      </td>
      <td class="wide-only">
        <Time at={createdAt} />
      </td>
    </tr>
  )
}

const VersionLink = ({ model, version }: { model: string; version: number }) => (
  <a href={versionHref(model, version)}>
    <span class="hidden">{model} </span>v{version}
  </a>
)

async function loadModels(pages: number, signal: AbortSignal): Promise<{ rows: Model[]; more: boolean }> {
  const rows: Model[] = []
  let cursor: string | null = null
  for (let page = 0; page < pages; page++) {
    const query: { limit: number; cursor?: string } = { limit: pageRows, ...(cursor !== null && { cursor }) }
    const body: { models: Model[]; next: string | null } = await answer(
      api.GET('/v1/models', { params: { query }, signal }),
    )
    rows.push(...body.models)
    cursor = body.next
    if (cursor === null) break
  }
  return { rows, more: cursor !== null }
}

function NoModels() {
  const may = useMay()
  return (
    <div class="stack">
      <h1>Models</h1>
      <EmptyState title="No models yet">
        {may('ci', 'models') ? (
          <p>
            Register the first version of one: <code>roost push NAME model.onnx</code>
          </p>
        ) : (
          <p>A pipeline or a person with the scope ci registers them.</p>
        )}
      </EmptyState>
    </div>
  )
}
