// One dataset: its snapshots, and the columns of one of them.

import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { LineageTab } from '../models/lineage/lineage-tab.tsx'
import { datasetHref } from '../models/links.ts'
import { RowsTable } from '../models/rows-table.tsx'
import type { PageProps } from '../pages.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped, inBytes } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import '../models/models.css'

type Column = components['schemas']['Snapshot']['columns'][number]

const snapshotsMax = 50

export function DatasetPage({ parameters, address }: PageProps) {
  const name = parameters.name ?? ''
  const dataset = useResource(
    `dataset ${name}`,
    async (signal) => {
      const params = { path: { name } }
      const [about, { snapshots }] = await Promise.all([
        answer(api.GET('/v1/datasets/{name}', { params, signal })),
        answer(
          api.GET('/v1/datasets/{name}/snapshots', { params: { ...params, query: { limit: snapshotsMax } }, signal }),
        ),
      ])
      return { about, snapshots }
    },
    ['models'],
  )
  const { value, error } = dataset
  if (value === undefined) {
    return error === undefined ? (
      <Loading rows={6} what="The dataset is loading" />
    ) : (
      <ErrorState error={error} retry={dataset.refresh} />
    )
  }
  const { about, snapshots } = value
  const wanted = Number(address.searchParams.get('snapshot') ?? about.latestVersion)
  return (
    <div class="stack">
      <div class="title">
        <h1>{name}</h1>
        <p class="quiet">
          Dataset of {counted(about.snapshots, 'snapshot')}, made <Time at={about.createdAt} /> by{' '}
          <Actor actor={about.createdBy} />.
        </p>
      </div>
      {about.description !== '' && <p class="prose">{about.description}</p>}
      {snapshots.length === 0 ? (
        <EmptyState title="No snapshot yet">
          <p>
            Bring one with <code>roost push {name} FILE</code>
          </p>
        </EmptyState>
      ) : (
        <div class="card">
          <RowsTable label="Snapshots">
            <thead>
              <tr>
                <th scope="col">Snapshot</th>
                <th scope="col" class="number">
                  Rows
                </th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col">Format</th>
                <th scope="col">sha256</th>
                <th scope="col">Brought</th>
              </tr>
            </thead>
            <tbody>
              {snapshots.map((snapshot) => (
                <tr key={snapshot.version} aria-current={snapshot.version === wanted ? 'true' : undefined}>
                  <th scope="row">
                    <a href={`${datasetHref(name)}?snapshot=${snapshot.version}`}>
                      {name}/{snapshot.version}
                    </a>
                  </th>
                  <td class="number">{grouped(snapshot.rows)}</td>
                  <td class="number">{inBytes(snapshot.sizeBytes)}</td>
                  <td>{snapshot.format}</td>
                  <td>
                    <code class="clipped" title={snapshot.digest}>
                      {snapshot.digest}
                    </code>
                  </td>
                  <td>
                    <Time at={snapshot.createdAt} /> by <Actor actor={snapshot.createdBy} />
                  </td>
                </tr>
              ))}
            </tbody>
          </RowsTable>
        </div>
      )}
      {Number.isInteger(wanted) && wanted > 0 && (
        <>
          <Columns name={name} version={wanted} />
          <h2>
            What came of {name}/{wanted}
          </h2>
          <LineageTab root={`dataset:${name}/${wanted}`} />
        </>
      )}
    </div>
  )
}

function Columns({ name, version }: { name: string; version: number }) {
  const found = useResource(`snapshot ${name} ${version}`, (signal) =>
    answer(api.GET('/v1/datasets/{name}/snapshots/{version}', { params: { path: { name, version } }, signal })),
  )
  if (found.value === undefined) {
    return found.error === undefined ? <Loading rows={4} /> : <ErrorState error={found.error} retry={found.refresh} />
  }
  const { columns, digest } = found.value
  return (
    <section class="card stack" aria-labelledby="columns">
      <div class="title">
        <h2 id="columns">
          Columns of {name}/{version}
        </h2>
        <AuditLink subject={`dataset:${digest}`}>audit</AuditLink>
      </div>
      <RowsTable label="Columns">
        <thead>
          <tr>
            <th scope="col">Column</th>
            <th scope="col">Type</th>
            <th scope="col" class="number">
              Missing
            </th>
            <th scope="col" class="number">
              Distinct
            </th>
            <th scope="col">Values</th>
          </tr>
        </thead>
        <tbody>
          {columns.map((column) => (
            <tr key={column.name}>
              <th scope="row">
                <code>{column.name}</code>
              </th>
              <td>{column.type}</td>
              <td class="number">{grouped(column.statistics.missing)}</td>
              <td class="number">
                {column.statistics.distinctExact ? '' : '≈ '}
                {grouped(column.statistics.distinct)}
              </td>
              <td>{valuesOf(column)}</td>
            </tr>
          ))}
        </tbody>
      </RowsTable>
    </section>
  )
}

const topMax = 4

function valuesOf({ statistics }: Column): string {
  const { min, max, mean, standardDeviation, top } = statistics
  if (min !== null && max !== null && mean !== null) {
    const spread = standardDeviation === null ? '' : ` ± ${grouped(standardDeviation)}`
    return `${grouped(min)} to ${grouped(max)}, mean ${grouped(mean)}${spread}`
  }
  return top
    .slice(0, topMax)
    .map(({ value, count }) => `${value} (${grouped(count)})`)
    .join(', ')
}
