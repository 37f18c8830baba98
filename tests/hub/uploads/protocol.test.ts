// tus 1.0 as a client sees it, and what is refused.

import { createHash } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createApp, type Routes } from '../../../hub/app.ts'
import { unlessMissing } from '../../../hub/storage/files.ts'
import { uploadRoutes } from '../../../hub/uploads/routes.ts'
import { openUploadsMax, uploadKeptMs } from '../../../hub/uploads/store.ts'
import { createUploads, type Uploads } from '../../../hub/uploads/uploads.ts'
import { aHub, type TestHub } from '../a-hub.ts'

let hub: TestHub
let app: Routes
let uploads: Uploads
let token = ''
let nowMs = Date.now()
const stopping = new AbortController()
beforeAll(async () => {
  hub = await aHub({
    environment: { ROOST_UPLOAD_BYTES_MAX: '100000' },
    parts: { clock: () => nowMs, stopping: stopping.signal },
  })
  uploads = createUploads(hub)
  app = createApp(hub, [uploadRoutes(hub, uploads)])
  token = await hub.tokenOf('ci')
})
afterAll(() => hub[Symbol.asyncDispose]())

const ask = (
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Uint8Array<ArrayBuffer>,
) =>
  app.request(path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'tus-resumable': '1.0.0', ...headers },
    ...(body === undefined ? {} : { body }),
  })
const begin = async (length: number) => {
  const response = await ask('POST', '/v1/uploads', { 'upload-length': String(length) })
  expect(response.status).toBe(201)
  return response.headers.get('location') ?? ''
}
const send = (
  path: string,
  offset: number,
  body: string | Uint8Array<ArrayBuffer>,
  more: Record<string, string> = {},
) =>
  ask(
    'PATCH',
    path,
    { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset), ...more },
    body,
  )
const offsetOf = async (path: string) => (await ask('HEAD', path)).headers.get('upload-offset')
const sha256 = (text: string | Uint8Array, encoding: 'hex' | 'base64') =>
  createHash('sha256').update(text).digest(encoding)

test('what is spoken is told', async () => {
  const { status, headers } = await ask('OPTIONS', '/v1/uploads')
  expect([status, headers.get('tus-version'), headers.get('tus-max-size')]).toEqual([204, '1.0.0', '100000'])
  expect(headers.get('tus-extension')).toBe('creation,termination,checksum,expiration')
  expect(headers.get('tus-checksum-algorithm')).toBe('sha256')
})

test('an upload in pieces becomes a blob, its sha256 told; a finished one changes no more', async () => {
  const path = await begin(11)
  expect(await offsetOf(path)).toBe('0')
  expect((await send(path, 0, 'hello ')).headers.get('upload-offset')).toBe('6')
  await expect(uploads.take({ actor: 'token:other' }, path.slice(12))).rejects.toMatchObject({ code: 'not-found' })
  const last = await send(path, 6, 'world', { 'upload-checksum': `sha256 ${sha256('world', 'base64')}` })
  expect([last.status, last.headers.get('tus-resumable')]).toEqual([204, '1.0.0'])
  expect(last.headers.get('repr-digest')).toBe(`sha-256=:${sha256('hello world', 'base64')}:`)
  expect(await hub.blobs.has(sha256('hello world', 'hex'))).toBe(true)
  expect((await send(path, 11, '')).status).toBe(204)
  expect((await send(path, 11, 'more')).status).toBeGreaterThanOrEqual(200)
  expect(await (await ask('GET', path)).json()).toMatchObject({
    offset: 11,
    length: 11,
    digest: sha256('hello world', 'hex'),
  })
})

test('any pieces, repeated, from wrong offsets, with wrong checksums, end with the bytes that were meant', async () => {
  const seed = 20_261_126
  const piece = fc.record({
    size: fc.integer({ min: 1, max: 400 }),
    wrong: fc.constantFrom('no', 'offset', 'checksum'),
  })
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 1_500 }), fc.array(piece), async (given, pieces) => {
      const bytes = new Uint8Array(given)
      const path = await begin(bytes.length)
      let at = 0
      for (const { size, wrong } of [...pieces, { size: bytes.length, wrong: 'no' }]) {
        if (at === bytes.length) break
        const part = bytes.slice(at, at + size)
        if (wrong === 'offset') expect((await send(path, at + 1, part)).status).toBe(409)
        if (wrong === 'checksum') {
          const checksum = { 'upload-checksum': `sha256 ${sha256('other', 'base64')}` }
          expect((await send(path, at, part, checksum)).status).toBe(460)
        }
        expect((await send(path, at, part)).status).toBe(204)
        at += part.length
        expect(await offsetOf(path)).toBe(String(at))
      }
      expect(await hub.blobs.has(sha256(bytes, 'hex'))).toBe(true)
    }),
    { numRuns: 20, seed },
  )
})

