// Logging to a run: metric points, parameters, tags; all of a batch or nothing. Parameters never change; tags do;
// of a metric the point with the highest step, then time, then value counts as its latest.

import { z } from 'zod'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Database, Reader, Statement, Value } from '../storage/database.ts'
import { numberKeys } from './run-keys.ts'
import { findRun, isDeleted, type RunRow, runNameTag, updateRun } from './runs.ts'

export type Point = { key: string; value: number; timestamp: number; step: number }
/** `model`: the logged model it belongs to as well. */
export type LoggedPoint = Point & { model?: string | undefined; dataset: { name: string; digest: string } }
export type Batch = {
  metrics: readonly LoggedPoint[]
  params: readonly { key: string; value: string }[]
  tags: readonly { key: string; value: string }[]
}

export type LogErrorCode = 'no-run' | 'run-deleted' | 'param-changed' | 'no-model'
export class LogError extends Error {
  override readonly name = 'LogError'
  readonly code: LogErrorCode
  constructor(code: LogErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

/** Metrics and parameters are many and are not recorded; tags are, as what `change` says who makes.
 *  @throws LogError; then nothing of the batch is written */
export async function logBatch(
  database: Database,
  runId: string,
  batch: Batch,
  nowMs: number,
  change: Change,
): Promise<void> {
  await database.exclusively(async (tx) => {
    const run = await activeRun(tx, runId)
    const tags = lastOfEach(batch.tags)
    const changes = tags.length === 0 ? [] : [{ ...change, after: { tags } }]
    await tx.write([...(await logStatements(tx, run, batch)), ...(await auditStatements(tx, nowMs, changes))])
  })
}

/** @throws LogError no-run, run-deleted */
export async function activeRun(reader: Reader, id: string): Promise<RunRow> {
  const run = await findRun(reader, id)
  if (run === undefined) throw new LogError('no-run', `Run with id=${id} not found`)
  if (isDeleted(run)) {
    throw new LogError('run-deleted', `The run ${id} must be in the 'active' state. Current state is deleted.`)
  }
  return run
}

/** What a batch writes to a run that is there and active.
 *  @throws LogError param-changed, no-model */
export async function logStatements(
  tx: Reader,
  run: Pick<RunRow, 'number' | 'id'>,
  batch: Batch,
): Promise<Statement[]> {
  const names = new Set([...batch.metrics, ...batch.params, ...batch.tags].map(({ key }) => key))
  const { numbers, statements } = await numberKeys(tx, names)
  const numberOf = (key: string): number => numbers.get(key) ?? 0
  const params = await newParams(tx, run, batch.params)
  await needModels(tx, batch.metrics)
  return [
    ...statements,
    ...pointStatements(run.number, batch.metrics, numberOf),
    ...modelStatements(run.id, batch.metrics),
    ...rowsInto(
      'INSERT INTO run_params (run, key, value)',
      params.map(({ key, value }) => [run.number, numberOf(key), value]),
    ),
    ...rowsInto(
      'INSERT INTO run_tags (run, key, value)',
      lastOfEach(batch.tags).map(({ key, value }) => [run.number, numberOf(key), value]),
      'ON CONFLICT (run, key) DO UPDATE SET value = excluded.value',
    ),
    ...nameStatements(run.number, batch.tags),
  ]
}

const ParamRow = z.object({ key: z.string(), value: z.string() })

/** Those the run does not have yet.
 *  @throws LogError param-changed */
async function newParams(tx: Reader, run: Pick<RunRow, 'number' | 'id'>, params: Batch['params']) {
  if (params.length === 0) return []
  const rows = await tx.all(
    ParamRow,
    `SELECT k.key, p.value FROM run_params p JOIN run_keys k ON k.id = p.key
      WHERE p.run = ? AND k.key IN (SELECT value FROM json_each(?))`,
    [run.number, JSON.stringify(params.map(({ key }) => key))],
  )
  const present = new Map(rows.map(({ key, value }) => [key, value]))
  for (const { key, value } of params) {
    const old = present.get(key)
    if (old === undefined || old === value) continue
    throw new LogError(
      'param-changed',
      `Changing param values is not allowed. Param with key='${key}' was already logged with value='${old}' for run ID='${run.id}'. Attempted logging new value '${value}'.`,
    )
  }
  return params.filter(({ key }) => !present.has(key))
}

/** @throws LogError no-model */
async function needModels(tx: Reader, metrics: Batch['metrics']): Promise<void> {
  const models = [...new Set(metrics.flatMap(({ model }) => model ?? []))]
  if (models.length === 0) return
  const rows = await tx.all(
    z.object({ id: z.string() }),
    'SELECT id FROM logged_models WHERE deleted_at IS NULL AND id IN (SELECT value FROM json_each(?))',
    [JSON.stringify(models)],
  )
  const present = new Set(rows.map(({ id }) => id))
  const missing = models.find((model) => !present.has(model))
  if (missing !== undefined) throw new LogError('no-model', `Logged model with ID '${missing}' not found.`)
}

function pointStatements(run: number, points: readonly Point[], numberOf: (key: string) => number): Statement[] {
  const row = (point: Point): Value[] => [run, numberOf(point.key), point.step, point.timestamp, ...stored(point.value)]
  return [
    ...rowsInto('INSERT OR IGNORE INTO metric_points (run, key, step, timestamp, value, is_nan)', points.map(row)),
    ...rowsInto(
      'INSERT INTO run_latest_metrics (run, key, step, timestamp, value, is_nan)',
      latestOfEach(points).map(row),
      `ON CONFLICT (run, key) DO UPDATE SET
        step = excluded.step, timestamp = excluded.timestamp, value = excluded.value, is_nan = excluded.is_nan
        WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)`,
    ),
  ]
}

function modelStatements(run: string, points: readonly LoggedPoint[]): Statement[] {
  const rows = points.flatMap(({ model, key, step, timestamp, value, dataset }) =>
    model === undefined ? [] : [[model, key, run, step, timestamp, ...stored(value), dataset.name, dataset.digest]],
  )
  return rowsInto(
    `INSERT OR IGNORE INTO logged_model_metrics
      (model, key, run, step, timestamp, value, is_nan, dataset_name, dataset_digest)`,
    rows,
  )
}

/** The tag that is the name names the run. */
function nameStatements(run: number, tags: Batch['tags']): Statement[] {
  const name = tags.findLast(({ key }) => key === runNameTag)?.value
  return name === undefined ? [] : [updateRun(run, { name, status: undefined, endTime: undefined })]
}

/** The point of each metric that is the latest among those given. NaN counts as 0, as it is stored. */
export function latestOfEach(points: readonly Point[]): Point[] {
  const latest = new Map<string, Point>()
  for (const point of points) {
    const best = latest.get(point.key)
    if (best === undefined || isLater(point, best)) latest.set(point.key, point)
  }
  return [...latest.values()]
}

function isLater(a: Point, b: Point): boolean {
  if (a.step !== b.step) return a.step > b.step
  if (a.timestamp !== b.timestamp) return a.timestamp > b.timestamp
  return (a.value || 0) > (b.value || 0)
}

const lastOfEach = (tags: Batch['tags']) => [...new Map(tags.map((tag) => [tag.key, tag])).values()]

/** The columns `value` and `is_nan`. The client binds no infinities; as text the column takes them. */
function stored(value: number): [Value, number] {
  if (Number.isNaN(value)) return [0, 1]
  if (Number.isFinite(value)) return [value, 0]
  return [value > 0 ? '9e999' : '-9e999', 0]
}

/** Rows of one statement. Binding costs more than the statement: beyond a hundred nothing is gained. */
const rowsPerStatement = 100

/** `head VALUES (…), (…) tail`, in as many statements as it takes. */
export function rowsInto(head: string, rows: readonly (readonly Value[])[], tail = ''): Statement[] {
  const statements: Statement[] = []
  for (let from = 0; from < rows.length; from += rowsPerStatement) {
    const some = rows.slice(from, from + rowsPerStatement)
    const values = some.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ')
    statements.push({ sql: `${head} VALUES ${values} ${tail}`, args: some.flat() })
  }
  return statements
}
