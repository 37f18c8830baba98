// The endpoints of logged models (MLflow 3): what `log_model` makes, fills and closes.

import { z } from '@hono/zod-openapi'
import { actorOf } from '../../governance/access.ts'
import { auditStatements, changeBy, writeAudited, writeAuditedIfChanged } from '../../governance/audit.ts'
import type { Hub } from '../../hub.ts'
import type { Reader } from '../../storage/database.ts'
import { findExperiment } from '../experiments.ts'
import { FilterError } from '../filter.ts'
import { searchLoggedModels } from '../logged-model-search.ts'
import {
  deleteLoggedModel,
  deleteModelTag,
  findLoggedModel,
  insertLoggedModel,
  insertModelParam,
  type LoggedModelRow,
  ModelStatus,
  setModelStatus,
  setModelTag,
} from '../logged-models.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { artifactUri } from './artifact-owner.ts'
import { listFolder } from './artifacts.ts'
import { doesNotExist, invalidParameter } from './error.ts'
import { offsetOf, page } from './page-token.ts'
import { integer, pageSize, shownDouble, text } from './request.ts'

/** Of one request, and of one model. */
const pairsMax = 1_000
const Key = text(250).min(1)
const Tags = z.array(z.object({ key: Key, value: text(8_000).default('') })).max(pairsMax)
const Params = z.array(z.object({ key: Key, value: text(6_000).default('') })).max(pairsMax)
const ModelId = z.object({ model_id: text(64) })
const ExperimentId = integer.refine((id) => id >= 0)

export function addLoggedModelRoutes(app: MlflowApp, hub: Hub): void {
  addCreation(app, hub)
  addEdits(app, hub)
  addReads(app, hub)
}

function addCreation(app: MlflowApp, hub: Hub): void {
  const { database } = hub
  const fields = z.object({
    experiment_id: ExperimentId,
    name: text(500).optional(),
    model_type: text(500).optional(),
    source_run_id: text(64).optional(),
    params: Params.default([]),
    tags: Tags.default([]),
  })
  mlflowRoute(
    app,
    { method: 'post', path: 'logged-models', summary: 'begin a logged model', scope: 'ci', fields },
    async ({ experiment_id: experiment, name, model_type, source_run_id, params, tags }, c) => {
      if (name !== undefined && /[/:.%"']/.test(name)) {
        throw invalidParameter(`Invalid model name (${JSON.stringify(name)}): it holds one of / : . % " '`)
      }
      const found = await findExperiment(database, experiment)
      if (found === undefined) throw doesNotExist(`No Experiment with id=${experiment} exists`)
      if (found.deleted_at !== null) throw invalidParameter(`The experiment ${experiment} is deleted; restore it first`)
      const id = `m-${Buffer.from(hub.random(16)).toString('hex')}`
      const model = {
        id,
        experiment,
        name: name || `model-${id.slice(2, 10)}`,
        modelType: model_type,
        sourceRun: source_run_id || undefined,
        createdBy: actorOf(c.get('principal')),
        params,
        tags,
      }
      const change = changeBy(c, 'logged-model.create', `logged-model:${id}`, {
        after: { name: model.name, experiment },
      })
      await writeAudited(database, hub.clock(), [change], insertLoggedModel(model, hub.clock()))
      return { model: shown(await need(hub, id)) }
    },
  )
}

function addEdits(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  const one = 'logged-models/{model_id}'
  // as a name, or as its number in the protocol
  const Status = z
    .union([ModelStatus, z.literal([1, 2, 3]).transform((number) => ModelStatus.options[number - 1])])
    .pipe(ModelStatus)
  mlflowRoute(
    app,
    {
      method: 'patch',
      path: one,
      summary: 'say whether its files are there',
      scope: 'ci',
      fields: ModelId.extend({ status: Status }),
    },
    async ({ model_id, status }, c) => {
      const before = await need(hub, model_id)
      const statuses = { before: { status: before.status }, after: { status } }
      const change = changeBy(c, 'logged-model.status', `logged-model:${model_id}`, statuses)
      await writeAuditedIfChanged(database, clock(), change, [setModelStatus(model_id, status, clock())])
      return { model: shown(await need(hub, model_id)) }
    },
  )
  mlflowRoute(
    app,
    { method: 'delete', path: one, summary: 'delete a logged model', scope: 'ci', fields: ModelId },
    async ({ model_id }, c) => {
      const { name } = await need(hub, model_id)
      const change = changeBy(c, 'logged-model.delete', `logged-model:${model_id}`, { before: { name } })
      await writeAudited(database, clock(), [change], [deleteLoggedModel(model_id, clock())])
      return {}
    },
  )
  mlflowRoute(
    app,
    {
      method: 'patch',
      path: `${one}/tags`,
      summary: 'set tags',
      scope: 'ci',
      fields: ModelId.extend({ tags: Tags.default([]) }),
    },
    async ({ model_id, tags }, c) => {
      await database.exclusively(async (tx) => {
        assertRoom((await need({ database: tx }, model_id)).tags, tags, 'tags')
        const change = changeBy(c, 'logged-model.tag', `logged-model:${model_id}`, { after: { tags } })
        const changes = tags.length === 0 ? [] : [change]
        await tx.write([
          ...tags.map((tag) => setModelTag(model_id, tag)),
          ...(await auditStatements(tx, clock(), changes)),
        ])
      })
      return { model: shown(await need(hub, model_id)) }
    },
  )
  mlflowRoute(
    app,
    {
      method: 'delete',
      path: `${one}/tags/{tag_key}`,
      summary: 'delete a tag',
      scope: 'ci',
      fields: ModelId.extend({ tag_key: Key }),
    },
    async ({ model_id, tag_key }, c) => {
      await need(hub, model_id)
      const change = changeBy(c, 'logged-model.untag', `logged-model:${model_id}`, { before: { key: tag_key } })
      const statement = deleteModelTag(model_id, tag_key)
      const [deleted = 0] = await writeAuditedIfChanged(database, clock(), change, [statement])
      if (deleted === 0) throw doesNotExist(`No tag with key ${JSON.stringify(tag_key)} found for model ${model_id}.`)
      return {}
    },
  )
  mlflowRoute(
    app,
    {
      method: 'post',
      path: `${one}/params`,
      summary: 'add parameters',
      scope: 'ci',
      fields: ModelId.extend({ params: Params.default([]) }),
    },
    async ({ model_id, params }) => {
      await need(hub, model_id)
      await database.exclusively(async (tx) => {
        const known = await findLoggedModel(tx, model_id)
        for (const { key, value } of params) {
          const other = known?.params.find((param) => param.key === key)
          if (other !== undefined && other.value !== value) {
            throw invalidParameter(`Changing param values is not allowed: ${key} is ${JSON.stringify(other.value)}`)
          }
        }
        assertRoom(known?.params ?? [], params, 'params')
        await tx.write(params.map((param) => insertModelParam(model_id, param)))
      })
      return {}
    },
  )
}

function addReads(app: MlflowApp, hub: Hub): void {
  mlflowRoute(
    app,
    { method: 'get', path: 'logged-models/{model_id}', summary: 'a logged model', scope: 'viewer', fields: ModelId },
    async ({ model_id }) => ({ model: shown(await need(hub, model_id)) }),
  )
  const Directory = ModelId.extend({ artifact_directory_path: text(2_048).optional() })
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'logged-models/{model_id}/artifacts/directories',
      summary: 'the files of a logged model',
      scope: 'viewer',
      fields: Directory,
    },
    ({ model_id, artifact_directory_path = '' }) =>
      listFolder(hub, { kind: 'model', id: model_id }, artifact_directory_path),
  )
  const Dataset = z.object({ dataset_name: text(500), dataset_digest: text(100).optional() })
  const fields = z.object({
    experiment_ids: z.array(ExperimentId).max(1_000).default([]),
    filter: text(100_000).default(''),
    datasets: z.array(Dataset).max(20).default([]),
    max_results: pageSize(50, 1_000),
    order_by: z
      .array(Dataset.partial().extend({ field_name: text(500), ascending: z.boolean().default(true) }))
      .max(10)
      .default([]),
    page_token: text(200).optional(),
  })
  mlflowRoute(
    app,
    { method: 'post', path: 'logged-models/search', summary: 'find logged models', scope: 'viewer', fields },
    async ({ experiment_ids, filter, datasets, max_results, order_by, page_token }) => {
      if (experiment_ids.length === 0) throw invalidParameter("Missing value for required parameter 'experiment_ids'.")
      const offset = offsetOf(page_token)
      const query = {
        experiments: experiment_ids,
        filter,
        datasets: datasets.map(({ dataset_name: name, dataset_digest: digest }) => ({ name, digest })),
        orderBy: order_by.map(({ field_name, ascending, dataset_name, dataset_digest }) => ({
          field: field_name,
          ascending,
          dataset: dataset_name === undefined ? undefined : { name: dataset_name, digest: dataset_digest },
        })),
        limit: max_results + 1,
        offset,
      }
      const { items, next } = page(await found(() => searchLoggedModels(hub.database, query)), max_results, offset)
      return { ...(items.length === 0 ? {} : { models: items.map(shown) }), ...next }
    },
  )
}