test.each([
  ['without a length', 'POST', '/v1/uploads', {}, 422],
  ['of nothing', 'POST', '/v1/uploads', { 'upload-length': '0' }, 422],
  ['of a negative length', 'POST', '/v1/uploads', { 'upload-length': '-1' }, 422],
  ['larger than the limit', 'POST', '/v1/uploads', { 'upload-length': '100001' }, 413],
  ['in another version', 'POST', '/v1/uploads', { 'upload-length': '1', 'tus-resumable': '0.2.2' }, 412],
  ['that is not there', 'HEAD', `/v1/uploads/${'0'.repeat(32)}`, {}, 404],
  ['of a path instead of an id', 'HEAD', '/v1/uploads/..%2F..%2Fhub.db', {}, 422],
])('an upload %s is refused', async (_, method, path, headers, status) => {
  expect((await ask(method, path, headers)).status).toBe(status)
})

test('more than was announced, another type, another checksum are refused, and what was good stays', async () => {
  const path = await begin(4)
  expect((await send(path, 0, 'ab')).status).toBe(204)
  expect((await send(path, 2, 'cdef')).status).toBe(413)
  expect((await send(path, 2, 'cd', { 'content-type': 'text/plain' })).status).toBe(415)
  expect((await send(path, 2, 'cd', { 'upload-checksum': 'md5 rL0Y20zC+Fzt72VPzMSk2A==' })).status).toBe(400)
  expect(await offsetOf(path)).toBe('2')
  await expect(uploads.take({ actor: 'token:nobody' }, path.slice(12))).rejects.toMatchObject({ status: 404 })
  expect((await send(path, 2, 'cd')).status).toBe(204)
})

test('an upload belongs to the token that began it', async () => {
  const path = await begin(4)
  const mine = token
  token = await hub.tokenOf('admin')
  expect((await ask('HEAD', path)).status).toBe(404)
  expect((await send(path, 0, 'abcd')).status).toBe(404)
  expect((await ask('DELETE', path)).status).toBe(404)
  token = mine
  expect((await ask('DELETE', path)).status).toBe(204)
  expect((await ask('HEAD', path)).status).toBe(404)
})

test('a body that stops half-way counts as far as it came; a second writer ends the first', async () => {
  const path = await begin(6)
  const stuck = Promise.withResolvers<void>()
  const slow = app.request(path, {
    method: 'PATCH',
    headers: {
      authorization: `Bearer ${token}`,
      'tus-resumable': '1.0.0',
      'content-type': 'application/offset+octet-stream',
      'upload-offset': '0',
    },
    body: ReadableStream.from(
      (async function* () {
        yield Buffer.from('abc')
        await stuck.promise
      })(),
    ),
    duplex: 'half',
  } as RequestInit)
  const file = join(hub.folder, 'uploads', path.slice(12))
  await expect.poll(async () => (await unlessMissing(stat(file), undefined))?.size).toBe(3)
  expect((await send(path, 3, 'def')).status).toBe(204)
  expect((await slow).status).toBe(400)
  stuck.resolve()
  expect(await hub.blobs.has(sha256('abcdef', 'hex'))).toBe(true)
})

test('there is a bound on open uploads, and those nobody goes on with are gone after a day', async () => {
  const other = await hub.tokenOf('ci')
  const mine = token
  token = other
  const paths = await Promise.all(Array.from({ length: openUploadsMax }, () => begin(5)))
  expect((await ask('POST', '/v1/uploads', { 'upload-length': '5' })).status).toBe(429)
  await send(paths[0] ?? '', 0, 'ab')
  nowMs += uploadKeptMs / 2
  await send(paths[1] ?? '', 0, 'ab')
  nowMs += uploadKeptMs / 2 + 1_000
  const working = uploads.work()
  await expect.poll(async () => (await ask('HEAD', paths[0] ?? '')).status).toBe(404)
  stopping.abort()
  await working
  expect(await offsetOf(paths[1] ?? '')).toBe('2')
  expect(await readdir(join(hub.folder, 'uploads'))).toEqual([(paths[1] ?? '').slice(12)])
  token = mine
})
