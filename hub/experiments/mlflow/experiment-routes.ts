// experiments/…: create, find, search, rename, delete, restore, tag.

import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { HubEnv } from '../../governance/access.ts'
import { auditStatements, changeBy } from '../../governance/audit.ts'
import type { Hub } from '../../hub.ts'
import type { Reader } from '../../storage/database.ts'
import { searchExperiments } from '../experiment-search.ts'
import {
  deleteExperiment,
  deleteExperimentTag,
  type ExperimentRow,
  experimentTags,
  findExperiment,
  findExperimentByName,
  insertExperiment,
  nextExperimentId,
  readExperiments,
  renameExperiment,
  restoreExperiment,
  setExperimentTag,
} from '../experiments.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { filled, nextPage, shownExperiment } from './documents.ts'
import { doesNotExist, invalidParameter, MlflowError } from './error.ts'
import { ExperimentId, filter, keyName, orderBy, PageToken, ViewType } from './fields.ts'
import { pageSize, text } from './request.ts'

const Name = text(500).min(1)
const Tag = z.object({ key: keyName, value: text(20_000).default('') })
const tagsMax = 1_000
const resultsMax = 50_000
const resultsByDefault = 1_000

/** Where files go is the hub itself, or a place the client reaches on its own. */
const ArtifactLocation = text(2_048).refine((uri) => uri === '' || /^[a-z][a-z0-9+.-]*:\/?/i.test(uri), {
  message: 'an artifact location is a URI',
})

