// Every route of the assembled hub against every kind of caller, held against the scope that the route says it asks
// for. The routes are read from the hub's own OpenAPI document: a new one is covered as soon as it is there, and one
// that does not say who may call it fails.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import type { Role, Scope } from '../../../hub/governance/grants.ts'
import { insertToken, makeToken, roles } from '../../../hub/governance/tokens.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { anEnrolledDevice } from '../fleet/a-fleet.ts'

/** The promise, written down here once more: what each role may do, whatever the route. */
const held: Record<Role, Scope[]> = {
  viewer: ['viewer'],
  ci: ['viewer', 'ci'],
  operator: ['viewer', 'operator'],
  approver: ['viewer', 'approver'],
  admin: ['viewer', 'ci', 'operator', 'approver', 'admin'],
}

/** Routes that nobody needs a token for; one that is not named here has to ask for something. */
const open = [
  'GET /healthz',
  'GET /readyz',
  // carries its own claim token
  'POST /v1/enrol',
  // MLflow's client asks these before it sends a token
  'GET /health',
  'GET /version',
  // where a session begins, and ends; each looks at cookie and origin itself: tests/hub/dashboard/sessions.test.ts
  'POST /v1/session',
  'GET /v1/session',
  'DELETE /v1/session',
]
/** Of MLflow's, and not documented: the rest is what the hub refuses, with 501. They are walked as well. */
const undocumented: Record<string, Scope> = {
  'GET /model-versions/get-artifact': 'viewer',
  'POST /api/2.0/mlflow-artifacts/mpu/{step}': 'viewer',
  'POST /api/2.0/mlflow-artifacts/mpu/{step}/{path}': 'viewer',
  'GET /api/2.0/mlflow-artifacts/presigned/{path}': 'viewer',
  'GET /api/2.0/mlflow-artifacts/mpd/presigned/{path}': 'viewer',
}
/** Changes by those who may only look would be; these methods with a viewer's scope are questions with a long body. */
const isQuestion = (path: string) =>
  /(search|query|get-history|get-history-bulk-interval|get-latest-versions|compare|preview|check|rollouts\/plan)$/.test(
    path,
  )

/** They change nothing but who is signed in as the one who asks. */
const ownSession = ['POST /v1/session/codes', 'DELETE /v1/sessions/{id}']

/** Stands for every parameter; also the name of the device that calls, so that its own routes let it in. */
const parameter = 'zzzzzzzz'

type Route = { method: string; path: string; area: string; security: z.infer<typeof Security> }
const Security = z.array(
  z.union([z.strictObject({ token: z.tuple([z.string()]) }), z.strictObject({ device: z.tuple([]) })]),
)

let folder: string
let running: RunningHub
let routes: Route[]
let deviceCredentials: string
const named = ({ method, path }: Route) => `${method} ${path}`

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-access-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  const { device, secret } = await anEnrolledDevice(running.hub, parameter)
  deviceCredentials = `Basic ${Buffer.from(`${device}:${secret}`).toString('base64')}`
  const others = Object.entries(undocumented).map(([route, scope]): Route => {
    const [method = '', path = ''] = route.split(' ')
    return { method, path, area: areaNamed(path), security: [{ token: [scope] }] }
  })
  routes = [...(await documented()), ...others]
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

/** Every operation of the document that the hub itself gives out. */
async function documented(): Promise<Route[]> {
  const headers = { authorization: `Bearer ${running.adminToken}` }
  const response = await running.app.request('/v1/openapi.json', { headers })
  const Operation = z.object({ security: Security })
  const Document = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) })
  const { paths } = Document.parse(await response.json())
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => {
      const { data } = Operation.safeParse(operation)
      if (data === undefined) throw new Error(`${method} ${path} does not say who may call it: use scoped or unscoped`)
      return { method: method.toUpperCase(), path, area: areaNamed(path), security: data.security }
    }),
  )
}

const areaNamed = (path: string) =>
  /\/mlflow|get-artifact/.test(path) ? 'mlflow' : (path.split('/')[path.startsWith('/v1/') ? 2 : 1] ?? '')

async function aToken(
  row: Partial<Parameters<typeof insertToken>[1]> & { role: Role },
): Promise<{ id: string; header: string }> {
  const { database, random, clock } = running.hub
  const made = makeToken(random)
  const common = { name: 'test', createdBy: 'test', createdAt: clock(), expiresAt: undefined }
  await database.write([insertToken(made, { ...common, ...row })])
  return { id: made.id, header: `Bearer ${made.token}` }
}

/** What each route answers `authorization`: 401, 403 or that it lets in. */
async function outcomes(authorization: string | undefined): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const route of routes) {
    const response = await running.app.request(route.path.replaceAll(/\{[^}]+\}/g, parameter), {
      method: route.method,
      headers: authorization === undefined ? {} : { authorization },
    })
    await response.body?.cancel()
    found[named(route)] = response.status === 401 || response.status === 403 ? String(response.status) : 'let in'
  }
  return found
}

const wanted = (judge: (route: Route) => string) =>
  Object.fromEntries(routes.map((route) => [named(route), route.security.length === 0 ? 'let in' : judge(route)]))
const asks = ({ security }: Route, ...scopes: string[]) =>
  security.some((way) => 'token' in way && way.token.some((scope) => scopes.includes(scope)))
