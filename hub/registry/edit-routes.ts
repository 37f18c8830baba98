// Routes for what may still change of models and versions: descriptions, tags, stages, and whether they are there.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import type { Context } from 'hono'
import { assertStated, etagOf, IfMatch } from '../etag.ts'
import { actorOf, type HubEnv, mayTouchModel, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { deleteModel, deleteVersion, restoreModel, restoreVersion } from './deletion.ts'
import { ModelDocument, showModel, showVersion, VersionDocument } from './documents.ts'
import { type Asker, createModel, editModel, editVersion, moveToStage, needModel, needVersion } from './edit.ts'
import { Description } from './metadata.ts'
import { json, jsonBody, ModelParams, NumberParams, VersionParams, versionNumber } from './parameters.ts'
import { Stage } from './stages.ts'
import { TagKey, Tags, TagValue, tagsMax } from './tags.ts'

const Edit = z.strictObject({
  description: Description.optional(),
  /** Tags to set; null takes one away. */
  tags: z
    .record(TagKey, TagValue.nullable())
    .refine((tags) => Object.keys(tags).length <= 2 * tagsMax, `at most ${2 * tagsMax} tags at a time`)
    .optional(),
})
const NewModel = z.strictObject({ name: ModelName, description: Description.default(''), tags: Tags.default({}) })

const create = createRoute({
  method: 'post',
  path: '/v1/models',
  summary: 'Take a name for a model; registering its first version does so too',
  ...scoped('ci'),
  request: jsonBody(NewModel),
  responses: { 201: json(ModelDocument, 'The model'), ...problems() },
})
const patchModel = createRoute({
  method: 'patch',
  path: '/v1/models/{name}',
  summary: 'Change description and tags of a model',
  ...scoped('ci'),
  request: { params: ModelParams, headers: IfMatch, ...jsonBody(Edit) },
  responses: { 200: json(ModelDocument, 'The model afterwards'), ...problems() },
})
const removeModel = createRoute({
  method: 'delete',
  path: '/v1/models/{name}',
  summary: 'Hide a model and its versions; refused while any is in use',
  ...scoped('ci'),
  request: { params: ModelParams },
  responses: { 204: { description: 'It is hidden' }, ...problems() },
})
const reviveModel = createRoute({
  method: 'post',
  path: '/v1/models/{name}/restore',
  summary: 'Bring a deleted model back',
  ...scoped('ci'),
  request: { params: ModelParams },
  responses: { 200: json(ModelDocument, 'The model'), ...problems() },
})
const patchVersion = createRoute({
  method: 'patch',
  path: '/v1/models/{name}/versions/{version}',
  summary: 'Change description and tags of a version',
  ...scoped('ci'),
  request: { params: VersionParams, headers: IfMatch, ...jsonBody(Edit) },
  responses: { 200: json(VersionDocument, 'The version afterwards'), ...problems() },
})
const removeVersion = createRoute({
  method: 'delete',
  path: '/v1/models/{name}/versions/{version}',
  summary: 'Hide a version; refused while a device or rollout uses it',
  ...scoped('ci'),
  request: { params: NumberParams },
  responses: { 204: { description: 'It is hidden' }, ...problems() },
})
const reviveVersion = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/restore',
  summary: 'Bring a deleted version back',
  ...scoped('ci'),
  request: { params: NumberParams },
  responses: { 200: json(VersionDocument, 'The version'), ...problems() },
})
const stage = createRoute({
  method: 'put',
  path: '/v1/models/{name}/versions/{version}/stage',
  summary: 'Put a version into a stage by hand',
  ...scoped('approver'),
  request: { params: VersionParams, ...jsonBody(z.strictObject({ stage: Stage })) },
  responses: { 200: json(VersionDocument, 'The version afterwards'), ...problems() },
})

export function addEditRoutes(routes: OpenAPIHono<HubEnv>, { database, clock }: Hub): void {
  const shownModel = async (c: Context<HubEnv>, name: string) => {
    const row = await needModel(database, name)
    c.header('etag', etagOf(row))
    return showModel(row)
  }
  const shownVersion = async (c: Context<HubEnv>, name: string, version: number) => {
    const row = await needVersion(database, name, version)
    c.header('etag', etagOf(row))
    return showVersion(row)
  }
  routes
    .openapi(create, async (c) => {
      const model = c.req.valid('json')
      mayTouchModel(c, model.name)
      await createModel(database, model, clock(), askerOf(c))
      c.header('location', `/v1/models/${model.name}`)
      return c.json(await shownModel(c, model.name), 201)
    })
    .openapi(patchModel, async (c) => {
      const { name } = c.req.valid('param')
      const ifMatch = c.req.valid('header')['if-match']
      await needModel(database, name)
      assertStated(ifMatch)
      await editModel(database, name, c.req.valid('json'), ifMatch, clock(), askerOf(c))
      return c.json(await shownModel(c, name), 200)
    })
    .openapi(removeModel, async (c) => {
      await deleteModel(database, c.req.valid('param').name, clock(), askerOf(c), modelsGranted(c))
      return c.body(null, 204)
    })
    .openapi(reviveModel, async (c) => {
      const { name } = c.req.valid('param')
      await restoreModel(database, name, clock(), askerOf(c))
      return c.json(await shownModel(c, name), 200)
    })
    .openapi(patchVersion, async (c) => {
      const { name } = c.req.valid('param')
      const ifMatch = c.req.valid('header')['if-match']
      const version = await versionNumber(database, c.req.valid('param'))
      await needVersion(database, name, version)
      assertStated(ifMatch)
      await editVersion(database, name, version, c.req.valid('json'), ifMatch, clock(), askerOf(c))
      return c.json(await shownVersion(c, name, version), 200)
    })
    .openapi(removeVersion, async (c) => {
      const { name, version } = c.req.valid('param')
      await deleteVersion(database, name, version, clock(), askerOf(c), modelsGranted(c))
      return c.body(null, 204)
    })
    .openapi(reviveVersion, async (c) => {
      const { name, version } = c.req.valid('param')
      await restoreVersion(database, name, version, clock(), askerOf(c))
      return c.json(await shownVersion(c, name, version), 200)
    })
    .openapi(stage, async (c) => {
      const { name } = c.req.valid('param')
      const { stage } = c.req.valid('json')
      const version = await versionNumber(database, c.req.valid('param'))
      await moveToStage(database, name, version, stage, clock(), askerOf(c))
      return c.json(await shownVersion(c, name, version), 200)
    })
}

export const askerOf = (c: Context<HubEnv>): Asker => ({
  actor: actorOf(c.get('principal')),
  requestId: c.get('requestId'),
})
