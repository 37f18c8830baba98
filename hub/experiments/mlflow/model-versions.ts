// The endpoints of model versions: the registry's versions, by the names and in the words of MLflow's clients.

import { z } from '@hono/zod-openapi'
import { mayTouchModel, modelsGranted, scoped } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { deleteVersion } from '../../registry/deletion.ts'
import { editVersion, moveToStage } from '../../registry/edit.ts'
import { askerOf } from '../../registry/edit-routes.ts'
import { Description } from '../../registry/metadata.ts'
import type { Registrar } from '../../registry/registrar.ts'
import { TagKey, TagValue } from '../../registry/tags.ts'
import { createTurns } from '../../registry/turns.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { sendOwned } from './artifacts.ts'
import { found } from './logged-models.ts'
import { offsetOf, page } from './page-token.ts'
import { downloadUri, registerModel } from './register-model.ts'
import {
  inUse,
  Name,
  needModel,
  needVersion,
  Search,
  stageOf,
  TagList,
  tagRecord,
  VersionNumber,
} from './registered-models.ts'
import { showVersion } from './registry-rows.ts'
import { searchVersions } from './registry-search.ts'
import { pageSize, text } from './request.ts'

const Named = z.object({ name: Name, version: VersionNumber })

export function addModelVersionRoutes(app: MlflowApp, hub: Hub, registrar: Registrar): void {
  addCreation(app, hub, registrar)
  addEdits(app, hub)
  addReads(app, hub)
}

function addCreation(app: MlflowApp, hub: Hub, registrar: Registrar): void {
  // a model whose weights lie outside is read whole to join them: one at a time
  const turns = createTurns()
  const fields = z.object({
    name: Name,
    source: text(2_000).min(1),
    run_id: text(64).optional(),
    model_id: text(64).optional(),
    tags: TagList,
    description: Description.default(''),
  })
  mlflowRoute(
    app,
    { method: 'post', path: 'model-versions/create', summary: 'register a version', scope: 'ci', fields },
    async ({ name, source, run_id, model_id, tags, description }, c) => {
      await needModel(hub, name)
      mayTouchModel(c, name)
      const wanted = {
        name,
        source,
        runId: run_id || undefined,
        modelId: model_id || undefined,
        description,
        tags: tagRecord(tags),
      }
      const version = await turns.enter((oneAtATime) => oneAtATime(() => registerModel(hub, registrar, c, wanted)))
      return { model_version: showVersion(await needVersion(hub, name, version)) }
    },
  )
}

function addEdits(app: MlflowApp, hub: Hub): void {
  const { database, clock } = hub
  mlflowRoute(
    app,
    {
      method: 'patch',
      path: 'model-versions/update',
      summary: 'describe a version',
      scope: 'ci',
      fields: Named.extend({ description: Description.default('') }),
    },
    async ({ name, version, description }, c) => {
      await needVersion(hub, name, version)
      mayTouchModel(c, name)
      await editVersion(database, name, version, { description }, '*', clock(), askerOf(c))
      return { model_version: showVersion(await needVersion(hub, name, version)) }
    },
  )
  mlflowRoute(
    app,
    { method: 'delete', path: 'model-versions/delete', summary: 'hide a version', scope: 'ci', fields: Named },
    async ({ name, version }, c) => {
      await needVersion(hub, name, version)
      mayTouchModel(c, name)
      await inUse(() => deleteVersion(database, name, version, clock(), askerOf(c), modelsGranted(c)))
      return {}
    },
  )
  const Key = Named.extend({ key: TagKey })
  const tagging = async (
    name: string,
    version: number,
    c: Parameters<typeof askerOf>[0],
    key: string,
    value: string | null,
  ) => {
    await needVersion(hub, name, version)
    mayTouchModel(c, name)
    await editVersion(database, name, version, { tags: { [key]: value } }, '*', clock(), askerOf(c))
    return {}
  }
  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'model-versions/set-tag',
      summary: 'tag a version',
      scope: 'ci',
      fields: Key.extend({ value: TagValue.default('') }),
    },
    ({ name, version, key, value }, c) => tagging(name, version, c, key, value),
  )
  mlflowRoute(
    app,
    { method: 'delete', path: 'model-versions/delete-tag', summary: 'take a tag away', scope: 'ci', fields: Key },
    ({ name, version, key }, c) => tagging(name, version, c, key, null),
  )
  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'model-versions/transition-stage',
      summary: 'put a version into a stage by hand',
      scope: 'approver',
      fields: Named.extend({ stage: text(100), archive_existing_versions: z.boolean().default(false) }),
    },
    async ({ name, version, stage: wanted, archive_existing_versions }, c) => {
      await needVersion(hub, name, version)
      mayTouchModel(c, name)
      const stage = stageOf(wanted)
      const archiving = archive_existing_versions && (stage === 'staging' || stage === 'production')
      await moveToStage(database, name, version, stage, clock(), askerOf(c), archiving)
      return { model_version: showVersion(await needVersion(hub, name, version)) }
    },
  )
}

function addReads(app: MlflowApp, hub: Hub): void {
  const { database } = hub
  mlflowRoute(
    app,
    { method: 'get', path: 'model-versions/get', summary: 'a version', scope: 'viewer', fields: Named },
    async ({ name, version }, c) => {
      const row = await needVersion(hub, name, version)
      mayTouchModel(c, name)
      return { model_version: showVersion(row) }
    },
  )
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'model-versions/get-download-uri',
      summary: 'where the files of a version lie',
      scope: 'viewer',
      fields: Named,
    },
    async ({ name, version }, c) => {
      await needVersion(hub, name, version)
      mayTouchModel(c, name)
      return { artifact_uri: await downloadUri(hub, name, version) }
    },
  )
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'model-versions/search',
      summary: 'find versions',
      scope: 'viewer',
      // clients ask for 200,000 where their user says nothing: a page has fewer
      fields: Search.extend({ max_results: pageSize(1_000, 200_000) }),
    },
    async ({ filter, order_by: orderBy, max_results, page_token }, c) => {
      const offset = offsetOf(page_token)
      const limit = Math.min(max_results, versionsPageMax)
      const rows = await found(() => searchVersions(database, { filter, orderBy, limit: limit + 1, offset }))
      const { items, next } = page(rows, limit, offset)
      const granted = modelsGranted(c)
      const versions = items.filter(({ model }) => granted(model)).map(showVersion)
      return { ...(versions.length === 0 ? {} : { model_versions: versions }), ...next }
    },
  )
  const path = '/model-versions/get-artifact'
  const access = scoped('viewer')
  app.on('GET', [path], ...access.middleware, async (c) => {
    const { name = '', version = '', path: file = '' } = c.req.query()
    mayTouchModel(c, name)
    await needVersion(hub, name, /^[1-9]\d{0,8}$/.test(version) ? Number(version) : 0)
    await downloadUri(hub, name, Number(version))
    return sendOwned(hub, c, { kind: 'version', id: `${name}/${version}` }, file)
  })
}

const versionsPageMax = 10_000
