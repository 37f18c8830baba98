// runs/log-…: metrics, parameters, tags, inputs, outputs and models of a run.

import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { HubEnv } from '../../governance/access.ts'
import { auditStatements, changeBy, onlyIfChanged } from '../../governance/audit.ts'
import type { Hub } from '../../hub.ts'
import { inputStatements, outputStatements } from '../inputs.ts'
import { activeRun, type Batch, type LoggedPoint, logBatch, logStatements } from '../log.ts'
import { readRuns } from '../run-data.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { doesNotExist, invalidParameter } from './error.ts'
import { keyName, Metric, Param, runIdFields, Tag } from './fields.ts'
import { integer, text } from './request.ts'
import { runIdOf } from './run-routes.ts'

const entitiesMax = 1_000
const paramsMax = 100
const tagsMax = 100
const inputsMax = 1_000
/** The models of a run as JSON, in one tag. */
const modelsTag = 'mlflow.log-model.history'
const modelsTagLengthMax = 100_000

const NewBatch = z.object({
  ...runIdFields,
  metrics: z.array(Metric).max(entitiesMax).default([]),
  params: z.array(Param).max(paramsMax).default([]),
  tags: z.array(Tag).max(tagsMax).default([]),
})
const ModelId = text(100).min(1)
const Dataset = z.object({
  name: text(500).min(1),
  digest: text(36).min(1),
  source_type: text(36).default(''),
  source: text(65_535).default(''),
  schema: text(1_048_575).optional(),
  profile: text(1_048_575).optional(),
})
const Inputs = z.object({
  ...runIdFields,
  datasets: z
    .array(
      z.object({
        tags: z
          .array(z.object({ key: text(255), value: text(500) }))
          .max(inputsMax)
          .default([]),
        dataset: Dataset,
      }),
    )
    .max(inputsMax)
    .default([]),
  models: z
    .array(z.object({ model_id: ModelId }))
    .max(inputsMax)
    .default([]),
})

