// The registry's routes: register a version, look at models and versions, take a manifest out and its signature in.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { actorOf, type HubEnv, scoped } from '../governance/access.ts'
import { changeBy } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { addBlobRoute } from './blob-route.ts'
import { ModelDocument, showModel, showVersion, VersionDocument } from './documents.ts'
import type { Registrar } from './registrar.ts'
import { acceptSignature } from './signature.ts'
import { findEnvelope, findModel, findVersion, listModels, listVersions, type VersionRow } from './store.ts'

const ModelParams = z.object({ name: ModelName })
const VersionParams = z.object({ name: ModelName, version: z.coerce.number().int().positive().max(1_000_000_000) })
const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
// plain strings, since hono would otherwise want the bodies of …+json as objects, not as exact bytes
const manifestType: string = 'application/vnd.roost.manifest+json'
const envelopeType: string = 'application/vnd.dsse.envelope.v1+json'
const binary = { type: 'string', format: 'binary' } as const
const Bytes = z.custom<ReadableStream>().openapi(binary)

const register = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions',
  summary: 'Register a version',
  description:
    'Parts: `model` (the ONNX file), `metadata` (JSON), `sample` (CSV or JSON lines of training rows), `golden` (JSON).',
  ...scoped('ci'),
  request: {
    params: ModelParams,
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: {
            type: 'object',
            required: ['model'],
            properties: { model: binary, metadata: { type: 'object' }, sample: binary, golden: { type: 'object' } },
          },
        },
      },
    },
  },
  responses: { 201: json(VersionDocument, 'The version'), ...problems() },
})
const models = createRoute({
  method: 'get',
  path: '/v1/models',
  summary: 'Models by name',
  ...scoped('viewer'),
  request: { query: PageQuery },
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
  request: { params: ModelParams, query: PageQuery },
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
  request: { params: VersionParams },
  responses: { 200: { description: 'The manifest', content: { [manifestType]: { schema: Bytes } } }, ...problems() },
})
const signature = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/signature',
  summary: 'Its signed envelope (DSSE)',
  ...scoped('viewer'),
  request: { params: VersionParams },
  responses: { 200: { description: 'The envelope', content: { [envelopeType]: { schema: Bytes } } }, ...problems() },
})
const sign = createRoute({
  method: 'put',
  path: '/v1/models/{name}/versions/{version}/signature',
  summary: 'Bring the signature of its manifest, made elsewhere with a release key',
  ...scoped('ci'),
  request: { params: VersionParams, body: { required: true, content: { [envelopeType]: { schema: binary } } } },
  responses: { 200: json(VersionDocument, 'The version, released'), ...problems() },
})

export function registryRoutes(hub: Hub, registrar: Registrar): OpenAPIHono<HubEnv> {
  const { database } = hub
  const need = async (name: string, number: number): Promise<VersionRow> => {
    const row = await findVersion(database, name, number)
    if (row === undefined) throw notFound('version', `${name}/${number}`)
    return row
  }
  const routes = new OpenAPIHono<HubEnv>()
    .openapi(register, async (c) => {
      const { name } = c.req.valid('param')
      const createdBy = actorOf(c.get('principal'))
      const requestId = c.get('requestId')
      const { version } = await registrar.register({ model: name, request: c.req.raw, createdBy, requestId })
      c.header('location', `/v1/models/${name}/versions/${version}`)
      return c.json(showVersion(await need(name, version)), 201)
    })
    .openapi(models, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const rows = await listModels(database, {}, cursorKey(cursor, ModelName, ''), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ name }) => name)
      return c.json({ models: items.map(showModel), next }, 200)
    })
    .openapi(model, async (c) => {
      const { name } = c.req.valid('param')
      const row = await findModel(database, name)
      if (row === undefined) throw notFound('model', name)
      return c.json(showModel(row), 200)
    })
    .openapi(versions, async (c) => {
      const { name } = c.req.valid('param')
      const { limit, cursor } = c.req.valid('query')
      if ((await findModel(database, name)) === undefined) throw notFound('model', name)
      const before = cursorKey(cursor, z.coerce.number().int().positive(), Number.MAX_SAFE_INTEGER)
      const { items, next } = cutPage(await listVersions(database, name, {}, before, limit + 1), limit, (row) =>
        String(row.version),
      )
      return c.json({ versions: items.map(showVersion), next }, 200)
    })
    .openapi(version, async (c) => {
      const { name, version } = c.req.valid('param')
      return c.json(showVersion(await need(name, version)), 200)
    })
    .openapi(manifest, async (c) => {
      const { name, version } = c.req.valid('param')
      const { payload } = await need(name, version)
      return c.body(ReadableStream.from([payload]), 200, exactly(payload, manifestType))
    })
    .openapi(signature, async (c) => {
      const { name, version } = c.req.valid('param')
      const envelope = await findEnvelope(database, (await need(name, version)).digest)
      if (envelope === undefined) throw notFound('signature of', `${name}/${version}`)
      return c.body(ReadableStream.from([envelope]), 200, exactly(envelope, envelopeType))
    })
    .openapi(sign, async (c) => {
      const { name, version } = c.req.valid('param')
      await acceptSignature(hub, name, version, new Uint8Array(await c.req.arrayBuffer()), (digest) =>
        changeBy(c, 'version.sign', `version:${name}/${version}`, { after: { manifest: digest } }),
      )
      return c.json(showVersion(await need(name, version)), 200)
    })
  addBlobRoute(routes, hub)
  return routes
}

const exactly = (bytes: Uint8Array, type: string) => ({ 'content-type': type, 'content-length': String(bytes.length) })
