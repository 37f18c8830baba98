// Logged models: what a run saved as a model, with its parameters, tags and the metrics that name it.

import { z } from 'zod'
import { jsonColumn, type Reader, type Statement, type Value } from '../storage/database.ts'

export const modelStatuses = ['LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED'] as const
export const ModelStatus = z.enum(modelStatuses)
export type ModelStatus = z.infer<typeof ModelStatus>

type Pair = { key: string; value: string }

/** Metrics shown of one model: those logged last under each name and dataset. */
const metricsShownMax = 2_000

const Pairs = jsonColumn(z.array(z.object({ key: z.string(), value: z.string() })))
const MetricRow = z.object({
  model: z.string(),
  key: z.string(),
  // zod's own number is finite
  value: z.custom<number>((value) => typeof value === 'number'),
  is_nan: z.number(),
  step: z.number(),
  timestamp: z.number(),
  run: z.string(),
  dataset_name: z.string(),
  dataset_digest: z.string(),
})
const PlainRow = z.object({
  id: z.string(),
  experiment: z.number(),
  artifact_location: z.string(),
  name: z.string(),
  model_type: z.string().nullable(),
  source_run: z.string().nullable(),
  status: ModelStatus,
  status_message: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
  params: Pairs,
  tags: Pairs,
})
export type LoggedModelRow = z.infer<typeof PlainRow> & { metrics: z.infer<typeof MetricRow>[] }

const pairs = (table: string) =>
  `(SELECT json_group_array(json_object('key', key, 'value', value)) FROM (SELECT key, value FROM ${table} WHERE model = m.id ORDER BY key))`

const modelColumns = `m.id, m.experiment, e.artifact_location, m.name, m.model_type, m.source_run, m.status,
  m.status_message, m.created_by, m.created_at, m.updated_at,
  ${pairs('logged_model_params')} AS params, ${pairs('logged_model_tags')} AS tags`

/** Those that are there. `rest`: conditions, order and limit over `logged_models m JOIN experiments e`. */
export async function loggedModelsWhere(
  reader: Reader,
  rest: string,
  args: readonly Value[],
): Promise<LoggedModelRow[]> {
  const rows = await reader.all(
    PlainRow,
    `SELECT ${modelColumns} FROM logged_models m JOIN experiments e ON e.id = m.experiment
      WHERE m.deleted_at IS NULL AND ${rest}`,
    args,
  )
  // as columns, not inside JSON: SQLite writes a double there with 15 digits of the 17 it has
  const metrics = await reader.all(
    MetricRow,
    `SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY model, key, dataset_name, dataset_digest
        ORDER BY step DESC, timestamp DESC, value DESC) AS place
      FROM logged_model_metrics WHERE model IN (SELECT value FROM json_each(?)))
      WHERE place = 1 ORDER BY model, key, dataset_name`,
    [JSON.stringify(rows.map(({ id }) => id))],
  )
  const byModel = Map.groupBy(metrics, ({ model }) => model)
  return rows.map((row) => ({ ...row, metrics: (byModel.get(row.id) ?? []).slice(0, metricsShownMax) }))
}

/** Undefined where there is none, or it is deleted. */
export async function findLoggedModel(reader: Reader, id: string): Promise<LoggedModelRow | undefined> {
  return (await loggedModelsWhere(reader, 'm.id = ?', [id]))[0]
}

export type NewLoggedModel = {
  id: string
  experiment: number
  name: string
  modelType: string | undefined
  sourceRun: string | undefined
  createdBy: string
  params: readonly Pair[]
  tags: readonly Pair[]
}

export function insertLoggedModel(model: NewLoggedModel, nowMs: number): Statement[] {
  return [
    {
      sql: `INSERT INTO logged_models (id, experiment, name, model_type, source_run, status, created_by, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, 'LOGGED_MODEL_PENDING', ?, ?, ?)`,
      args: [
        model.id,
        model.experiment,
        model.name,
        model.modelType ?? null,
        model.sourceRun ?? null,
        model.createdBy,
        nowMs,
        nowMs,
      ],
    },
    ...model.params.map((param) => insertModelParam(model.id, param)),
    ...model.tags.map((tag) => setModelTag(model.id, tag)),
  ]
}

export const setModelStatus = (id: string, status: ModelStatus, nowMs: number): Statement => ({
  sql: 'UPDATE logged_models SET status = ?, updated_at = ? WHERE id = ?',
  args: [status, nowMs, id],
})

export const deleteLoggedModel = (id: string, nowMs: number): Statement => ({
  sql: 'UPDATE logged_models SET deleted_at = ?, updated_at = ? WHERE id = ?',
  args: [nowMs, nowMs, id],
})

/** Said twice alike it is said once; the caller refuses another value. */
export const insertModelParam = (id: string, { key, value }: Pair): Statement => ({
  sql: 'INSERT INTO logged_model_params (model, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  args: [id, key, value],
})

export const setModelTag = (id: string, { key, value }: Pair): Statement => ({
  sql: `INSERT INTO logged_model_tags (model, key, value) VALUES (?, ?, ?)
    ON CONFLICT (model, key) DO UPDATE SET value = excluded.value`,
  args: [id, key, value],
})

export const deleteModelTag = (id: string, key: string): Statement => ({
  sql: 'DELETE FROM logged_model_tags WHERE model = ? AND key = ?',
  args: [id, key],
})