export function addLogRoutes(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  const log = (c: Context<HubEnv>, id: string, batch: Batch) =>
    logBatch(database, id, batch, clock(), changeBy(c, 'run.tag', `run:${id}`))
  const writes = { method: 'post', scope: 'ci' } as const

  mlflowRoute(
    app,
    { ...writes, path: 'runs/log-metric', summary: 'log a metric', fields: Metric.extend(runIdFields) },
    async (fields, c) => {
      await log(c, runIdOf(fields), { metrics: [pointOf(fields)], params: [], tags: [] })
      return {}
    },
  )
  mlflowRoute(
    app,
    { ...writes, path: 'runs/log-parameter', summary: 'log a parameter', fields: Param.extend(runIdFields) },
    async ({ key, value, ...fields }, c) => {
      await log(c, runIdOf(fields), { metrics: [], params: [{ key, value }], tags: [] })
      return {}
    },
  )
  mlflowRoute(
    app,
    { ...writes, path: 'runs/set-tag', summary: 'set a tag', fields: Tag.extend(runIdFields) },
    async ({ key, value, ...fields }, c) => {
      await log(c, runIdOf(fields), { metrics: [], params: [], tags: [{ key, value }] })
      return {}
    },
  )
  mlflowRoute(
    app,
    { ...writes, path: 'runs/log-batch', summary: 'log metrics, parameters and tags, all or none', fields: NewBatch },
    async ({ metrics, params, tags, ...fields }, c) => {
      const count = metrics.length + params.length + tags.length
      if (count > entitiesMax) {
        throw invalidParameter(
          `A batch logging request can contain at most ${entitiesMax} entities. Got ${count} entities.`,
        )
      }
      const twice = params.find(({ key }, i) => params.findIndex((param) => param.key === key) !== i)
      if (twice !== undefined) {
        throw invalidParameter(
          `Duplicate parameter keys have been submitted: ['${twice.key}']. Please ensure each one occurs once.`,
        )
      }
      await log(c, runIdOf(fields), { metrics: metrics.map(pointOf), params, tags })
      return {}
    },
  )
  mlflowRoute(
    app,
    {
      ...writes,
      path: 'runs/delete-tag',
      summary: 'remove a tag',
      fields: z.object({ ...runIdFields, key: keyName }),
    },
    ({ key, ...fields }, c) =>
      database.exclusively(async (tx) => {
        const run = await activeRun(tx, runIdOf(fields))
        const change = changeBy(c, 'run.untag', `run:${run.id}`, { before: { key } })
        const [removed] = await tx.write([
          {
            sql: 'DELETE FROM run_tags WHERE run = ? AND key = (SELECT id FROM run_keys WHERE key = ?)',
            args: [run.number, key],
          },
          ...(await auditStatements(tx, clock(), [change])).map(onlyIfChanged),
        ])
        if (removed === 0) throw doesNotExist(`No tag with name: ${key} in run with id ${run.id}`)
        return {}
      }),
  )
  mlflowRoute(
    app,
    { ...writes, path: 'runs/log-inputs', summary: 'log datasets and models a run was fed with', fields: Inputs },
    ({ datasets, models, ...fields }, c) =>
      database.exclusively(async (tx) => {
        const run = await activeRun(tx, runIdOf(fields))
        const fed = models.map(({ model_id }) => model_id)
        const named = datasets.map(({ dataset: { name, digest } }) => ({ name, digest }))
        const change = changeBy(c, 'run.input', `run:${run.id}`, { after: { datasets: named, models: fed } })
        await tx.write([...inputStatements(run, datasets, fed), ...(await auditStatements(tx, clock(), [change]))])
        return {}
      }),
  )
  mlflowRoute(
    app,
    {
      ...writes,
      path: 'runs/outputs',
      summary: 'log models a run made',
      fields: z.object({
        ...runIdFields,
        models: z
          .array(z.object({ model_id: ModelId, step: integer.default(0) }))
          .max(inputsMax)
          .default([]),
      }),
    },
    ({ models, ...fields }, c) =>
      database.exclusively(async (tx) => {
        const run = await activeRun(tx, runIdOf(fields))
        const made = models.map(({ model_id, step }) => ({ model: model_id, step }))
        const change = changeBy(c, 'run.output', `run:${run.id}`, { after: { models: made } })
        await tx.write([...outputStatements(run, made), ...(await auditStatements(tx, clock(), [change]))])
        return {}
      }),
  )
  mlflowRoute(
    app,
    {
      ...writes,
      path: 'runs/log-model',
      summary: 'note a model among the files of a run (clients before 3.0)',
      fields: z.object({ ...runIdFields, model_json: text(1_000_000) }),
    },
    ({ model_json, ...fields }, c) =>
      database.exclusively(async (tx) => {
        const model = readModelJson(model_json)
        const run = await activeRun(tx, runIdOf(fields))
        const [whole] = await readRuns(tx, [run.number])
        const before = History.safeParse(parseJson(whole?.tags.find(({ key }) => key === modelsTag)?.value ?? '[]'))
        const value = JSON.stringify([...(before.success ? before.data : []), model])
        if (value.length > modelsTagLengthMax) {
          throw invalidParameter(`the models of a run may be described in ${modelsTagLengthMax} characters`)
        }
        const batch = { metrics: [], params: [], tags: [{ key: modelsTag, value }] }
        const change = changeBy(c, 'run.tag', `run:${run.id}`, { after: { tags: batch.tags } })
        await tx.write([...(await logStatements(tx, run, batch)), ...(await auditStatements(tx, clock(), [change]))])
        return {}
      }),
  )
}

const History = z.array(z.unknown())

function pointOf(metric: z.output<typeof Metric>): LoggedPoint {
  const { key, value, timestamp, step, model_id, dataset_name, dataset_digest } = metric
  const model = model_id === '' ? undefined : model_id
  return { key, value, timestamp, step, model, dataset: { name: dataset_name ?? '', digest: dataset_digest ?? '' } }
}

/** What is kept of an MLmodel file. */
const ModelInfo = z.object({
  run_id: z.string(),
  artifact_path: z.string(),
  utc_time_created: z.string(),
  model_uuid: z.string().optional(),
  flavors: z.record(z.string(), z.unknown()),
})

function readModelJson(text: string): z.infer<typeof ModelInfo> {
  const parsed = ModelInfo.safeParse(parseJson(text))
  if (parsed.success) return parsed.data
  const missing = parsed.error.issues.map(({ path }) => path.join('.') || 'a JSON object').join(', ')
  throw invalidParameter(`Model json is missing mandatory fields: ${missing}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
