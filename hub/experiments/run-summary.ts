// What there is to choose from among runs: how many there are in each state, and which metrics, parameters and tags.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { parseFilter } from './filter.ts'
import { allOf, joined } from './ordered-page.ts'
import { compileFilter, runVocabulary } from './run-filter.ts'
import { experimentsCondition, type RunQuery, searchRuns } from './run-search.ts'
import { type RunStatus, runStatuses } from './runs.ts'

export type KeyUse = { key: string; runs: number }
export type RunsSummary = {
  total: number
  statuses: Record<RunStatus, number>
  metrics: KeyUse[]
  params: KeyUse[]
  tags: KeyUse[]
  /** The keys are those of so many runs, the newest. */
  keysOf: number
}

/** The newest say what columns there are: to look at all of a hundred thousand would take a second. */
export const keysOfRunsMax = 1_000
const keysMax = 500

/** @throws FilterError */
export async function summariseRuns(
  reader: Reader,
  query: Pick<RunQuery, 'experiments' | 'filter' | 'lifecycle'>,
): Promise<RunsSummary> {
  const counts = await countByStatus(reader, query)
  const statuses = Object.fromEntries(runStatuses.map((status) => [status, counts.get(status) ?? 0]))
  const { numbers } = await searchRuns(reader, { ...query, orderBy: [], limit: keysOfRunsMax, pageToken: undefined })
  return {
    total: [...counts.values()].reduce((sum, runs) => sum + runs, 0),
    // of every status there is
    statuses: statuses as Record<RunStatus, number>,
    metrics: await keysIn(reader, 'run_latest_metrics', numbers),
    params: await keysIn(reader, 'run_params', numbers),
    tags: await keysIn(reader, 'run_tags', numbers),
    keysOf: numbers.length,
  }
}

async function countByStatus(
  reader: Reader,
  query: Pick<RunQuery, 'experiments' | 'filter' | 'lifecycle'>,
): Promise<Map<RunStatus, number>> {
  const { joins, conditions } = compileFilter(parseFilter(query.filter, runVocabulary))
  const within = await experimentsCondition(reader, query)
  if (within === undefined) return new Map()
  const select = { sql: 'SELECT r.status, count(*) AS runs FROM runs r', args: [] }
  const group = { sql: 'GROUP BY r.status', args: [] }
  const { sql, args } = joined(select, ...joins, allOf([within, ...conditions]), group)
  const rows = await reader.all(z.object({ status: z.enum(runStatuses), runs: z.number() }), sql, args)
  return new Map(rows.map(({ status, runs }) => [status, runs]))
}

const keysIn = (
  reader: Reader,
  table: 'run_latest_metrics' | 'run_params' | 'run_tags',
  numbers: readonly number[],
): Promise<KeyUse[]> =>
  reader.all(
    z.object({ key: z.string(), runs: z.number() }),
    `SELECT k.key, count(*) AS runs FROM ${table} v JOIN run_keys k ON k.id = v.key
      WHERE v.run IN (SELECT value FROM json_each(?)) GROUP BY v.key ORDER BY k.key LIMIT ${keysMax}`,
    [JSON.stringify(numbers)],
  )
