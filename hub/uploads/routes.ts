// tus 1.0 (https://tus.io/protocols/resumable-upload): core, creation, termination, checksum (sha256), expiration.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { actorOf, type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { Problem, problems } from '../problem.ts'
import type { UploadRow } from './store.ts'
import type { Uploads } from './uploads.ts'

const tusVersion = '1.0.0'
const extensions = 'creation,termination,checksum,expiration'
/** As MLflow and tus clients send it: names and base64 values; kept as it came. */
const metadataMax = 4_096

const Params = z.object({ id: z.string().regex(/^[0-9a-f]{32}$/, 'the id of an upload') })
const bytesHeader = z
  .string()
  .regex(/^\d{1,15}$/, 'a number of bytes')
  .transform(Number)
const Tus = z.object({ 'tus-resumable': z.string().optional() })
const Creation = Tus.extend({
  'upload-length': bytesHeader.pipe(z.number().int().min(1)),
  'upload-metadata': z.string().max(metadataMax).default(''),
})
const Patch = Tus.extend({
  'upload-offset': bytesHeader,
  /** `sha256 ` and the base64 of the checksum of this request's body. */
  'upload-checksum': z.string().max(200).optional(),
})
const UploadDocument = z
  .object({
    id: z.string(),
    length: z.number().int(),
    /** Bytes that are durable. */
    offset: z.number().int(),
    metadata: z.string(),
    /** sha256 of all of it, when it is finished: the name of the blob. */
    digest: z.string().nullable(),
    expiresAt: z.iso.datetime(),
  })
  .openapi('Upload')

const options = createRoute({
  method: 'options',
  path: '/v1/uploads',
  summary: 'What of tus is spoken',
  ...scoped('ci'),
  responses: { 204: { description: 'Versions, extensions and limits, in headers' }, ...problems() },
})
const create = createRoute({
  method: 'post',
  path: '/v1/uploads',
  summary: 'Begin an upload that may be cut and go on',
  ...scoped('ci'),
  request: { headers: Creation },
  responses: { 201: { description: 'Begun: its address in Location' }, ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/uploads/{id}',
  summary: 'How far an upload is; HEAD for the headers alone',
  ...scoped('ci'),
  request: { params: Params },
  responses: {
    200: { description: 'The upload', content: { 'application/json': { schema: UploadDocument } } },
    ...problems(),
  },
})
const patch = createRoute({
  method: 'patch',
  path: '/v1/uploads/{id}',
  summary: 'Send bytes, from where it stands',
  ...scoped('ci'),
  request: {
    params: Params,
    headers: Patch,
    body: { content: { 'application/offset+octet-stream': { schema: { type: 'string', format: 'binary' } } } },
  },
  responses: { 204: { description: 'How far it is now, in Upload-Offset' }, ...problems() },
})
const remove = createRoute({
  method: 'delete',
  path: '/v1/uploads/{id}',
  summary: 'Give an upload up',
  ...scoped('ci'),
  request: { params: Params, headers: Tus },
  responses: { 204: { description: 'Gone' }, ...problems() },
})

export function uploadRoutes(hub: Hub, uploads: Uploads): OpenAPIHono<HubEnv> {
  const routes = new OpenAPIHono<HubEnv>()
  routes.use('/v1/uploads/*', async (c, next) => {
    await next()
    c.res.headers.set('tus-resumable', tusVersion)
  })
  return routes
    .openapi(options, (c) => {
      c.header('tus-version', tusVersion)
      c.header('tus-extension', extensions)
      c.header('tus-max-size', String(hub.config.uploadBytesMax))
      c.header('tus-checksum-algorithm', 'sha256')
      return c.body(null, 204)
    })
    .openapi(create, async (c) => {
      const headers = c.req.valid('header')
      assertVersion(headers['tus-resumable'])
      const row = await uploads.create(byOf(c), headers['upload-length'], headers['upload-metadata'])
      tell(c, row)
      c.header('location', `/v1/uploads/${row.id}`)
      return c.body(null, 201)
    })
    .openapi(show, async (c) => {
      const row = await uploads.find(byOf(c), c.req.valid('param').id)
      tell(c, row)
      c.header('upload-length', String(row.length))
      if (row.metadata !== '') c.header('upload-metadata', row.metadata)
      c.header('cache-control', 'no-store')
      const { id, length, offset, metadata, digest, expiresAt } = row
      return c.json({ id, length, offset, metadata, digest, expiresAt: new Date(expiresAt).toISOString() }, 200)
    })
    .openapi(patch, async (c) => {
      const headers = c.req.valid('header')
      assertVersion(headers['tus-resumable'])
      if (c.req.header('content-type') !== 'application/offset+octet-stream') {
        const detail = 'send the bytes as application/offset+octet-stream'
        throw new Problem(415, 'unsupported-media-type', 'The request cannot be read', detail, {
          field: 'Content-Type',
        })
      }
      const sha256 = readChecksum(headers['upload-checksum'])
      const { id } = c.req.valid('param')
      tell(c, await uploads.append(byOf(c), id, headers['upload-offset'], c.req.raw.body, sha256))
      return c.body(null, 204)
    })
    .openapi(remove, async (c) => {
      assertVersion(c.req.valid('header')['tus-resumable'])
      await uploads.remove(byOf(c), c.req.valid('param').id)
      return c.body(null, 204)
    })
}

const byOf = (c: Context<HubEnv>) => ({ actor: actorOf(c.get('principal')), requestId: c.get('requestId') })

/** How far it is; its sha256 as RFC 9530 writes one, when it is finished. */
function tell(c: Context<HubEnv>, { offset, expiresAt, digest }: UploadRow): void {
  c.header('upload-offset', String(offset))
  c.header('upload-expires', new Date(expiresAt).toUTCString())
  if (digest !== null) c.header('repr-digest', `sha-256=:${Buffer.from(digest, 'hex').toString('base64')}:`)
}

/** @throws Problem tus-version: every request but OPTIONS and HEAD says which one it speaks */
function assertVersion(version: string | undefined): void {
  if (version === tusVersion) return
  throw new Problem(412, 'tus-version', 'Another version of tus', `send Tus-Resumable: ${tusVersion}`, {
    field: 'Tus-Resumable',
    headers: { 'tus-version': tusVersion },
  })
}

/** @throws Problem unknown-checksum */
function readChecksum(header: string | undefined): Buffer | undefined {
  if (header === undefined) return undefined
  const [, base64] = /^sha256 ([A-Za-z0-9+/]{43}=)$/.exec(header) ?? []
  if (base64 !== undefined) return Buffer.from(base64, 'base64')
  throw new Problem(400, 'unknown-checksum', 'Unknown checksum', 'send sha256 and the base64 of 32 bytes', {
    field: 'Upload-Checksum',
  })
}