/** No token is narrowed out of these: whose name stands behind an actor, and that something has changed. */
const isForAll = (route: Route) => ['GET /v1/actors', 'GET /v1/live', 'GET /v1/openapi.json'].includes(named(route))

test('every route that answers is in the document', () => {
  // the rest of a path is a parameter, too

  const answering = running.app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path }) => `${method} ${path.replace(/\*$/, ':path').replaceAll(/:([^/{]+)(\{[^/]*\})?/g, '{$1}')}`)
  expect([...new Set(answering)].sort()).toEqual(routes.map(named).sort())
})

test('only the routes that are known to be open are, and nobody changes anything who may only look', () => {
  const unasking = routes.filter(({ security }) => security.length === 0).map(named)
  expect(open).toEqual(expect.arrayContaining(unasking))
  const changing = routes
    .filter(({ method, path }) => method !== 'GET' && method !== 'HEAD' && !isQuestion(path))
    .filter((route) => !(named(route) in undocumented) && !ownSession.includes(named(route)))
  expect(changing.filter((route) => asks(route, 'viewer')).map(named)).toEqual([])
  const scopes = new Set(routes.flatMap(({ security }) => security.flatMap((way) => ('token' in way ? way.token : []))))
  expect(roles).toEqual(expect.arrayContaining([...scopes]))
})

describe('every route lets in who has the scope it asks for, and nobody else', () => {
  // first: an admin, who is let in everywhere, revokes it
  test('a device', async () => {
    const isItsOwn = ({ security }: Route) => security.some((way) => 'device' in way)
    expect(await outcomes(deviceCredentials)).toEqual(wanted((route) => (isItsOwn(route) ? 'let in' : '403')))
  })

  test.each(roles)('a token of role %s', async (role) => {
    const { header } = await aToken({ role })
    expect(await outcomes(header)).toEqual(wanted((route) => (asks(route, ...held[role]) ? 'let in' : '403')))
  })

  test('nobody, an expired token, and a revoked one', async () => {
    const expired = await aToken({ role: 'admin', expiresAt: running.hub.clock() - 1 })
    const revoked = await aToken({ role: 'admin' })
    const admin = { authorization: `Bearer ${running.adminToken}` }
    const ended = await running.app.request(`/v1/tokens/${revoked.id}`, { method: 'DELETE', headers: admin })
    expect(ended.status).toBe(204)
    for (const header of [undefined, expired.header, revoked.header]) {
      expect(await outcomes(header)).toEqual(wanted(() => '401'))
    }
  })

  test.each(roles)('an admin narrowed to %s', async (scope) => {
    const { header } = await aToken({ role: 'admin', scopes: [scope] })
    expect(await outcomes(header)).toEqual(
      wanted((route) => (asks(route, scope) || isForAll(route) ? 'let in' : '403')),
    )
  })

  test.each(['viewer:models', 'ci:models', 'operator:devices', 'admin:audit'])(
    'an admin narrowed to %s',
    async (grant) => {
      const [scope = '', area = ''] = grant.split(':')
      const { header } = await aToken({ role: 'admin', scopes: [grant] })
      const isGranted = (route: Route) => route.area === area && asks(route, scope)
      expect(await outcomes(header)).toEqual(
        wanted((route) => (isGranted(route) || isForAll(route) ? 'let in' : '403')),
      )
      expect(routes.filter(isGranted).length, grant).toBeGreaterThan(0)
    },
  )

  test('a scope that the role does not have gives nothing', async () => {
    const { header } = await aToken({ role: 'viewer', scopes: ['admin', 'ci'] })
    expect(await outcomes(header)).toEqual(wanted((route) => (isForAll(route) ? 'let in' : '403')))
  })

  test('a token for other models, where the path names one, at those of others, and at the log that tells of all', async () => {
    const ofModels = ({ path }: Route) => /^\/v1\/(models\/\{|audit|tokens\/)/.test(path)
    const found = await outcomes((await aToken({ role: 'admin', models: ['other', 'yyy*', 'zzzzzzz'] })).header)
    const concerned = routes.filter(ofModels).map((route) => [named(route), found[named(route)]])
    expect(concerned).toEqual(concerned.map(([route]) => [route, '403']))
    for (const models of [[parameter], ['zz*'], ['other', '*']]) {
      const granted = await outcomes((await aToken({ role: 'admin', models })).header)
      const letIn = routes.filter((route) => ofModels(route) && route.area === 'models')
      expect(letIn.map((route) => granted[named(route)])).toEqual(letIn.map(() => 'let in'))
    }
  })
})

describe('a caller with bad credentials gets 401', () => {
  const valid = () => running.adminToken ?? ''
  test.each([
    ['no scheme', () => valid()],
    ['another scheme', () => `Digest ${valid()}`],
    ['a token cut short', () => `Bearer ${valid().slice(0, -1)}`],
    ['a token with one letter more', () => `Bearer ${valid()}0`],
    ['nothing after Bearer', () => 'Bearer'],
    ['a token that never was', () => `Bearer ${makeToken(running.hub.random).token}`],
    ['a token as basic password', () => `Basic ${Buffer.from(`viewer:${valid()}`).toString('base64')}`],
    ['basic that is no base64', () => 'Basic %%%'],
    ['SQL', () => "Bearer ' OR 1=1 --"],
  ])('%s', async (_, header) => {
    const response = await running.app.request('/v1/models', { headers: { authorization: header() } })
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toContain('Bearer')
  })
})
