// Which runs are shown, in which order, with which columns: all of it stands in the address. Pure.

import { type ColumnName, type RunStatus, readColumn, statuses } from './run-values.ts'

export type RunsQuery = {
  /** Its id; undefined: all. */
  experiment: string | undefined
  filter: string
  status: RunStatus | undefined
  /** `start_time` or a column. */
  sort: { key: string; descending: boolean } | undefined
  /** Undefined: none were chosen. */
  columns: ColumnName[] | undefined
}

export const columnsMax = 10

export function readQuery(address: URL): RunsQuery {
  const { searchParams } = address
  const status = searchParams.get('status')
  const sort = searchParams.get('sort')
  const columns = searchParams.get('columns')
  return {
    experiment: searchParams.get('experiment') ?? undefined,
    filter: searchParams.get('filter') ?? '',
    status: status !== null && Object.hasOwn(statuses, status) ? (status as RunStatus) : undefined,
    sort: sort === null ? undefined : { key: sort.replace(/^-/, ''), descending: sort.startsWith('-') },
    columns:
      columns === null
        ? undefined
        : columns
            .split(',')
            .flatMap((text) => readColumn(text)?.name ?? [])
            .slice(0, columnsMax),
  }
}

/** The filter with the status in it, as the hub reads it. */
export function wholeFilter({ filter, status }: Pick<RunsQuery, 'filter' | 'status'>): string {
  const text = filter.trim()
  if (status === undefined) return text
  const only = `attributes.status = '${status}'`
  return text === '' ? only : `${text} AND ${only}`
}

/** `metrics."learning rate" DESC`; undefined: the newest first. A key with a comma cannot be named in a list. */
export function orderText(sort: RunsQuery['sort']): string | undefined {
  if (sort === undefined || sort.key.includes(',')) return undefined
  const read = readColumn(sort.key)
  const key = read === undefined ? sort.key : `${read.kind}.${quoted(read.key)}`
  return `${key} ${sort.descending ? 'DESC' : 'ASC'}`
}

const quoted = (key: string): string => (/^\w+$/.test(key) ? key : `"${key.replaceAll('"', '""')}"`)

type Keys = readonly { key: string; runs: number }[]

/** Where none were chosen: what most runs have, a few of each kind. */
export function usualColumns(summary: { params: Keys; metrics: Keys }): ColumnName[] {
  const first = (kind: 'params' | 'metrics', keys: Keys, count: number): ColumnName[] =>
    keys
      .filter(({ key }) => !key.includes(','))
      .toSorted((a, b) => b.runs - a.runs)
      .slice(0, count)
      .map(({ key }) => `${kind}.${key}` as const)
  return [...first('params', summary.params, 3), ...first('metrics', summary.metrics, 3)]
}