/** What is wrong in a filter, as MLflow says it. */
export async function found<T>(search: () => Promise<T>): Promise<T> {
  try {
    return await search()
  } catch (error) {
    throw error instanceof FilterError ? invalidParameter(error.message) : error
  }
}

async function need({ database }: { database: Reader }, id: string): Promise<LoggedModelRow> {
  const model = await findLoggedModel(database, id)
  if (model === undefined) throw doesNotExist(`Logged model with ID '${id}' not found.`)
  return model
}

type Pairs = readonly { key: string; value: string }[]

function assertRoom(known: Pairs, added: Pairs, what: string): void {
  if (new Set([...known, ...added].map(({ key }) => key)).size <= pairsMax) return
  throw invalidParameter(`A logged model has at most ${pairsMax} ${what}`)
}

function shown(model: LoggedModelRow): Record<string, unknown> {
  const { id, params, tags, metrics } = model
  return {
    info: {
      model_id: id,
      experiment_id: String(model.experiment),
      name: model.name,
      creation_timestamp_ms: model.created_at,
      last_updated_timestamp_ms: model.updated_at,
      artifact_uri: artifactUri(model.artifact_location, { kind: 'model', id }),
      status: model.status,
      ...(model.model_type === null ? {} : { model_type: model.model_type }),
      ...(model.source_run === null ? {} : { source_run_id: model.source_run }),
      ...(tags.length === 0 ? {} : { tags }),
    },
    data: {
      ...(params.length === 0 ? {} : { params }),
      ...(metrics.length === 0 ? {} : { metrics: metrics.map((metric) => shownMetric(id, metric)) }),
    },
  }
}

const shownMetric = (model_id: string, metric: LoggedModelRow['metrics'][number]) => ({
  key: metric.key,
  value: shownDouble(metric.is_nan === 1 ? Number.NaN : metric.value),
  timestamp: metric.timestamp,
  step: metric.step,
  model_id,
  run_id: metric.run,
  ...(metric.dataset_name === '' ? {} : { dataset_name: metric.dataset_name }),
  ...(metric.dataset_digest === '' ? {} : { dataset_digest: metric.dataset_digest }),
})
