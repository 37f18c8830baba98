// The registry's routes: register a version, look at models and versions, take a manifest out and its signature in.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import type { Context } from 'hono'
import { addDeltaRoutes } from '../deltas/routes.ts'
import { etagOf } from '../etag.ts'
import { type HubEnv, scoped } from '../governance/access.ts'
import { changeBy } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { addSealingRoutes } from '../sealing/routes.ts'
import { addAliasRoutes } from './alias-routes.ts'
import { addBlobRoute } from './blob-route.ts'
import { ModelDocument, showModel, showVersion, VersionDocument } from './documents.ts'
import { needModel, needVersion } from './edit.ts'
import { addEditRoutes, askerOf } from './edit-routes.ts'
import { json, ModelParams, VariantQuery, VersionParams, variantOf, versionNumber, versionOf } from './parameters.ts'
import type { Registrar } from './registrar.ts'
import { acceptSignature } from './signature.ts'
import { Stage } from './stages.ts'
import { findEnvelope, listModels, listVersions, type TagFilter } from './store.ts'

// plain strings, since hono would otherwise want the bodies of …+json as objects, not as exact bytes
const manifestType: string = 'application/vnd.roost.manifest+json'
const envelopeType: string = 'application/vnd.dsse.envelope.v1+json'
const binary = { type: 'string', format: 'binary' } as const
const object = { type: 'object' } as const
const Bytes = z.custom<ReadableStream>().openapi(binary)

const uploadBody = {
  required: true,
  content: {
    'multipart/form-data': {
      schema: {
        type: 'object' as const,
        required: ['model'],
        properties: { model: binary, metadata: object, sample: binary, golden: object },
      },
    },
  },
}
/** `team=vision`: that value; `team`: any. */
const TagTexts = z
  .union([z.string().max(6_000), z.array(z.string().max(6_000)).max(8)])
  .default([])
  .openapi({ description: 'A tag, or a tag and its value: `team`, `team=vision`; all that are given', type: 'string' })
const ListQuery = PageQuery.extend({
  tag: TagTexts,
  /** Those that are deleted, and only those. */
  deleted: z.enum(['true', 'false']).default('false'),
})

const register = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions',
  summary: 'Register a version',
  description:
    'Parts: `model` (the ONNX file), `metadata` (JSON), `sample` (CSV or JSON lines of training rows), `golden` (JSON).',
  ...scoped('ci'),
  request: {
    params: ModelParams,
    body: uploadBody,
  },
  responses: { 201: json(VersionDocument, 'The version'), ...problems() },
})
const addVariant = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/variants',
  summary: 'Add a variant for other device profiles to a version no device has seen',
  description: 'Parts as for a version; the metadata names `variant` and its `profiles`.',
  ...scoped('ci'),
  request: { params: VersionParams, body: uploadBody },
  responses: { 201: json(VersionDocument, 'The version with its variants'), ...problems() },
})
const models = createRoute({
  method: 'get',
  path: '/v1/models',
  summary: 'Models by name',
  ...scoped('viewer'),
  request: { query: ListQuery },
  responses: { 200: json(z.object({ models: z.array(ModelDocument), next: NextCursor }), 'A page'), ...problems() },
})
const model = createRoute({
  method: 'get',
  path: '/v1/models/{name}',
  summary: 'One model',
  ...scoped('viewer'),
  request: { params: ModelParams },
  responses: { 200: json(ModelDocument, 'The model'), ...problems() },
})
const versions = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions',
  summary: 'Versions of a model, newest first',
  ...scoped('viewer'),
  request: { params: ModelParams, query: ListQuery.extend({ stage: Stage.optional() }) },
  responses: { 200: json(z.object({ versions: z.array(VersionDocument), next: NextCursor }), 'A page'), ...problems() },
})
const version = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}',
  summary: 'One version',
  ...scoped('viewer'),
  request: { params: VersionParams },
  responses: { 200: json(VersionDocument, 'The version'), ...problems() },
})
const manifest = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/manifest',
  summary: 'The exact bytes of its manifest: what a release key signs',
  ...scoped('viewer'),
  request: { params: VersionParams, query: VariantQuery },
  responses: { 200: { description: 'The manifest', content: { [manifestType]: { schema: Bytes } } }, ...problems() },
})
const signature = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/signature',
  summary: 'Its signed envelope (DSSE)',
  ...scoped('viewer'),
  request: { params: VersionParams, query: VariantQuery },
  responses: { 200: { description: 'The envelope', content: { [envelopeType]: { schema: Bytes } } }, ...problems() },
})
const sign = createRoute({
  method: 'put',
  path: '/v1/models/{name}/versions/{version}/signature',
  summary: 'Bring the signature of a manifest of it, made elsewhere with a release key',
  ...scoped('ci'),
  request: { params: VersionParams, body: { required: true, content: { [envelopeType]: { schema: binary } } } },
  responses: { 200: json(VersionDocument, 'The version, released'), ...problems() },
})

