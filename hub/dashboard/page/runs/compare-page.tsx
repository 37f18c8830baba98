// Runs side by side: their curves in one picture, how two of them differ, and all of them as lines and points.

import { useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { ColumnChoice } from './column-choice.tsx'
import { Curves } from './curves.tsx'
import { DifferenceOfTwo } from './difference-of-two.tsx'
import { ParallelCoordinates } from './parallel.tsx'
import { columnsMax, readQuery } from './query.ts'
import type { ColumnName, Run } from './run-values.ts'
import { RunScatter } from './scatter.tsx'
import { SideBySide } from './side-by-side.tsx'
import './runs.css'

const tabs = [
  { key: 'curves', title: 'Curves' },
  { key: 'difference', title: 'Difference of two' },
  { key: 'table', title: 'Side by side' },
  { key: 'parallel', title: 'Parallel coordinates' },
  { key: 'scatter', title: 'Scatter' },
] as const

export function ComparePage({ address }: PageProps) {
  const ids = (address.searchParams.get('ids') ?? '').split(',').filter((id) => id !== '')
  const tab = tabOf(address, tabs) ?? 'curves'
  const topics = useMemo(() => ids.slice(0, 10).map((id) => `run:${id}`), [ids.join()])
  const comparison = useResource(
    ids.join(),
    async (signal) =>
      ids.length === 0
        ? undefined
        : answer(api.GET('/v1/runs/compare', { params: { query: { ids: ids.join() } }, signal })),
    topics,
  )
  const { value, error } = comparison
  if (ids.length < 2) {
    return (
      <div class="stack">
        <h1>Compare runs</h1>
        <EmptyState title="Nothing to compare">
          <p>
            Choose two runs or more in the <a href="/runs">list of runs</a>.
          </p>
        </EmptyState>
      </div>
    )
  }
  if (value === undefined) {
    return error === undefined ? <Loading rows={8} /> : <ErrorState error={error} retry={comparison.refresh} />
  }
  const { runs, params } = value
  const summary = columnsOf(runs)
  const usual: ColumnName[] = [
    ...params.slice(0, 5).map(({ key }) => `params.${key}` as const),
    ...summary.metrics.slice(0, 4).map(({ key }) => `metrics.${key}` as const),
  ]
  const columns = readQuery(address).columns ?? usual
  return (
    <div class="stack runs-page">
      <div class="title">
        <h1>Compare runs</h1>
        <p class="quiet">
          {counted(runs.length, 'run')}
          {params.length === 0 ? ' with the same params.' : `; ${counted(params.length, 'param')} differ.`}
        </p>
      </div>
      <Tabs label="How they are compared" tabs={tabs} current={tab} />
      {(tab === 'parallel' || tab === 'scatter') && (
        <div class="runs-tools">
          <ColumnChoice
            title="Axes"
            summary={summary}
            chosen={columns}
            most={columnsMax}
            onChange={(next) => setQuery('columns', next.join())}
          />
        </div>
      )}
      {tab === 'curves' && (
        <Curves runs={runs} metrics={summary.metrics.map(({ key }) => key)} address={address} topics={topics} />
      )}
      {tab === 'difference' && <DifferenceOfTwo runs={runs} address={address} />}
      {tab === 'table' && <SideBySide comparison={value} />}
      {tab === 'parallel' && <ParallelCoordinates runs={runs} columns={columns} />}
      {tab === 'scatter' && <RunScatter runs={runs} columns={columns} />}
    </div>
  )
}

/** Which keys the runs have, and how many have each. */
function columnsOf(runs: readonly Run[]) {
  const count = (kind: 'metrics' | 'params' | 'tags') => {
    const counts = new Map<string, number>()
    for (const key of runs.flatMap((run) => Object.keys(run[kind]))) counts.set(key, (counts.get(key) ?? 0) + 1)
    return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, runs]) => ({ key, runs }))
  }
  return { metrics: count('metrics'), params: count('params'), tags: count('tags'), keysOf: runs.length }
}
