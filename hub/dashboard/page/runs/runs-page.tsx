// All runs: found by experiment, state and filter; as a table, as parallel coordinates, as a scatter.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped, Quantity } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { ChosenRuns } from './chosen-runs.tsx'
import { ColumnChoice } from './column-choice.tsx'
import { FilterField } from './filter-field.tsx'
import { ParallelCoordinates } from './parallel.tsx'
import { columnsMax, type RunsQuery, readQuery, usualColumns } from './query.ts'
import { type RunStatus, statuses } from './run-values.ts'
import { RunsTable } from './runs-table.tsx'
import { RunScatter } from './scatter.tsx'
import './runs.css'
import { useDrawnRuns } from './drawn-runs.ts'

export type RunsSummary = components['schemas']['RunsSummary']

const tabs = [
  { key: 'table', title: 'Table' },
  { key: 'parallel', title: 'Parallel coordinates' },
  { key: 'scatter', title: 'Scatter' },
] as const

export function RunsPage({ address }: PageProps) {
  const query = readQuery(address)
  const tab = tabOf(address, tabs) ?? 'table'
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const experiments = useResource('', (signal) => answer(api.GET('/v1/runs/experiments', { signal })), ['runs'])
  const { experiment, filter } = query
  const summary = useResource(
    JSON.stringify([experiment, filter]),
    (signal) =>
      answer(api.GET('/v1/runs/summary', { params: { query: { filter, ...(experiment && { experiment }) } }, signal })),
    ['runs'],
  )
  const { value, error } = summary
  const isBadFilter = error?.problem.code === 'invalid-filter'
  const known = experiments.value?.experiments ?? []
  if (value === undefined && error !== undefined && !isBadFilter)
    return <ErrorState error={error} retry={summary.refresh} />
  const isEmpty = value?.total === 0 && experiment === undefined && filter === ''
  if (isEmpty) return <NoRuns />
  return (
    <div class="stack runs-page">
      <div class="title">
        <h1>Runs</h1>
        {value !== undefined && <p class="quiet">{health(value)}</p>}
      </div>
      <div class="runs-query">
        <label>
          Experiment
          <select
            value={experiment ?? ''}
            onChange={({ currentTarget }) => setQuery('experiment', currentTarget.value)}
          >
            <option value="">All experiments</option>
            {known.map(({ id, name, runs }) => (
              <option key={id} value={id}>
                {name} ({grouped(runs)})
              </option>
            ))}
          </select>
        </label>
        <FilterField
          value={filter}
          fault={isBadFilter ? error.problem.detail : undefined}
          keys={value}
          onChange={(next) => setQuery('filter', next)}
        />
      </div>
      {value === undefined ? (
        !isBadFilter && <Loading rows={8} what="The runs are loading" />
      ) : (
        <>
          <StatusChips query={query} summary={value} />
          <Tabs label="How the runs are shown" tabs={tabs} current={tab} />
          <Shown
            key={JSON.stringify([experiment, filter, query.status])}
            {...{ tab, query, chosen, setChosen }}
            summary={value}
          />
        </>
      )}
    </div>
  )
}

type ShownProps = {
  tab: (typeof tabs)[number]['key']
  query: RunsQuery
  summary: RunsSummary
  chosen: ReadonlySet<string>
  setChosen: (chosen: ReadonlySet<string>) => void
}

function Shown({ tab, query, summary, chosen, setChosen }: ShownProps) {
  const columns = query.columns ?? usualColumns(summary)
  const count = query.status === undefined ? summary.total : summary.statuses[query.status]
  if (count === 0) {
    return (
      <EmptyState title="No run is so">
        <p>{query.filter === '' ? 'No run is in that state now.' : 'The filter holds for none.'}</p>
      </EmptyState>
    )
  }
  return (
    <>
      <div class="runs-tools">
        <ColumnChoice
          title={tab === 'table' ? 'Columns' : 'Axes'}
          summary={summary}
          chosen={columns}
          most={columnsMax}
          onChange={(next) => setQuery('columns', next.join())}
        />
        <ChosenRuns chosen={chosen} onClear={() => setChosen(new Set())} />
      </div>
      {tab === 'table' ? (
        <RunsTable query={query} columns={columns} count={count} chosen={chosen} onChosen={setChosen} />
      ) : (
        <Drawn tab={tab} query={query} columns={columns} count={count} onChosen={setChosen} />
      )}
    </>
  )
}

function Drawn({
  tab,
  query,
  columns,
  count,
  onChosen,
}: Pick<ShownProps, 'tab' | 'query'> & {
  columns: ReturnType<typeof usualColumns>
  count: number
  onChosen: (chosen: ReadonlySet<string>) => void
}) {
  const drawn = useDrawnRuns(query, columns)
  if (drawn.state === 'failed') return <ErrorState error={drawn.error} retry={drawn.refresh} />
  if (drawn.value === undefined) return <Loading rows={6} what="The runs are loading" />
  const runs = drawn.value
  return (
    <div class="stack">
      {runs.length < count && (
        <p class="quiet">
          The first {grouped(runs.length)} of {counted(count, 'run')}, in the order of the table. A filter brings out
          others.
        </p>
      )}
      {tab === 'parallel' ? (
        <ParallelCoordinates runs={runs} columns={columns} onChoose={(ids) => onChosen(new Set(ids))} />
      ) : (
        <RunScatter runs={runs} columns={columns} />
      )}
    </div>
  )
}

function StatusChips({ query, summary }: { query: RunsQuery; summary: RunsSummary }) {
  const there = (Object.keys(statuses) as RunStatus[]).filter(
    (status) => summary.statuses[status] > 0 || status === query.status,
  )
  const set = (status: RunStatus | undefined) => () => setQuery('status', status)
  return (
    <div class="chips" role="group" aria-label="State">
      <button type="button" class="chip" aria-pressed={query.status === undefined} onClick={set(undefined)}>
        All <Quantity value={summary.total} />
      </button>
      {there.map((status) => (
        <button
          key={status}
          type="button"
          class="chip"
          aria-pressed={query.status === status}
          onClick={set(query.status === status ? undefined : status)}
        >
          <StateDot tone={statuses[status].tone}>{statuses[status].title}</StateDot>{' '}
          <Quantity value={summary.statuses[status]} />
        </button>
      ))}
    </div>
  )
}

/** One sentence: how many, and what is going on. */
function health({ total, statuses: counts }: RunsSummary): string {
  const told = (['RUNNING', 'FAILED', 'KILLED'] as const)
    .filter((status) => counts[status] > 0)
    .map((status) => `${grouped(counts[status])} ${statuses[status].title.toLowerCase()}`)
  return told.length === 0 ? `${counted(total, 'run')}.` : `${counted(total, 'run')}: ${told.join(', ')}.`
}

function NoRuns() {
  return (
    <div class="stack">
      <h1>Runs</h1>
      <EmptyState title="No runs yet">
        <p>
          MLflow clients log here: <code>MLFLOW_TRACKING_URI={location.origin}</code>, and{' '}
          <code>MLFLOW_TRACKING_TOKEN</code> a token of role ci.
        </p>
      </EmptyState>
    </div>
  )
}
