// The endpoints of registered models: the registry's models, by the names and in the words of MLflow's clients.

import { z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { mayTouchModel, modelsGranted } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { Problem } from '../../problem.ts'
import { Alias, resolveAlias } from '../../registry/aliases.ts'
import { deleteModel } from '../../registry/deletion.ts'
import { createModel, dropAlias, editModel, pointAlias } from '../../registry/edit.ts'
import { askerOf } from '../../registry/edit-routes.ts'
import { Description } from '../../registry/metadata.ts'
import { Tags as RegistryTags, TagKey, TagValue } from '../../registry/tags.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { doesNotExist, invalidParameter, MlflowError } from './error.ts'
import { found } from './logged-models.ts'
import { offsetOf, page } from './page-token.ts'
import {
  findModelFields,
  type ModelFields,
  readStage,
  showModels,
  showVersion,
  versionsWhere,
} from './registry-rows.ts'
import { searchModels } from './registry-search.ts'
import { integer, pageSize, text } from './request.ts'

export const Name = text(500).min(1)
export const VersionNumber = integer.refine((version) => version >= 1 && version <= 1_000_000_000, {
  message: 'is no version number',
})
export const TagList = z.array(z.object({ key: TagKey, value: TagValue.default('') })).default([])
export const Search = z.object({
  filter: text(100_000).default(''),
  order_by: z.array(text(1_000)).max(10).default([]),
  page_token: text(200).optional(),
})
const Named = z.object({ name: Name })

export function addRegisteredModelRoutes(app: MlflowApp, hub: Hub): void {
  addModelEdits(app, hub)
  addModelReads(app, hub)
  addAliases(app, hub)
}

function addModelEdits(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  const shown = async (name: string) => ({
    registered_model: (await showModels(database, [await needModel(hub, name)]))[0],
  })
  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'registered-models/create',
      summary: 'take a name for a model',
      scope: 'ci',
      fields: Named.extend({ tags: TagList, description: Description.default('') }),
    },
    async ({ name, tags, description }, c) => {
      const pairs = tagRecord(tags)
      if (pairs['mlflow.prompt.is_prompt'] === 'true')
        throw invalidParameter('This server keeps models, and no prompts')
      const checked = ModelName.safeParse(name)
      if (!checked.success) {
        throw invalidParameter(
          `Invalid model name: ${JSON.stringify(name)}: use 1 to 63 lower-case letters, digits and hyphens`,
        )
      }
      mayTouchModel(c, name)
      try {
        await createModel(database, { name, description, tags: pairs }, clock(), askerOf(c))
      } catch (error) {
        if (error instanceof Problem && error.code === 'model-exists') {
          throw new MlflowError('RESOURCE_ALREADY_EXISTS', `Registered Model (name=${name}) already exists.`)
        }
        throw error instanceof Problem && error.code === 'deleted' ? invalidParameter(error.message) : error
      }
      return shown(name)
    },
  )
  mlflowRoute(
    app,
    {
      method: 'patch',
      path: 'registered-models/update',
      summary: 'describe a model',
      scope: 'ci',
      fields: Named.extend({ description: Description.default('') }),
    },
    async ({ name, description }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      await editModel(database, name, { description }, '*', clock(), askerOf(c))
      return shown(name)
    },
  )
  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'registered-models/rename',
      summary: 'refused: names are in signed manifests',
      scope: 'ci',
      fields: Named.extend({ new_name: Name.optional() }),
    },
    async ({ name }) => {
      await needModel(hub, name)
      throw invalidParameter(
        `A model keeps its name: devices hold manifests signed for ${name}. Create another and copy versions with source models:/${name}/<version>`,
      )
    },
  )
  mlflowRoute(
    app,
    { method: 'delete', path: 'registered-models/delete', summary: 'hide a model', scope: 'ci', fields: Named },
    async ({ name }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      await inUse(() => deleteModel(database, name, clock(), askerOf(c), modelsGranted(c)))
      return {}
    },
  )
  const setTag = Named.extend({ key: TagKey, value: TagValue.default('') })
  mlflowRoute(
    app,
    { method: 'post', path: 'registered-models/set-tag', summary: 'tag a model', scope: 'ci', fields: setTag },
    async ({ name, key, value }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      await editModel(database, name, { tags: { [key]: value } }, '*', clock(), askerOf(c))
      return {}
    },
  )
  mlflowRoute(
    app,
    {
      method: 'delete',
      path: 'registered-models/delete-tag',
      summary: 'take a tag away',
      scope: 'ci',
      fields: Named.extend({ key: TagKey }),
    },
    async ({ name, key }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      await editModel(database, name, { tags: { [key]: null } }, '*', clock(), askerOf(c))
      return {}
    },
  )
}

