// Blobs over HTTP, whole or by range: for devices that download this way, and for people with a token.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { Digest } from '@roost/shared/protocol/names.ts'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { BlobError } from '../storage/blobs.ts'
import { grantedModels, isBlobOf } from './granted-models.ts'

const Bytes = z.custom<ReadableStream>().openapi({ type: 'string', format: 'binary' })
const bytes = { 'application/octet-stream': { schema: Bytes } }

const blob = createRoute({
  method: 'get',
  path: '/v1/blobs/{sha256}',
  summary:
    'A blob, or one range of it; a device gets those of what it is assigned, a token for some models those of their bundles',
  ...scoped('viewer', 'device'),
  request: { params: z.object({ sha256: Digest }) },
  responses: {
    200: { description: 'The blob', content: bytes },
    206: { description: 'The range', content: bytes },
    304: { description: 'You have it' },
    ...problems(),
  },
})

export function addBlobRoute(routes: OpenAPIHono<HubEnv>, hub: Hub): void {
  routes.openapi(blob, async (c) => {
    const { sha256 } = c.req.valid('param')
    const principal = c.get('principal')
    // a device learns nothing of blobs that are not its own, not even that they are there
    if (principal.kind === 'device' && !(await hub.mayReadBlob(principal.id, sha256))) throw notFound('blob', sha256)
    const models = await grantedModels(c, hub.database)
    if (models !== undefined && !(await isBlobOf(hub.database, sha256, models))) throw notFound('blob', sha256)
    const sizeBytes = await sizeOf(hub, sha256)
    const etag = `"${sha256}"`
    const headers = {
      'accept-ranges': 'bytes',
      'content-type': 'application/octet-stream',
      etag,
      'cache-control': 'private, immutable',
    }
    if (c.req.header('if-none-match') === etag) return c.body(null, 304, { etag })
    const range = readRange(c.req.header('range'), sizeBytes)
    if (range === 'unsatisfiable') {
      throw new Problem(416, 'range-not-satisfiable', 'No such range', `the blob has ${sizeBytes} bytes`, {
        field: 'Range',
        headers: { 'content-range': `bytes */${sizeBytes}` },
      })
    }
    const { offset, length } = range ?? { offset: 0, length: sizeBytes }
    const answer = { ...headers, 'content-length': String(length) }
    const pieces = hub.blobs.open(sha256, offset, length)
    const body = ReadableStream.from(
      principal.kind === 'device' ? whileAllowed(hub, principal.id, sha256, pieces) : pieces,
    )
    if (range === undefined) return c.body(body, 200, answer)
    const last = offset + length - 1
    return c.body(body, 206, { ...answer, 'content-range': `bytes ${offset}-${last}/${sizeBytes}` })
  })
}

/** A device on a slow link reads for hours: what it was allowed at the beginning may have been taken from it since. */
export const allowedAgainMs = 1_000

async function* whileAllowed(
  { mayReadBlob, clock }: Pick<Hub, 'mayReadBlob' | 'clock'>,
  device: string,
  sha256: string,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let checkedAt = clock()
  for await (const piece of pieces) {
    if (clock() - checkedAt >= allowedAgainMs) {
      if (!(await mayReadBlob(device, sha256))) throw new Error(`${device} may not read ${sha256} any more`)
      checkedAt = clock()
    }
    yield piece
  }
}

async function sizeOf(hub: Hub, sha256: string): Promise<number> {
  try {
    return await hub.blobs.sizeBytes(sha256)
  } catch (error) {
    if (error instanceof BlobError && error.code === 'not-found') throw notFound('blob', sha256)
    throw error
  }
}

type Range = { offset: number; length: number }

/** One range of bytes (RFC 9110 §14.1.2). Undefined, for the whole, where there is none, several, or another unit:
 *  a server may ignore those. */
export function readRange(header: string | undefined, sizeBytes: number): Range | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? []
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes)
    return length === 0 ? 'unsatisfiable' : { offset: sizeBytes - length, length }
  }
  const offset = Number(first)
  const end = last === '' ? sizeBytes : Math.min(Number(last) + 1, sizeBytes)
  if (last !== '' && Number(last) < offset) return undefined
  return offset >= sizeBytes ? 'unsatisfiable' : { offset, length: end - offset }
}
