// What a filter and an order of runs mean in SQL. Pure: everything that came from a client is bound, never spelled out.

import type { Comparison, Key, Order, Vocabulary } from './filter.ts'
import type { Term } from './ordered-page.ts'
import { type Fragment, matches } from './sql.ts'

export const runVocabulary: Vocabulary = {
  entities: ['metric', 'param', 'tag', 'attribute', 'dataset'],
  attributes: {
    run_id: { name: 'run_id', type: 'text' },
    run_name: { name: 'run_name', type: 'text' },
    'run name': { name: 'run_name', type: 'text' },
    'Run name': { name: 'run_name', type: 'text' },
    'Run Name': { name: 'run_name', type: 'text' },
    status: { name: 'status', type: 'text' },
    user_id: { name: 'user_id', type: 'text' },
    artifact_uri: { name: 'artifact_uri', type: 'text' },
    start_time: { name: 'start_time', type: 'number' },
    created: { name: 'start_time', type: 'number' },
    Created: { name: 'start_time', type: 'number' },
    end_time: { name: 'end_time', type: 'number' },
  },
}

/** Of a row `r` of runs. */
const attributeColumns: Readonly<Record<string, string>> = {
  run_id: 'r.id',
  run_name: 'r.name',
  status: 'r.status',
  user_id: 'r.user_id',
  start_time: 'r.start_time',
  end_time: 'r.end_time',
  artifact_uri:
    "((SELECT e.artifact_location FROM experiments e WHERE e.id = r.experiment) || '/' || r.id || '/artifacts')",
}

const keyId = '(SELECT id FROM run_keys WHERE key = ?)'
const tableOf = { metric: 'run_latest_metrics', param: 'run_params', tag: 'run_tags' } as const

/** What a run must fulfil: joins to `runs r`, each of which finds one row at most, and conditions. */
export function compileFilter(comparisons: readonly Comparison[]): { joins: Fragment[]; conditions: Fragment[] } {
  const joins: Fragment[] = []
  const conditions: Fragment[] = []
  for (const [index, comparison] of comparisons.entries()) {
    const { entity } = comparison
    if (entity === 'attribute') conditions.push(matches(attributeColumns[comparison.key] ?? 'NULL', comparison))
    else if (entity === 'dataset') conditions.push(datasetMatches(comparison))
    else if (comparison.kind === 'absent' || comparison.kind === 'present') {
      const not = comparison.kind === 'absent' ? 'NOT ' : ''
      const sql = `${not}EXISTS (SELECT 1 FROM ${tableOf[entity]} v WHERE v.run = r.number AND v.key = ${keyId})`
      conditions.push({ sql, args: [comparison.key] })
    } else {
      const name = `f${index}`
      const { sql, args } = entity === 'metric' ? metricMatches(name, comparison) : textMatches(name, comparison)
      joins.push({
        sql: `JOIN ${tableOf[entity]} ${name} ON ${name}.run = r.number AND ${name}.key = ${keyId} AND ${sql}`,
        args: [comparison.key, ...args],
      })
    }
  }
  return { joins, conditions }
}

/** NaN is unequal to everything and neither above nor below anything. */
function metricMatches(name: string, comparison: Comparison): Fragment {
  const { sql, args } = matches(`${name}.value`, comparison)
  const different = comparison.kind === 'number' && comparison.operator === '!='
  return different ? { sql: `(${name}.is_nan = 1 OR ${sql})`, args } : { sql: `${name}.is_nan = 0 AND ${sql}`, args }
}

/** The index holds the beginning of a value only. */
function textMatches(name: string, comparison: Comparison): Fragment {
  const { sql, args } = matches(`${name}.value`, comparison)
  if (comparison.kind !== 'text' || comparison.operator !== '=') return { sql, args }
  return {
    sql: `substr(${name}.value, 1, 40) = substr(?, 1, 40) AND ${sql}`,
    args: [comparison.value, ...args],
  }
}

function datasetMatches(comparison: Comparison): Fragment {
  const column = comparison.key === 'context' ? `(i.tags ->> '$."mlflow.data.context"')` : `d.${comparison.key}`
  const { sql, args } = matches(column, comparison)
  return {
    sql: `EXISTS (SELECT 1 FROM run_inputs i JOIN run_datasets d ON d.id = i.dataset WHERE i.run = r.number AND ${sql})`,
    args,
  }
}

/** Characters of a text that count for order: the place in a list travels in its page token. */
const orderedCharacters = 250

/** Joins and terms of an order, ending with the newest start and the id: no two runs are equal in it.
 *  Runs without a value come last either way, before them those whose metric is not a number. */
export function compileOrder(orders: readonly Order[]): { joins: Fragment[]; terms: Term[] } {
  const joins: Fragment[] = []
  const terms: Term[] = []
  for (const [index, { entity, key, descending }] of orders.entries()) {
    const name = `o${index}`
    if (entity === 'metric' || entity === 'param' || entity === 'tag') {
      joins.push({
        sql: `LEFT JOIN ${tableOf[entity]} ${name} ON ${name}.run = r.number AND ${name}.key = ${keyId}`,
        args: [key],
      })
    }
    for (const term of termsOf({ entity, key }, name)) {
      terms.push({ sql: term.sql, descending: term.isRank ? false : descending })
    }
  }
  const ties = [
    { sql: 'r.start_time', descending: true },
    { sql: 'r.id', descending: false },
  ]
  return { joins, terms: [...terms, ...ties] }
}

function termsOf({ entity, key }: Key, name: string): { sql: string; isRank: boolean }[] {
  if (entity === 'metric') {
    return [
      { sql: `coalesce(${name}.is_nan, 2)`, isRank: true },
      { sql: `coalesce(${name}.value, 0.0)`, isRank: false },
    ]
  }
  const column = entity === 'attribute' ? (attributeColumns[key] ?? 'NULL') : `${name}.value`
  if (key === 'start_time' && entity === 'attribute') return [{ sql: column, isRank: false }]
  const empty = key === 'end_time' && entity === 'attribute' ? '0' : "''"
  const value = `coalesce(${column}, ${empty})`
  return [
    { sql: `(${column} IS NULL)`, isRank: true },
    { sql: empty === '0' ? value : `substr(${value}, 1, ${orderedCharacters})`, isRank: false },
  ]
}
