// Finding runs: which ones, in which order, page by page. A page token holds the place of the last run, not a count of
// rows: runs that come or go meanwhile neither repeat nor hide others.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { parseFilter, parseOrder } from './filter.ts'
import { allOf, beyond, cutRows, joined, ordered, selected } from './ordered-page.ts'
import { compileFilter, compileOrder, runVocabulary } from './run-filter.ts'
import { type Fragment, RealColumn } from './sql.ts'

export type Lifecycle = 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL'
export type RunQuery = {
  experiments: readonly number[]
  filter: string
  lifecycle: Lifecycle
  orderBy: readonly string[]
  limit: number
  pageToken: string | undefined
}
export type FoundRuns = { numbers: number[]; nextPageToken: string | undefined }

/** Each may become a join. */
export const orderTermsMax = 10

/** @throws FilterError
 *  @throws PageTokenError */
export async function searchRuns(reader: Reader, query: RunQuery): Promise<FoundRuns> {
  const { joins, conditions } = compileFilter(parseFilter(query.filter, runVocabulary))
  const orders = query.orderBy.slice(0, orderTermsMax).map((text) => parseOrder(text, runVocabulary))
  const order = compileOrder(orders)
  const within = await experimentsCondition(reader, query)
  if (within === undefined) return { numbers: [], nextPageToken: undefined }
  const where = [within, ...conditions, ...beyond(query.pageToken, orders, order.terms)]
  const sql = joined(
    selected('r.number', order.terms, 'runs r'),
    ...joins,
    ...order.joins,
    allOf(where),
    ordered(order.terms, query.limit),
  )
  const rows = await reader.all(Row, sql.sql, sql.args)
  const { page, nextPageToken } = cutRows(rows, query.limit, orders, order.terms)
  return { numbers: page.map((row) => Number(row.number)), nextPageToken }
}

const Row = z.record(z.string(), z.union([RealColumn, z.string()]))

const ExperimentRow = z.object({ id: z.number(), deleted_at: z.number().nullable() })

/** Runs of those experiments in that state of life; a run of a deleted experiment is deleted. undefined: none can be. */
export async function experimentsCondition(
  reader: Reader,
  { experiments, lifecycle }: Pick<RunQuery, 'experiments' | 'lifecycle'>,
): Promise<Fragment | undefined> {
  const rows = await reader.all(
    ExperimentRow,
    'SELECT id, deleted_at FROM experiments WHERE id IN (SELECT value FROM json_each(?))',
    [JSON.stringify(experiments)],
  )
  const ids = (dead: boolean) => rows.filter((row) => (row.deleted_at !== null) === dead).map(({ id }) => id)
  const live = ids(false)
  const dead = lifecycle === 'ACTIVE_ONLY' ? [] : ids(true)
  if (live.length + dead.length === 0) return undefined
  switch (lifecycle) {
    case 'ACTIVE_ONLY':
      return and(inExperiments(live), 'r.deleted_at IS NULL')
    case 'DELETED_ONLY':
      if (dead.length === 0) return and(inExperiments(live), 'r.deleted_at IS NOT NULL')
      if (live.length === 0) return inExperiments(dead)
      return or(inExperiments(dead), and(inExperiments(live), 'r.deleted_at IS NOT NULL'))
    case 'ALL':
      return inExperiments([...live, ...dead])
  }
}

/** One experiment is asked for by equality: then its index is also the order. */
function inExperiments(ids: readonly number[]): Fragment {
  const [only] = ids
  if (ids.length === 1 && only !== undefined) return { sql: 'r.experiment = ?', args: [only] }
  return { sql: 'r.experiment IN (SELECT value FROM json_each(?))', args: [JSON.stringify(ids)] }
}
const and = ({ sql, args }: Fragment, condition: string): Fragment => ({ sql: `(${sql} AND ${condition})`, args })
const or = (a: Fragment, b: Fragment): Fragment => ({ sql: `(${a.sql} OR ${b.sql})`, args: [...a.args, ...b.args] })
