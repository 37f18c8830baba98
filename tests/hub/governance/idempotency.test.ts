// Idempotency-Key: sent twice, done once, answered twice.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { describe, expect, test } from 'vitest'
import { createApp, type Routes } from '../../../hub/app.ts'
import { type HubEnv, scoped } from '../../../hub/governance/access.ts'
import { forgetUnanswered, keysMax } from '../../../hub/governance/idempotency.ts'
import { Problem, problems } from '../../../hub/problem.ts'
import { aHub, asStarted, type TestHub } from '../a-hub.ts'

const count = createRoute({
  method: 'post',
  path: '/v1/counts',
  ...scoped('operator'),
  request: { body: { required: true, content: { 'application/json': { schema: z.object({ by: z.number() }) } } } },
  responses: {
    201: { description: '', content: { 'application/json': { schema: z.object({ sum: z.number() }) } } },
    ...problems(),
  },
})

/** An app with a route that counts how often it is really run; it waits for `gate`, and fails at `by: 13`. */
async function aCounter(hub: TestHub, gate: () => Promise<void> = () => Promise.resolve(), given?: string) {
  let sum = 0
  const routes: Routes = new OpenAPIHono<HubEnv>().openapi(count, async (c) => {
    const { by } = c.req.valid('json')
    await gate()
    if (by === 13) throw new Problem(409, 'unlucky', 'Unlucky', 'not 13')
    if (by === 99) c.header('cache-control', 'no-store')
    sum += by
    c.header('location', `/v1/counts/${sum}`)
    return c.json({ sum }, 201)
  })
  const app = createApp(asStarted(hub), [routes])
  const token = given ?? (await hub.tokenOf('operator'))
  const post = (by: unknown, key: string, bearer = token, query = '', more: Record<string, string> = {}) =>
    app.request(`/v1/counts${query}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${bearer}`,
        'content-type': 'application/json',
        'idempotency-key': key,
        ...more,
      },
      body: JSON.stringify({ by }),
    })
  return { post, sum: () => sum }
}

/** Holds up who wants to pass until it is opened, and tells that somebody stands there. */
function aGate() {
  const [reached, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const pass = () => {
    reached.resolve()
    return opened.promise
  }
  return { pass, reached: reached.promise, open: () => opened.resolve() }
}

describe('a POST with a key', () => {
  test('is done once and answered alike each time', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    const answers = [await post(5, 'k'), await post(5, 'k'), await post(5, 'k')]
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(Array(3).fill('{"sum":5}'))
    expect(answers.map(({ status, headers }) => [status, headers.get('location')])).toEqual(
      Array(3).fill([201, '/v1/counts/5']),
    )
    expect(answers.map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true', 'true'])
    expect(sum()).toBe(5)
  })

  test('is another with another key, and another for another caller', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    await post(5, 'a')
    await post(5, 'b')
    await post(5, 'a', await hub.tokenOf('admin'))
    expect(sum()).toBe(15)
  })

  test('is one of so many of a caller, and others have their own', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    await post(5, 'first')
    await hub.database.write([
      {
        sql: `WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
          INSERT INTO idempotency_keys (principal, key, fingerprint, status, created_at)
          SELECT principal, 'k' || i, '', 200, created_at FROM n, idempotency_keys WHERE key = 'first'`,
        args: [keysMax],
      },
    ])
    expect((await post(5, 'one-more')).status).toBe(429)
    expect((await post(5, 'first')).headers.get('idempotency-replayed')).toBe('true')
    expect((await post(5, 'one-more', await hub.tokenOf('admin'))).status).toBe(201)
    expect(sum()).toBe(10)
  })

  test('with another query, or for an upload of another length, is refused', async () => {
    await using hub = await aHub()
    const token = await hub.tokenOf('operator')
    const { post, sum } = await aCounter(hub, undefined, token)
    await post(5, 'k', token, '?upload=a')
    expect((await post(5, 'k', token, '?upload=b')).status).toBe(422)
    expect((await post(5, 'k', token, '?upload=a', { 'upload-length': '7' })).status).toBe(422)
    expect((await post(5, 'k', token, '?upload=a')).headers.get('idempotency-replayed')).toBe('true')
    expect(sum()).toBe(5)
  })

  test('with another body is refused', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    await post(5, 'k')
    const other = await post(6, 'k')
    expect([other.status, await other.json()]).toMatchObject([422, { code: 'idempotency-key-reused' }])
    expect(sum()).toBe(5)
  })

  test('that failed may be sent again', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    expect((await post(13, 'k')).status).toBe(409)
    expect((await post('x', 'k')).status).toBe(422)
    expect((await post(5, 'k')).status).toBe(201)
    expect(sum()).toBe(5)
  })

  test('while the first is being answered is told so, and done once', async () => {
    await using hub = await aHub()
    const gate = aGate()
    const { post, sum } = await aCounter(hub, gate.pass)
    const first = post(5, 'k')
    await gate.reached
    const second = await post(5, 'k')
    expect([second.status, await second.json()]).toMatchObject([409, { code: 'in-progress' }])
    gate.open()
    expect((await first).status).toBe(201)
    expect((await post(5, 'k')).status).toBe(201)
    expect(sum()).toBe(5)
  })

  test('whose answer holds a secret is not done again, and the secret is not kept', async () => {
    await using hub = await aHub()
    const { post, sum } = await aCounter(hub)
    await post(99, 'k')
    const again = await post(99, 'k')
    expect([again.status, await again.json()]).toMatchObject([
      409,
      { code: 'answered-already', location: '/v1/counts/99' },
    ])
    expect(sum()).toBe(99)
    const rows = await hub.database.all(z.unknown(), 'SELECT * FROM idempotency_keys')
    expect(JSON.stringify(rows)).not.toContain('sum')
  })

  test('that was being answered when the hub died may be sent again', async () => {
    await using hub = await aHub()
    const token = await hub.tokenOf('operator')
    const gate = aGate()
    const died = await aCounter(hub, gate.pass, token)
    const lost = died.post(5, 'k')
    await gate.reached
    const restarted = await aCounter(hub, undefined, token)
    expect((await restarted.post(5, 'k')).status).toBe(409)
    await forgetUnanswered(hub.database)
    expect((await restarted.post(5, 'k')).status).toBe(201)
    gate.open()
    await lost
  })

  test('after a day is new, and nothing is kept for ever', async () => {
    let now = 1_000_000
    await using hub = await aHub({ parts: { clock: () => now } })
    const { post, sum } = await aCounter(hub)
    await post(5, 'k')
    now += 86_400_001
    await post(5, 'k')
    expect(sum()).toBe(10)
    const rows = await hub.database.all(z.unknown(), 'SELECT * FROM idempotency_keys')
    expect(rows).toHaveLength(1)
  })

  test.each(['', 'x'.repeat(129), 'a b', 'ä'])('%j is no key', async (key) => {
    await using hub = await aHub()
    const { post } = await aCounter(hub)
    const response = await post(5, key)
    expect(response.status).toBe(422)
  })
})