export function registryRoutes(hub: Hub, registrar: Registrar): OpenAPIHono<HubEnv> {
  const { database } = hub
  const shown = async (c: Context<HubEnv>, name: string, version: number) => {
    const row = await needVersion(database, name, version)
    c.header('etag', etagOf(row))
    return showVersion(row)
  }
  const registration = (c: Context<HubEnv>, model: string) => {
    const { actor, requestId } = askerOf(c)
    return { model, request: c.req.raw, createdBy: actor, requestId }
  }
  const routes = new OpenAPIHono<HubEnv>()
    .openapi(register, async (c) => {
      const { name } = c.req.valid('param')
      const { version } = await registrar.register(registration(c, name))
      c.header('location', `/v1/models/${name}/versions/${version}`)
      return c.json(await shown(c, name, version), 201)
    })
    .openapi(addVariant, async (c) => {
      const { name } = c.req.valid('param')
      const version = await versionNumber(database, c.req.valid('param'))
      await needVersion(database, name, version)
      await registrar.register({ ...registration(c, name), variantOf: version })
      c.header('location', `/v1/models/${name}/versions/${version}`)
      return c.json(await shown(c, name, version), 201)
    })
    .openapi(models, async (c) => {
      const { limit, cursor, tag, deleted } = c.req.valid('query')
      const principal = c.get('principal')
      const granted = principal.kind === 'token' ? principal.models : null
      const filter = { tags: tagFilters(tag), deleted: deleted === 'true', granted }
      const rows = await listModels(database, filter, cursorKey(cursor, ModelName, ''), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ name }) => name)
      return c.json({ models: items.map(showModel), next }, 200)
    })
    .openapi(model, async (c) => {
      const row = await needModel(database, c.req.valid('param').name)
      c.header('etag', etagOf(row))
      return c.json(showModel(row), 200)
    })
    .openapi(versions, async (c) => {
      const { name } = c.req.valid('param')
      const { limit, cursor, tag, deleted, stage } = c.req.valid('query')
      await needModel(database, name)
      const filter = { tags: tagFilters(tag), deleted: deleted === 'true', stage }
      const before = cursorKey(cursor, z.coerce.number().int().positive(), Number.MAX_SAFE_INTEGER)
      const rows = await listVersions(database, name, filter, before, limit + 1)
      const { items, next } = cutPage(rows, limit, (row) => String(row.version))
      return c.json({ versions: items.map(showVersion), next }, 200)
    })
    .openapi(version, async (c) => {
      const { name } = c.req.valid('param')
      return c.json(await shown(c, name, await versionNumber(database, c.req.valid('param'))), 200)
    })
    .openapi(manifest, async (c) => {
      const row = await versionOf(database, c.req.valid('param'))
      const { payload } = variantOf(row, c.req.valid('query').variant)
      return c.body(ReadableStream.from([payload]), 200, exactly(payload, manifestType))
    })
    .openapi(signature, async (c) => {
      const row = await versionOf(database, c.req.valid('param'))
      const { digest, variant } = variantOf(row, c.req.valid('query').variant)
      const envelope = await findEnvelope(database, digest)
      if (envelope === undefined) throw notFound('signature of', `${row.model}/${row.version} ${variant}`)
      return c.body(ReadableStream.from([envelope]), 200, exactly(envelope, envelopeType))
    })
    .openapi(sign, async (c) => {
      const { name } = c.req.valid('param')
      const version = await versionNumber(database, c.req.valid('param'))
      const change = changeBy(c, 'version.sign', `version:${name}/${version}`)
      await acceptSignature(hub, name, version, new Uint8Array(await c.req.arrayBuffer()), change)
      return c.json(await shown(c, name, version), 200)
    })
  addEditRoutes(routes, hub)
  addAliasRoutes(routes, hub)
  addBlobRoute(routes, hub)
  addSealingRoutes(routes, hub)
  addDeltaRoutes(routes, hub)
  return routes
}

function tagFilters(texts: string | readonly string[]): TagFilter[] {
  return [texts].flat().map((text) => {
    const at = text.indexOf('=')
    return at < 0 ? { key: text, value: null } : { key: text.slice(0, at), value: text.slice(at + 1) }
  })
}

const exactly = (bytes: Uint8Array, type: string) => ({ 'content-type': type, 'content-length': String(bytes.length) })