export function addExperimentRoutes(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  const byId = z.object({ experiment_id: ExperimentId })

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'experiments/create',
      summary: 'make an experiment',
      scope: 'ci',
      fields: z.object({
        name: Name,
        artifact_location: ArtifactLocation.default(''),
        tags: z.array(Tag).max(tagsMax).default([]),
      }),
    },
    (fields, c) =>
      database.exclusively(async (tx) => {
        await needFreeName(tx, fields.name)
        const id = await nextExperimentId(tx)
        const now = clock()
        const row: ExperimentRow = {
          id,
          name: fields.name,
          artifact_location: fields.artifact_location === '' ? `mlflow-artifacts:/${id}` : fields.artifact_location,
          created_at: now,
          updated_at: now,
          deleted_at: null,
        }
        const change = changeBy(c, 'experiment.create', `experiment:${id}`, { after: { name: row.name } })
        await tx.write([...insertExperiment(row, fields.tags), ...(await auditStatements(tx, now, [change]))])
        return { experiment_id: String(id) }
      }),
  )

  mlflowRoute(
    app,
    { method: 'get', path: 'experiments/get', summary: 'an experiment', scope: 'viewer', fields: byId },
    async ({ experiment_id }) => shown(await needExperiment(database, experiment_id)),
  )

  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'experiments/get-by-name',
      summary: 'an experiment by its name, also a deleted one',
      scope: 'viewer',
      fields: z.object({ experiment_name: Name }),
    },
    async ({ experiment_name }) => {
      const row = await findExperimentByName(database, experiment_name)
      if (row === undefined) throw doesNotExist(`Could not find experiment with name '${experiment_name}'`)
      return shown(row)
    },
  )

  const search = {
    path: 'experiments/search',
    summary: 'experiments by name, time and tags',
    scope: 'viewer' as const,
    fields: z.object({
      max_results: pageSize(resultsByDefault, resultsMax),
      page_token: PageToken,
      filter,
      order_by: orderBy,
      view_type: ViewType,
    }),
  }
  for (const method of ['post', 'get'] as const) {
    mlflowRoute(app, { ...search, method }, async (fields) => {
      const { ids, nextPageToken } = await searchExperiments(database, {
        filter: fields.filter,
        orderBy: fields.order_by,
        lifecycle: fields.view_type,
        limit: Math.min(fields.max_results, resultsByDefault),
        pageToken: fields.page_token,
      })
      const rows = await readExperiments(database, ids)
      const tags = await experimentTags(database, ids)
      return {
        ...filled(
          'experiments',
          rows.map((row) => shownExperiment(row, tags.get(row.id) ?? [])),
        ),
        ...nextPage(nextPageToken),
      }
    })
  }

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'experiments/update',
      summary: 'rename an experiment',
      scope: 'ci',
      fields: byId.extend({ new_name: Name }),
    },
    (fields, c) =>
      database.exclusively(async (tx) => {
        const row = await needExperiment(tx, fields.experiment_id)
        if (row.deleted_at !== null) throw new MlflowError('INVALID_STATE', 'Cannot rename a non-active experiment.')
        if (row.name === fields.new_name) return {}
        await needFreeName(tx, fields.new_name)
        const names = { before: { name: row.name }, after: { name: fields.new_name } }
        const change = changeBy(c, 'experiment.rename', `experiment:${row.id}`, names)
        const now = clock()
        await tx.write([renameExperiment(row.id, fields.new_name, now), ...(await auditStatements(tx, now, [change]))])
        return {}
      }),
  )

  for (const verb of ['delete', 'restore'] as const) {
    const deletes = verb === 'delete'
    mlflowRoute(
      app,
      {
        method: 'post',
        path: `experiments/${verb}`,
        summary: `${verb} an experiment with its runs`,
        scope: 'ci',
        fields: byId,
      },
      (fields, c) =>
        database.exclusively(async (tx) => {
          const row = await needExperiment(tx, fields.experiment_id)
          if ((row.deleted_at !== null) === deletes) {
            throw doesNotExist(`No ${deletes ? 'active' : 'deleted'} experiment with id=${row.id} exists`)
          }
          const now = clock()
          const change = changeBy(c, `experiment.${verb}`, `experiment:${row.id}`)
          const statements = deletes ? deleteExperiment(row.id, now) : restoreExperiment(row.id, now)
          await tx.write([...statements, ...(await auditStatements(tx, now, [change]))])
          return {}
        }),
    )
  }

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'experiments/set-experiment-tag',
      summary: 'set a tag of an experiment',
      scope: 'ci',
      fields: byId.extend(Tag.shape),
    },
    (fields, c) => changeTag(c, fields),
  )
  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'experiments/delete-experiment-tag',
      summary: 'remove a tag of an experiment',
      scope: 'ci',
      fields: byId.extend({ key: text(250).min(1) }),
    },
    (fields, c) => changeTag(c, fields),
  )

  /** Sets the tag, or takes it away where there is no value. */
  function changeTag(
    c: Context<HubEnv>,
    { experiment_id: id, key, value }: { experiment_id: number; key: string; value?: string },
  ): Promise<Record<string, unknown>> {
    return database.exclusively(async (tx) => {
      await needActive(tx, id)
      const tags = (await experimentTags(tx, [id])).get(id) ?? []
      const before = tags.find((tag) => tag.key === key)
      if (value === undefined && before === undefined) {
        throw doesNotExist(`No tag with name: ${key} in experiment with id ${id}`)
      }
      if (before === undefined && tags.length >= tagsMax) {
        throw invalidParameter(`An experiment has at most ${tagsMax} tags`)
      }
      const action = value === undefined ? 'experiment.untag' : 'experiment.tag'
      const change = changeBy(c, action, `experiment:${id}`, {
        before,
        after: value === undefined ? undefined : { key, value },
      })
      await tx.write([
        value === undefined ? deleteExperimentTag(id, key) : setExperimentTag(id, { key, value }),
        ...(await auditStatements(tx, clock(), [change])),
      ])
      return {}
    })
  }

  async function shown(row: ExperimentRow): Promise<Record<string, unknown>> {
    const tags = await experimentTags(database, [row.id])
    return { experiment: shownExperiment(row, tags.get(row.id) ?? []) }
  }
}

async function needFreeName(reader: Reader, name: string): Promise<void> {
  const taken = await findExperimentByName(reader, name)
  if (taken === undefined) return
  const deleted = taken.deleted_at === null ? '' : ' in deleted state; restore it, or choose another name'
  throw new MlflowError('RESOURCE_ALREADY_EXISTS', `Experiment(name=${name}) already exists${deleted}.`)
}

/** @throws MlflowError RESOURCE_DOES_NOT_EXIST */
export async function needExperiment(reader: Reader, id: number): Promise<ExperimentRow> {
  const row = await findExperiment(reader, id)
  if (row === undefined) throw doesNotExist(`No Experiment with id=${id} exists`)
  return row
}

/** @throws MlflowError RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE where it is deleted */
export async function needActive(reader: Reader, id: number): Promise<ExperimentRow> {
  const row = await needExperiment(reader, id)
  if (row.deleted_at === null) return row
  throw invalidParameter(`The experiment ${id} must be in the 'active' state. Current state is deleted.`)
}
