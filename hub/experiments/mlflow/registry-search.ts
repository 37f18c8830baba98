// Finding registered models and their versions: name, tags, run and source, in the filter language of runs.

import type { Reader, Value } from '../../storage/database.ts'
import { type Comparison, FilterError, type Order, parseFilter, parseOrder, type Vocabulary } from '../filter.ts'
import { type Fragment, matches } from '../sql.ts'
import { ModelFields, modelChangedAt, modelFields, VersionFields, versionFields } from './registry-rows.ts'

const number = (name: string) => ({ name, type: 'number' }) as const
const text = (name: string) => ({ name, type: 'text' }) as const

type Searched = {
  vocabulary: Vocabulary
  columns: Readonly<Record<string, string>>
  /** Rows of tags of one of them, before `AND t.key = …`. */
  tags: string
}

const models: Searched = {
  vocabulary: {
    entities: ['tag', 'attribute'],
    attributes: {
      name: text('name'),
      creation_timestamp: number('creation_timestamp'),
      last_updated_timestamp: number('last_updated_timestamp'),
      // as MLflow's older clients order
      timestamp: number('last_updated_timestamp'),
    },
  },
  columns: { name: 'm.name', creation_timestamp: 'm.created_at', last_updated_timestamp: modelChangedAt },
  tags: 'SELECT 1 FROM model_tags t WHERE t.model = m.name',
}
const versions: Searched = {
  vocabulary: {
    entities: ['tag', 'attribute'],
    attributes: {
      name: text('name'),
      run_id: text('run_id'),
      source_path: text('source_path'),
      version_number: number('version_number'),
      creation_timestamp: number('creation_timestamp'),
      last_updated_timestamp: number('last_updated_timestamp'),
    },
  },
  columns: {
    name: 'v.model',
    run_id: 'v.run',
    source_path: 'v.source',
    version_number: 'v.version',
    creation_timestamp: 'v.created_at',
    last_updated_timestamp: 'max(v.created_at, coalesce(v.changed_at, 0))',
  },
  tags: 'SELECT 1 FROM version_tags t WHERE t.model = v.model AND t.version = v.version',
}

export type RegistryQuery = {
  filter: string
  orderBy: readonly string[]
  limit: number
  offset: number
}

/** By name where nothing else is said.
 *  @throws FilterError */
export function searchModels(reader: Reader, query: RegistryQuery): Promise<ModelFields[]> {
  const { where, order, args } = compiled(models, query)
  return reader.all(
    ModelFields,
    `SELECT ${modelFields} FROM models m WHERE m.deleted_at IS NULL ${where}
      ORDER BY ${[...order, 'm.name'].join(', ')}${limits}`,
    [...args, query.limit, query.offset],
  )
}

/** Newest first where nothing else is said.
 *  @throws FilterError */
export function searchVersions(reader: Reader, query: RegistryQuery): Promise<VersionFields[]> {
  const { where, order, args } = compiled(versions, query)
  const byDefault = order.length === 0 ? ['max(v.created_at, coalesce(v.changed_at, 0)) DESC'] : order
  return reader.all(
    VersionFields,
    `SELECT ${versionFields} FROM versions v JOIN models m ON m.name = v.model
      WHERE v.deleted_at IS NULL AND m.deleted_at IS NULL ${where}
      ORDER BY ${[...byDefault, 'v.model', 'v.version DESC'].join(', ')}${limits}`,
    [...args, query.limit, query.offset],
  )
}

const limits = ' LIMIT ? OFFSET ?'
const orderTermsMax = 10

function compiled(searched: Searched, { filter, orderBy }: RegistryQuery) {
  const conditions = parseFilter(filter, searched.vocabulary).map((comparison) => condition(searched, comparison))
  if (orderBy.length > orderTermsMax) throw new FilterError(`an order has at most ${orderTermsMax} terms`)
  const args: Value[] = conditions.flatMap(({ args }) => args)
  return {
    where: conditions.map(({ sql }) => `AND ${sql}`).join(' '),
    order: orderBy.map((clause) => orderTerm(searched, parseOrder(clause, searched.vocabulary))),
    args,
  }
}

/** Clients ask for what is no prompt; nothing here is one, and says so by having no such tag. */
const promptTag = 'mlflow.prompt.is_prompt'

function condition({ columns, tags }: Searched, comparison: Comparison): Fragment {
  const { entity, key } = comparison
  if (entity === 'attribute') return matches(columns[key] ?? 'NULL', comparison)
  const said = `${tags} AND t.key = ?`
  if (comparison.kind === 'absent' || comparison.kind === 'present') {
    return { sql: `${comparison.kind === 'absent' ? 'NOT ' : ''}EXISTS (${said})`, args: [key] }
  }
  const { sql, args } = matches('t.value', comparison)
  const found = { sql: `EXISTS (${said} AND ${sql})`, args: [key, ...args] }
  if (key !== promptTag || comparison.kind !== 'text') return found
  const wantsNone =
    (comparison.operator === '!=' && comparison.value === 'true') ||
    (comparison.operator === '=' && comparison.value === 'false')
  return wantsNone ? { sql: `(NOT EXISTS (${said}) OR ${found.sql})`, args: [key, ...found.args] } : found
}

function orderTerm({ columns }: Searched, { entity, key, descending }: Order): string {
  const column = entity === 'attribute' ? columns[key] : undefined
  if (column === undefined)
    throw new FilterError(`Invalid order_by clause: order by ${Object.keys(columns).join(', ')}`)
  return `${column} ${descending ? 'DESC' : 'ASC'}`
}
