// Finding logged models with the language of runs: `metrics.auc > 0.9 AND params.depth = '3' AND name = 'model'`.

import type { Reader, Value } from '../storage/database.ts'
import { type Comparison, FilterError, parseFilter, type Vocabulary } from './filter.ts'
import { type LoggedModelRow, loggedModelsWhere } from './logged-models.ts'
import { type Fragment, matches } from './sql.ts'

/** A metric counts only where it was measured on one of these. */
export type OnDataset = { name: string; digest: string | undefined }
export type ModelOrder = { field: string; ascending: boolean; dataset: OnDataset | undefined }

const number = (name: string) => ({ name, type: 'number' }) as const
const text = (name: string) => ({ name, type: 'text' }) as const
const vocabulary: Vocabulary = {
  entities: ['metric', 'param', 'tag', 'attribute'],
  attributes: {
    name: text('name'),
    model_id: text('model_id'),
    model_type: text('model_type'),
    status: text('status'),
    source_run_id: text('source_run_id'),
    creation_timestamp: number('creation_timestamp'),
    creation_time: number('creation_timestamp'),
    last_updated_timestamp: number('last_updated_timestamp'),
    last_updated_time: number('last_updated_timestamp'),
  },
}
/** READY instead of LOGGED_MODEL_READY, as clients say it in a filter. */
const columns: Readonly<Record<string, string>> = {
  name: 'm.name',
  model_id: 'm.id',
  model_type: 'm.model_type',
  status: `replace(m.status, 'LOGGED_MODEL_', '')`,
  source_run_id: 'm.source_run',
  creation_timestamp: 'm.created_at',
  last_updated_timestamp: 'm.updated_at',
}

export type ModelQuery = {
  experiments: readonly number[]
  filter: string
  datasets: readonly OnDataset[]
  orderBy: readonly ModelOrder[]
  limit: number
  offset: number
}

/** Newest first where nothing else is said. Those of deleted experiments are not found.
 *  @throws FilterError */
export function searchLoggedModels(reader: Reader, query: ModelQuery): Promise<LoggedModelRow[]> {
  const comparisons = parseFilter(query.filter, vocabulary)
  const conditions = comparisons.map((comparison) => condition(comparison, query.datasets))
  if (query.datasets.length > 0 && !comparisons.some(({ entity }) => entity === 'metric')) {
    const { sql, args } = onDatasets(query.datasets)
    conditions.push({ sql: `EXISTS (SELECT 1 FROM logged_model_metrics v WHERE v.model = m.id AND ${sql})`, args })
  }
  const orders = query.orderBy.map(orderTerm)
  const where = [
    'e.deleted_at IS NULL AND m.experiment IN (SELECT value FROM json_each(?))',
    ...conditions.map(({ sql }) => sql),
  ]
  const args: Value[] = [JSON.stringify(query.experiments), ...[...conditions, ...orders].flatMap(({ args }) => args)]
  return loggedModelsWhere(
    reader,
    `${where.join(' AND ')}
      ORDER BY ${[...orders.map(({ sql }) => sql), 'm.created_at DESC', 'm.id'].join(', ')} LIMIT ? OFFSET ?`,
    [...args, query.limit, query.offset],
  )
}

function condition(comparison: Comparison, datasets: readonly OnDataset[]): Fragment {
  const { entity, key } = comparison
  if (entity === 'attribute') {
    // also in its long form
    const plain =
      key === 'status' && comparison.kind === 'text'
        ? { ...comparison, value: comparison.value.replace(/^LOGGED_MODEL_/, '') }
        : comparison
    return matches(columns[key] ?? 'NULL', plain)
  }
  if (entity === 'metric') {
    const { sql, args } = matches('v.value', comparison)
    const on = onDatasets(datasets)
    const measured = 'SELECT 1 FROM logged_model_metrics v WHERE v.model = m.id AND v.key = ?'
    return { sql: `EXISTS (${measured} AND v.is_nan = 0 AND ${on.sql} AND ${sql})`, args: [key, ...on.args, ...args] }
  }
  const table = entity === 'param' ? 'logged_model_params' : 'logged_model_tags'
  const said = `SELECT 1 FROM ${table} v WHERE v.model = m.id AND v.key = ?`
  if (comparison.kind === 'absent' || comparison.kind === 'present') {
    return { sql: `${comparison.kind === 'absent' ? 'NOT ' : ''}EXISTS (${said})`, args: [key] }
  }
  const { sql, args } = matches('v.value', comparison)
  return { sql: `EXISTS (${said} AND ${sql})`, args: [key, ...args] }
}

function onDatasets(datasets: readonly OnDataset[]): Fragment {
  if (datasets.length === 0) return { sql: '1', args: [] }
  const each = datasets.map(({ name, digest }) => ({
    sql: digest === undefined ? 'v.dataset_name = ?' : '(v.dataset_name = ? AND v.dataset_digest = ?)',
    args: digest === undefined ? [name] : [name, digest],
  }))
  return { sql: `(${each.map(({ sql }) => sql).join(' OR ')})`, args: each.flatMap(({ args }) => args) }
}

/** Models without a value come last either way. */
function orderTerm({ field, ascending, dataset }: ModelOrder): Fragment {
  const direction = ascending ? 'ASC' : 'DESC'
  const [, metric] = /^metrics\.(.+)$/s.exec(field) ?? []
  if (metric !== undefined) {
    const on = onDatasets(dataset === undefined ? [] : [dataset])
    const value = `(SELECT v.value FROM logged_model_metrics v WHERE v.model = m.id AND v.key = ? AND v.is_nan = 0
      AND ${on.sql} ORDER BY v.step DESC, v.timestamp DESC LIMIT 1)`
    const args = [metric, ...on.args]
    return { sql: `${value} IS NULL, ${value} ${direction}`, args: [...args, ...args] }
  }
  const attribute = Object.hasOwn(vocabulary.attributes, field) ? vocabulary.attributes[field] : undefined
  const column = attribute && columns[attribute.name]
  if (column !== undefined) return { sql: `${column} IS NULL, ${column} ${direction}`, args: [] }
  throw new FilterError(
    `Invalid order by field name: ${field}; use metrics.<name>, ${Object.keys(vocabulary.attributes).join(', ')}`,
  )
}