function addModelReads(app: MlflowApp, hub: Hub): void {
  const { database } = hub
  mlflowRoute(
    app,
    { method: 'get', path: 'registered-models/get', summary: 'a model', scope: 'viewer', fields: Named },
    async ({ name }, c) => {
      const row = await needModel(hub, name)
      mayTouchModel(c, name)
      return { registered_model: (await showModels(database, [row]))[0] }
    },
  )
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'registered-models/search',
      summary: 'find models',
      scope: 'viewer',
      fields: Search.extend({ max_results: pageSize(100, 1_000) }),
    },
    async ({ filter, order_by: orderBy, max_results, page_token }, c) => {
      const offset = offsetOf(page_token)
      const rows = await found(() => searchModels(database, { filter, orderBy, limit: max_results + 1, offset }))
      const { items, next } = page(rows, max_results, offset)
      const granted = modelsGranted(c)
      const models = await showModels(
        database,
        items.filter(({ name }) => granted(name)),
      )
      return { ...(models.length === 0 ? {} : { registered_models: models }), ...next }
    },
  )
  const fields = Named.extend({ stages: z.array(text(100)).max(10).default([]) })
  for (const method of ['post', 'get'] as const) {
    mlflowRoute(
      app,
      {
        method,
        path: 'registered-models/get-latest-versions',
        summary: 'the newest version of each stage',
        scope: 'viewer',
        fields,
      },
      async ({ name, stages }, c) => {
        const { latest } = await needModel(hub, name)
        mayTouchModel(c, name)
        const wanted = stages.map((stage) => stageOf(stage))
        const rows = await versionsWhere(
          database,
          'v.model = ? AND v.version IN (SELECT value FROM json_each(?)) ORDER BY v.version',
          [name, JSON.stringify(latest)],
        )
        const versions = rows.filter(({ stage }) => wanted.length === 0 || wanted.includes(stage))
        return versions.length === 0 ? {} : { model_versions: versions.map(showVersion) }
      },
    )
  }
}

function addAliases(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  const path = 'registered-models/alias'
  const Aliased = Named.extend({ alias: text(255).min(1) })
  mlflowRoute(
    app,
    {
      method: 'post',
      path,
      summary: 'point an alias at a version',
      scope: 'ci',
      fields: Aliased.extend({ version: VersionNumber }),
    },
    async ({ name, alias, version }, c) => {
      const checked = Alias.safeParse(alias)
      if (!checked.success)
        throw invalidParameter(`Invalid alias name: '${alias}': ${checked.error.issues[0]?.message ?? ''}`)
      await needVersion(hub, name, version)
      mayTouchModel(c, name)
      await pointAlias(database, name, alias, version, clock(), askerOf(c))
      return {}
    },
  )
  mlflowRoute(
    app,
    { method: 'delete', path, summary: 'take an alias away', scope: 'ci', fields: Aliased },
    async ({ name, alias }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      // taken away twice it is away
      if ((await resolveAlias(database, name, alias)) !== undefined) {
        await dropAlias(database, name, alias, clock(), askerOf(c))
      }
      return {}
    },
  )
  mlflowRoute(
    app,
    { method: 'get', path, summary: 'the version an alias points at', scope: 'viewer', fields: Aliased },
    async ({ name, alias }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      const version = await resolveAlias(database, name, alias)
      if (version === undefined) throw invalidParameter(`Registered model alias ${alias} not found.`)
      return { model_version: showVersion(await needVersion(hub, name, version)) }
    },
  )
}

export const tagRecord = (tags: readonly { key: string; value: string }[]): Record<string, string> => {
  const record = RegistryTags.safeParse(Object.fromEntries(tags.map(({ key, value }) => [key, value])))
  if (record.success) return record.data
  throw invalidParameter(`Invalid tags: ${record.error.issues[0]?.message ?? ''}`)
}

export function stageOf(name: string) {
  const stage = readStage(name)
  if (stage === undefined) {
    throw invalidParameter(
      `Invalid Model Version stage: ${name}. Value must be one of None, Staging, Production, Archived.`,
    )
  }
  return stage
}

/** What is in use is not deleted, and the client is told by whom. */
export async function inUse(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw error instanceof Problem && error.code === 'in-use' ? invalidParameter(error.message) : error
  }
}

export async function needModel({ database }: Pick<Hub, 'database'>, name: string): Promise<ModelFields> {
  const row = await findModelFields(database, name)
  if (row === undefined) throw doesNotExist(`Registered Model with name=${name} not found`)
  return row
}

export async function needVersion({ database }: Pick<Hub, 'database'>, name: string, version: number) {
  const [row] = await versionsWhere(database, 'v.model = ? AND v.version = ?', [name, version])
  if (row === undefined) throw doesNotExist(`Model Version (name=${name}, version=${version}) not found`)
  return row
}
