// Finding experiments, with the same language as runs: attributes and tags.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { type Comparison, parseFilter, parseOrder, type Vocabulary } from './filter.ts'
import { allOf, beyond, cutRows, joined, ordered, selected, type Term } from './ordered-page.ts'
import type { Lifecycle } from './run-search.ts'
import { type Fragment, matches } from './sql.ts'

const vocabulary: Vocabulary = {
  entities: ['tag', 'attribute'],
  attributes: {
    name: { name: 'name', type: 'text' },
    experiment_id: { name: 'experiment_id', type: 'text' },
    creation_time: { name: 'creation_time', type: 'number' },
    last_update_time: { name: 'last_update_time', type: 'number' },
  },
}
const columns: Readonly<Record<string, string>> = {
  name: 'e.name',
  experiment_id: 'CAST(e.id AS TEXT)',
  creation_time: 'e.created_at',
  last_update_time: 'e.updated_at',
}
const lifecycles = { ACTIVE_ONLY: 'e.deleted_at IS NULL', DELETED_ONLY: 'e.deleted_at IS NOT NULL', ALL: '1' }
const Row = z.record(z.string(), z.union([z.number(), z.string()]))

/** The ids of experiments, without an order the newest first.
 *  @throws FilterError
 *  @throws PageTokenError */
export async function searchExperiments(
  reader: Reader,
  query: {
    filter: string
    orderBy: readonly string[]
    lifecycle: Lifecycle
    limit: number
    pageToken: string | undefined
  },
): Promise<{ ids: number[]; nextPageToken: string | undefined }> {
  const conditions = parseFilter(query.filter, vocabulary).map(condition)
  const orders = query.orderBy.map((text) => parseOrder(text, { ...vocabulary, entities: ['attribute'] }))
  const byAge = orders.length === 0 ? [{ sql: 'e.created_at', descending: true }] : []
  const terms: Term[] = [
    ...orders.map(({ key, descending }) => ({
      sql: key === 'experiment_id' ? 'e.id' : (columns[key] ?? 'NULL'),
      descending,
    })),
    ...byAge,
    { sql: 'e.id', descending: true },
  ]
  const where = [
    { sql: lifecycles[query.lifecycle], args: [] },
    ...conditions,
    ...beyond(query.pageToken, orders, terms),
  ]
  const { sql, args } = joined(selected('e.id', terms, 'experiments e'), allOf(where), ordered(terms, query.limit))
  const { page, nextPageToken } = cutRows(await reader.all(Row, sql, args), query.limit, orders, terms)
  return { ids: page.map((row) => Number(row.id)), nextPageToken }
}

function condition(comparison: Comparison): Fragment {
  if (comparison.entity === 'attribute') return matches(columns[comparison.key] ?? 'NULL', comparison)
  const found = 'SELECT 1 FROM experiment_tags t WHERE t.experiment = e.id AND t.key = ?'
  if (comparison.kind === 'absent' || comparison.kind === 'present') {
    return { sql: `${comparison.kind === 'absent' ? 'NOT ' : ''}EXISTS (${found})`, args: [comparison.key] }
  }
  const { sql, args } = matches('t.value', comparison)
  return { sql: `EXISTS (${found} AND ${sql})`, args: [comparison.key, ...args] }
}
