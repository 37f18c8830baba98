// Signing in, over HTTP: what a session may is what its token may, no other site can use it, and it ends when it should.

import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'

let folder: string
let running: RunningHub
/** The hub's clock stands but for `laterMs`: what ends at a time ends there, however long a test takes. */
const startMs = Date.now()
let laterMs = 0
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-sessions-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  running.hub.clock = () => startMs + laterMs
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

type Asked = { method?: string; cookie?: string; headers?: Record<string, string>; body?: unknown }
/** As a browser's page of this hub asks, unless `headers` say otherwise. */
const fromPage = { 'x-roost-page': '1', 'sec-fetch-site': 'same-origin' }
const ask = (path: string, { method = 'GET', cookie, headers = fromPage, body }: Asked = {}) =>
  fetch(`${running.url}${path}`, {
    method,
    headers: {
      ...headers,
      ...(cookie === undefined ? {} : { cookie }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

async function aToken(row: Partial<Parameters<typeof insertToken>[1]> = {}): Promise<{ token: string; id: string }> {
  const { database, random, clock } = running.hub
  const made = makeToken(random)
  const common = { name: 'test', role: 'admin', createdBy: 'test', createdAt: clock(), expiresAt: undefined } as const
  await database.write([insertToken(made, { ...common, ...row })])
  return made
}

const cookieIn = (response: Response) => response.headers.get('set-cookie')?.split(';')[0] ?? ''
async function signIn(token: string, asked: Asked = {}): Promise<string> {
  const response = await ask('/v1/session', { method: 'POST', body: { token }, ...asked })
  expect(response.status).toBe(201)
  return cookieIn(response)
}
const Current = z.object({ session: z.looseObject({ name: z.string(), scopes: z.array(z.string()) }).nullable() })
const who = async (cookie: string) => Current.parse(await (await ask('/v1/session', { cookie })).json()).session
const codeOf = async (response: Response) => z.looseObject({ code: z.string() }).parse(await response.json()).code
const group = (name: string) => ({ method: 'POST', body: { name, query: 'all' } })

test('the cookie is for this origin and no script, stands for the token, and ends with sign-out', async () => {
  const { token } = await aToken({ name: 'ada', role: 'operator' })
  const response = await ask('/v1/session', { method: 'POST', body: { token } })
  expect(response.headers.get('set-cookie')).toMatch(
    /^roost_session=[\w-]{43}; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/,
  )
  expect(await response.text()).not.toContain(token)
  const cookie = cookieIn(response)
  expect(await who(cookie)).toMatchObject({ name: 'ada', scopes: ['viewer', 'operator'], models: null })
  expect((await ask('/v1/groups', { cookie, ...group('mine') })).status).toBe(201)
  expect((await ask('/v1/tokens', { cookie })).status).toBe(403)
  const out = await ask('/v1/session', { method: 'DELETE', cookie })
  expect([out.status, out.headers.get('set-cookie')]).toEqual([204, expect.stringContaining('Max-Age=0')])
  // also for whoever kept the cookie
  expect(await who(cookie)).toBeNull()
  expect((await ask('/v1/groups', { cookie })).status).toBe(401)
})

test('neither the id nor a code lies in the database', async () => {
  const { token } = await aToken()
  const id = (await signIn(token)).split('=')[1] ?? ''
  const code = await codeOf(
    await ask('/v1/session/codes', { method: 'POST', headers: { authorization: `Bearer ${token}` } }),
  )
  expect(id.length + code.length).toBe(86)
  const Any = z.record(z.string(), z.unknown())
  for (const table of ['sessions', 'sign_in_codes', 'audit_log', 'idempotency_keys']) {
    const rows = await running.hub.database.all(Any, `SELECT * FROM ${table}`)
    const texts = rows.flatMap((row) =>
      Object.values(row).map((value) =>
        value instanceof ArrayBuffer ? Buffer.from(value).toString('latin1') : String(value),
      ),
    )
    expect(texts.filter((text) => text.includes(id) || text.includes(code))).toEqual([])
  }
})

describe('another site cannot use a session', () => {
  const attempts: [what: string, headers: Record<string, string>][] = [
    ['the cookie alone, as a form sends it', {}],
    ['without the page’s header', { 'sec-fetch-site': 'same-origin' }],
    ['without a word on where from', { 'x-roost-page': '1' }],
    ['from another site', { 'x-roost-page': '1', 'sec-fetch-site': 'cross-site' }],
    ['from a neighbour of the same site', { 'x-roost-page': '1', 'sec-fetch-site': 'same-site' }],
    ['typed into the address bar', { 'x-roost-page': '1', 'sec-fetch-site': 'none' }],
    ['with an origin of its own', { 'x-roost-page': '1', origin: 'https://evil.example' }],
    ['with the opaque origin', { 'x-roost-page': '1', origin: 'null' }],
    [
      'cross-site, whatever it says of its origin',
      { 'x-roost-page': '1', 'sec-fetch-site': 'cross-site', origin: 'self' },
    ],
    ['with another value', { 'x-roost-page': '0', 'sec-fetch-site': 'same-origin' }],
  ]
  test.each(attempts)('%s', async (what, sent) => {
    const cookie = await signIn((await aToken()).token)
    const headers = sent.origin === 'self' ? { ...sent, origin: running.url } : sent
    const changes = await ask('/v1/groups', {
      cookie,
      headers,
      ...group(`g${attempts.findIndex(([name]) => name === what)}`),
    })
    expect([changes.status, await codeOf(changes)]).toEqual([403, 'not-from-the-page'])
    const { token } = await aToken()
    expect((await ask('/v1/session', { method: 'POST', headers, body: { token } })).status).toBe(403)
    expect((await ask('/v1/session', { method: 'DELETE', headers, cookie })).status).toBe(403)
    expect(await who(cookie)).not.toBeNull()
  })

  test('nor look through it, nor sign somebody in as another', async () => {
    const { token } = await aToken()
    const cookie = await signIn(token)
    for (const site of ['cross-site', 'same-site']) {
      expect((await ask('/v1/groups', { cookie, headers: { 'sec-fetch-site': site } })).status).toBe(403)
    }
    const form = await fetch(`${running.url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain', origin: 'https://evil.example' },
      body: JSON.stringify({ token }),
    })
    expect([form.headers.get('set-cookie'), form.ok]).toEqual([null, false])
  })

  test('where a browser does not tell the site, the origin does', async () => {
    const cookie = await signIn((await aToken()).token)
    const headers = { 'x-roost-page': '1', origin: running.url }
    expect((await ask('/v1/groups', { cookie, headers, ...group('by-origin') })).status).toBe(201)
  })

  test('a program with a bearer token needs none of that, whatever cookie goes along', async () => {
    const { token } = await aToken({ role: 'operator' })
    const headers = { authorization: `Bearer ${token}`, 'sec-fetch-site': 'cross-site' }
    expect((await ask('/v1/groups', { headers, cookie: 'roost_session=x', ...group('by-program') })).status).toBe(201)
    const viewer = await aToken({ role: 'viewer' })
    const admin = await signIn((await aToken()).token)
    const asViewer = { authorization: `Bearer ${viewer.token}`, ...fromPage }
    expect((await ask('/v1/groups', { headers: asViewer, cookie: admin, ...group('never') })).status).toBe(403)
  })
})

describe('a session is over', () => {
  test('when its token is revoked', async () => {
    const { token, id } = await aToken()
    const cookie = await signIn(token)
    const admin = await signIn((await aToken()).token)
    expect((await ask(`/v1/tokens/${id}`, { method: 'DELETE', cookie: admin })).status).toBe(204)
    expect((await ask('/v1/groups', { cookie })).status).toBe(401)
    expect(await who(cookie)).toBeNull()
    expect(await who(admin)).not.toBeNull()
  })

  test('when its token expires', async () => {
    const cookie = await signIn((await aToken({ expiresAt: startMs + 60_000 })).token)
    expect((await ask('/v1/groups', { cookie })).status).toBe(200)
    laterMs = 60_001
    expect((await ask('/v1/groups', { cookie })).status).toBe(401)
    laterMs = 0
  })

  test('after twelve hours', async () => {
    const cookie = await signIn((await aToken()).token)
    laterMs = 12 * 3_600_000 - 60_000
    expect((await ask('/v1/groups', { cookie })).status).toBe(200)
    laterMs = 12 * 3_600_000 + 1
    expect((await ask('/v1/groups', { cookie })).status).toBe(401)
    laterMs = 0
  })

  test('when fifty more began with the same token', async () => {
    const { token } = await aToken()
    const first = await signIn(token)
    laterMs = 1
    for (let n = 0; n < 50; n++) await signIn(token)
    expect(await who(first)).toBeNull()
    laterMs = 0
  })
})

test('an id that somebody else chose is never taken up, and the session before ends', async () => {
  const chosen = `roost_session=${'A'.repeat(43)}`
  const { token } = await aToken()
  const first = await signIn(token, { cookie: chosen })
  expect(first).not.toBe(chosen)
  expect(await who(chosen)).toBeNull()
  const second = await signIn(token, { cookie: first })
  expect(second).not.toBe(first)
  expect(await who(first)).toBeNull()
})

test('a narrowed and restricted token gives a session that is no wider', async () => {
  const { token } = await aToken({ role: 'admin', scopes: ['viewer', 'ci:models', 'device'], models: ['press-*'] })
  const cookie = await signIn(token)
  expect(await who(cookie)).toMatchObject({ scopes: ['viewer', 'ci:models'], models: ['press-*'] })
  expect((await ask('/v1/models/pump', { cookie })).status).toBe(403)
  expect((await ask('/v1/models/press-1', { cookie })).status).toBe(404)
  expect((await ask('/v1/audit', { cookie })).status).toBe(403)
  expect((await ask('/v1/groups', { cookie, ...group('no') })).status).toBe(403)
})

describe('what is no session is told so, in one answer, without a password window', () => {
  test.each([
    ['none', ''],
    ['another cookie', 'a=b; c=d'],
    ['an empty one', 'roost_session='],
    ['one too short', `roost_session=${'a'.repeat(42)}`],
    ['one too long', `roost_session=${'a'.repeat(44)}`],
    ['a name that ends so', `x_roost_session=${'a'.repeat(43)}`],
    ['SQL', "roost_session=' OR 1=1 --"],
    ['a long one', `roost_session=${'a'.repeat(12_000)}`],
    ['very many', `${'a=b; '.repeat(2_000)}roost_session=${'b'.repeat(43)}`],
  ])('%s', async (_, cookie) => {
    const response = await ask('/v1/groups', { cookie })
    expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="roost"'])
  })

  test('a cookie larger than all headers may be', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      request(`${running.url}/v1/groups`, { headers: { cookie: 'a'.repeat(100_000) } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(431)
    expect((await ask('/healthz')).status).toBe(200)
  })
})

describe('a code', () => {
  const code = async (token: string) =>
    codeOf(await ask('/v1/session/codes', { method: 'POST', headers: { authorization: `Bearer ${token}` } }))
  const use = (code: string) => ask('/v1/session', { method: 'POST', body: { code } })

  test('signs in once, also when it is used many times at once', async () => {
    const { token } = await aToken({ name: 'grace' })
    const one = await code(token)
    const answers = await Promise.all(Array.from({ length: 8 }, () => use(one)))
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 422, 422, 422, 422, 422, 422, 422])
    const [won] = answers.filter(({ status }) => status === 201)
    expect(won && (await who(cookieIn(won)))).toMatchObject({ name: 'grace' })
  })

  test('is over after ten minutes, and with its token', async () => {
    const { token, id } = await aToken()
    const [early, late, revoked] = [await code(token), await code(token), await code(token)]
    laterMs = 599_000
    expect((await use(early)).status).toBe(201)
    laterMs = 600_001
    expect((await use(late)).status).toBe(422)
    laterMs = 0
    await running.hub.database.write([{ sql: 'UPDATE tokens SET revoked_at = 1 WHERE id = ?', args: [id] }])
    expect((await use(revoked)).status).toBe(422)
  })

  test('is not for devices and not for nobody, and is no token', async () => {
    expect((await ask('/v1/session/codes', { method: 'POST' })).status).toBe(401)
    const { token } = await aToken()
    const one = await code(token)
    expect((await ask('/v1/session', { method: 'POST', body: { token: one } })).status).toBe(422)
    expect((await use(token)).status).toBe(422)
    expect((await ask('/v1/session', { method: 'POST', body: { token, code: one } })).status).toBe(422)
  })
})

describe('who is signed in', () => {
  const Open = z.object({
    sessions: z.array(z.looseObject({ id: z.string(), token: z.string(), name: z.string(), current: z.boolean() })),
  })
  const open = async (cookie: string, of = '') =>
    Open.parse(await (await ask(`/v1/sessions${of}`, { cookie })).json()).sessions
  const end = (cookie: string, id = '') => ask(`/v1/sessions/${id}`, { method: 'DELETE', cookie })

  test('is told to who signed in, of their own token; the other browser can be signed out', async () => {
    const made = await aToken({ name: 'two browsers', role: 'viewer' })
    const [here, there] = [await signIn(made.token), await signIn(made.token)]
    const sessions = await open(here)
    expect(sessions.map(({ token, name }) => [token, name])).toEqual([
      [made.id, 'two browsers'],
      [made.id, 'two browsers'],
    ])
    expect(sessions.map(({ current }) => current).sort()).toEqual([false, true])
    // names of sessions are no credentials
    for (const { id } of sessions) expect([here.includes(id), there.includes(id)]).toEqual([false, false])
    expect((await end(here, sessions.find(({ current }) => !current)?.id)).status).toBe(204)
    expect([await who(there), (await who(here))?.name]).toEqual([null, 'two browsers'])
    expect(await open(here)).toHaveLength(1)
  })

  test('of others is told to an admin only, who can end theirs', async () => {
    const [viewer, admin, narrowed] = [
      await signIn((await aToken({ name: 'v', role: 'viewer' })).token),
      await signIn((await aToken({ name: 'a' })).token),
      await signIn((await aToken({ name: 'n', models: ['pump'] })).token),
    ]
    expect((await open(viewer, '?of=all')).map(({ name }) => name)).toEqual(['v'])
    expect((await open(narrowed, '?of=all')).map(({ name }) => name)).toEqual(['n'])
    const all = await open(admin, '?of=all')
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(['v', 'a', 'n']))
    const idOf = (name: string) => all.find((session) => session.name === name)?.id
    for (const other of [viewer, narrowed]) expect((await end(other, idOf('a'))).status).toBe(404)
    expect((await end(admin, idOf('v'))).status).toBe(204)
    expect([await who(viewer), (await who(admin))?.name]).toEqual([null, 'a'])
  })
})

test('sign-in, sign-out and codes are in the audit log, what failed is not', async () => {
  const { token, id } = await aToken()
  const cookie = await signIn(token)
  await ask('/v1/session/codes', { method: 'POST', cookie })
  await ask('/v1/session', { method: 'POST', body: { token: makeToken(running.hub.random).token } })
  await ask('/v1/session', { method: 'DELETE', cookie })
  await ask('/v1/session', { method: 'DELETE', cookie })
  const Entry = z.object({ action: z.string() })
  const rows = await running.hub.database.all(Entry, 'SELECT action FROM audit_log WHERE actor = ? ORDER BY seq', [
    `token:${id}`,
  ])
  expect(rows.map(({ action }) => action)).toEqual(['session.begin', 'session.invite', 'session.end'])
})

test('where TLS is spoken, also by a proxy, the cookie goes over nothing else', async () => {
  const other = mkdtempSync(join(tmpdir(), 'roost-sessions-tls-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const environment = { ROOST_DATA_DIR: other, ROOST_PUBLIC_URL: 'https://roost.example', ...ports }
  const hub = await startHub(readConfig(environment), pino({ level: 'silent' }))
  try {
    const response = await hub.app.request('/v1/session', {
      method: 'POST',
      headers: { ...fromPage, 'content-type': 'application/json' },
      body: JSON.stringify({ token: hub.adminToken }),
    })
    expect(response.headers.get('set-cookie')).toContain('; Secure;')
  } finally {
    await hub.close()
    rmSync(other, { recursive: true })
  }
})
