// Runs as rows, ten thousand of them too: the hub sorts, and only what is in sight is asked for and drawn.

import { useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { usePaged } from '../paged.ts'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { setQuery } from '../router.ts'
import { columnTitle } from './column-choice.tsx'
import { listQuery } from './drawn-runs.ts'
import type { RunsQuery } from './query.ts'
import { type ColumnName, cellOf, figure, type Run, ranFor, readColumn, runHref, statuses } from './run-values.ts'

type Props = {
  query: RunsQuery
  columns: readonly ColumnName[]
  count: number
  chosen: ReadonlySet<string>
  onChosen: (chosen: ReadonlySet<string>) => void
}

const attributes = ['run_name', 'status', 'start_time', 'user_id'] as const

export function RunsTable({ query, columns, count, chosen, onChosen }: Props) {
  const runs = usePaged<Run>(
    JSON.stringify([listQuery(query, columns, null)]),
    async (cursor) => {
      const body = await answer(api.GET('/v1/runs', { params: { query: listQuery(query, columns, cursor) } }))
      return { items: body.runs, next: body.next }
    },
    ['runs'],
  )
  const key = columns.join()
  const shown = useMemo(() => runColumns(columns, chosen, onChosen), [key, chosen, onChosen])
  const sortable = useMemo(() => new Set<string>([...attributes, ...columns]), [key])
  if (runs.error !== undefined) return <ErrorState error={runs.error} />
  return (
    <DataTable
      label={`Runs, ${counted(runs.end ?? count, 'row')}`}
      columns={shown}
      count={runs.end ?? count}
      rowAt={runs.rowAt}
      keyOf={({ id }) => id}
      hrefOf={({ id }) => runHref(id)}
      onVisible={runs.onVisible}
      sortable={sortable}
      sort={query.sort ?? { key: 'start_time', descending: true }}
      onSort={({ key, descending }) => setQuery('sort', `${descending ? '-' : ''}${key}`)}
      minWidthPx={[584 + 96 * columns.length, 280 + 88 * columns.length]}
    />
  )
}

function runColumns(
  columns: readonly ColumnName[],
  chosen: ReadonlySet<string>,
  onChosen: (chosen: ReadonlySet<string>) => void,
): Column<Run>[] {
  const toggle = (id: string) => {
    const next = new Set(chosen)
    if (!next.delete(id)) next.add(id)
    onChosen(next)
  }
  return [
    {
      key: 'chosen',
      title: '',
      width: '24px',
      cell: ({ id, name }) => (
        <input
          type="checkbox"
          class="choose"
          aria-label={`Choose ${name}`}
          checked={chosen.has(id)}
          onChange={() => toggle(id)}
        />
      ),
    },
    {
      key: 'run_name',
      title: 'Run',
      width: 'minmax(120px, 1.8fr)',
      cell: ({ id, name }) => (
        <a href={runHref(id)} title={`${name} · ${id}`}>
          {name}
        </a>
      ),
    },
    {
      key: 'status',
      title: 'State',
      width: 'minmax(96px, 1fr)',
      cell: ({ status }) => <StateDot tone={statuses[status].tone}>{statuses[status].title}</StateDot>,
    },
    {
      key: 'start_time',
      title: 'Started',
      width: 'minmax(96px, 1fr)',
      isWideOnly: true,
      cell: ({ startedAt }) => (startedAt === null ? '–' : <Time at={startedAt} />),
    },
    {
      key: 'duration',
      title: 'Took',
      width: 'minmax(80px, .8fr)',
      isWideOnly: true,
      cell: (run) => ranFor(run) ?? '–',
    },
    {
      key: 'user_id',
      title: 'By',
      width: 'minmax(56px, .8fr)',
      isWideOnly: true,
      cell: ({ user }) => <span title={user}>{user === '' ? '–' : user}</span>,
    },
    ...columns.map((column): Column<Run> => {
      const read = readColumn(column)
      const isMetric = read?.kind === 'metrics'
      return {
        key: column,
        title: columnTitle(column, columns),
        width: 'minmax(80px, 1fr)',
        isNumber: isMetric,
        cell: (run) => {
          const value = cellOf(run, column)
          const metric = isMetric ? run.metrics[read.key] : undefined
          if (value === undefined) return <span class="quiet">–</span>
          return <span title={String(value)}>{metric === undefined ? value : figure(metric)}</span>
        },
      }
    }),
  ]
}
