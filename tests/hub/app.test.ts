// What holds for every request: ids, problem documents whatever goes wrong, health, metrics, the OpenAPI document.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { describe, expect, test } from 'vitest'
import { bodyBytesMax, createApp, type Routes } from '../../hub/app.ts'
import { type HubEnv, scoped } from '../../hub/governance/access.ts'
import { Problem, ProblemDocument, problems } from '../../hub/problem.ts'
import { DatabaseError } from '../../hub/storage/database.ts'
import { aHub, readAs } from './a-hub.ts'

const thing = createRoute({
  method: 'put',
  path: '/v1/things/{id}',
  ...scoped('viewer'),
  request: {
    params: z.object({ id: z.string().min(2) }),
    query: z.object({ n: z.coerce.number().optional() }),
    body: {
      required: true,
      content: { 'application/json': { schema: z.strictObject({ labels: z.record(z.string(), z.number()) }) } },
    },
  },
  responses: { 200: { description: '' }, ...problems() },
})

/** A route that throws what it is told to. */
async function anApp(thrown?: unknown) {
  const hub = await aHub()
  const routes: Routes = new OpenAPIHono<HubEnv>().openapi(thing, (c) => {
    if (thrown !== undefined) throw thrown
    return c.json(c.req.valid('json'))
  })
  const app = createApp(hub, [routes])
  const headers = { authorization: `Bearer ${await hub.tokenOf('viewer')}`, 'content-type': 'application/json' }
  const put = (body: string, path = '/v1/things/abc', more: Record<string, string> = {}) =>
    app.request(path, { method: 'PUT', body, headers: { ...headers, ...more } })
  return { hub, app, put, headers, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() }
}

describe('a request that does not fit', () => {
  test.each([
    ['a wrong field, named', '{"labels":{"a":"x"}}', '/v1/things/abc', 422, 'invalid-request', 'labels.a'],
    ['an unknown field', '{"labels":{},"more":1}', '/v1/things/abc', 422, 'invalid-request', undefined],
    ['no JSON', '{"labels"', '/v1/things/abc', 400, 'bad-request', undefined],
    ['no body', '', '/v1/things/abc', 400, 'bad-request', undefined],
    ['a wrong parameter', '{"labels":{}}', '/v1/things/a', 422, 'invalid-request', 'id'],
    ['a wrong query', '{"labels":{}}', '/v1/things/abc?n=x', 422, 'invalid-request', 'n'],
    [
      'a body over the limit',
      `{"labels":{"${'x'.repeat(bodyBytesMax)}":1}}`,
      '/v1/things/abc',
      413,
      'too-large',
      undefined,
    ],
  ])('%s', async (_, body, path, status, code, field) => {
    await using it = await anApp()
    const response = await it.put(body, path)
    const problem = await readAs(ProblemDocument, response)
    expect([response.status, problem.status, problem.code, problem.field]).toEqual([status, status, code, field])
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  })

  test('another media type', async () => {
    await using it = await anApp()
    const response = await it.put('a=1', '/v1/things/abc', { 'content-type': 'application/x-www-form-urlencoded' })
    expect([response.status, (await readAs(ProblemDocument, response)).code]).toEqual([415, 'unsupported-media-type'])
  })

  test('nobody reads a body of who is not let in', async () => {
    await using it = await anApp()
    const response = await it.app.request('/v1/things/abc', {
      method: 'PUT',
      body: '{',
      headers: { 'content-type': 'application/json' },
    })
    expect(response.status).toBe(401)
  })
})

describe('what a handler throws', () => {
  test.each([
    [
      'a problem, as it is',
      new Problem(409, 'clash', 'Clash', 'both', {
        field: 'x',
        members: { version: 3 },
        headers: { 'retry-after': '1' },
      }),
      409,
      'clash',
    ],
    ['a full write queue', new DatabaseError('queue-full', 'too many'), 503, 'overloaded'],
    ['anything else, without what it says', new Error('secret detail'), 500, 'internal'],
  ])('%s', async (_, thrown, status, code) => {
    await using it = await anApp(thrown)
    const response = await it.put('{"labels":{}}')
    const text = await response.text()
    expect([response.status, ProblemDocument.parse(JSON.parse(text)).code]).toEqual([status, code])
    expect(text).not.toContain('secret detail')
    if (status === 409) expect([JSON.parse(text).version, response.headers.get('retry-after')]).toEqual([3, '1'])
  })
})

test('there is nothing at an unknown path, and another method at a known one is told which to use', async () => {
  await using it = await anApp()
  expect((await it.app.request('/v2/nothing')).status).toBe(404)
  const response = await it.app.request('/v1/things/abc', { method: 'PATCH' })
  expect([response.status, response.headers.get('allow')]).toEqual([405, 'PUT'])
  const tokens = await it.app.request('/v1/tokens', { method: 'PUT' })
  expect([tokens.status, tokens.headers.get('allow')]).toEqual([405, 'GET, POST'])
})

test('a request id is given, kept where it is harmless, and replaced where it is not', async () => {
  await using it = await anApp()
  const idOf = async (given?: string) => {
    const response = await it.app.request('/nothing', given === undefined ? {} : { headers: { 'x-request-id': given } })
    const id = response.headers.get('x-request-id')
    expect((await readAs(ProblemDocument, response)).requestId).toBe(id)
    return id
  }
  expect(await idOf()).toMatch(/^[0-9a-f]{24}$/)
  expect(await idOf('trace-1.2_3')).toBe('trace-1.2_3')
  for (const bad of ['a b', '{"log":"forged"}', 'x'.repeat(65)]) expect(await idOf(bad)).toMatch(/^[0-9a-f]{24}$/)
  expect((await it.app.request('/healthz', { headers: { 'x-request-id': 'abc' } })).headers.get('x-request-id')).toBe(
    'abc',
  )
})

test('healthy is the process, ready is the database', async () => {
  await using it = await anApp()
  expect((await it.app.request('/readyz')).status).toBe(200)
  await it.hub.database.close()
  expect((await it.app.request('/healthz')).status).toBe(200)
  expect((await it.app.request('/readyz')).status).toBe(503)
})

test('the OpenAPI document names every route, its security and the problem', async () => {
  await using it = await anApp()
  const document = await (await it.app.request('/v1/openapi.json', { headers: it.headers })).json()
  expect(document).toMatchObject({
    openapi: '3.1.0',
    paths: { '/v1/things/{id}': { put: { security: [{ token: ['viewer'] }] } }, '/healthz': { get: { security: [] } } },
    components: { securitySchemes: { token: { scheme: 'bearer' }, device: { scheme: 'basic' } } },
  })
})

test('requests are counted by route, not by path', async () => {
  await using it = await anApp()
  for (const id of ['abc', 'def', 'a']) await it.put('{"labels":{}}', `/v1/things/${id}`)
  await it.app.request('/nothing/here')
  await it.app.request('/nothing', { method: 'BREW' })
  const metrics = await (await it.app.request('/metrics', { headers: it.headers })).text()
  const counted = metrics.split('\n').filter((line) => line.startsWith('roost_http_requests_total{'))
  expect(counted).toEqual([
    'roost_http_requests_total{method="PUT",route="/v1/things/:id",status="200"} 2',
    'roost_http_requests_total{method="PUT",route="/v1/things/:id",status="422"} 1',
    'roost_http_requests_total{method="GET",route="/*",status="404"} 1',
    'roost_http_requests_total{method="other",route="/*",status="404"} 1',
  ])
})
