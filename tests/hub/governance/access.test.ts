// Every route of the running hub against every kind of caller: who is let in is written down here, route by route.
// A new route that is not in the table fails; so does one that forgot to say who may call it.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readConfig } from '../../../hub/config.ts'
import { insertToken, makeToken, type Role, roles } from '../../../hub/governance/tokens.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { anEnrolledDevice } from '../fleet/a-fleet.ts'

type Caller = Role | 'device' | 'nobody'
const everyRole: Caller[] = [...roles]
const only = (...callers: Caller[]): Caller[] => [...callers, 'admin']

/** `:x` for any parameter. Callers not named get 401 (nobody) or 403. */
const table: Record<string, Caller[]> = {
  'GET /healthz': [...everyRole, 'device', 'nobody'],
  'GET /readyz': [...everyRole, 'device', 'nobody'],
  'GET /metrics': everyRole,
  'GET /v1/openapi.json': everyRole,

  'POST /v1/tokens': only(),
  'GET /v1/tokens': only(),
  'DELETE /v1/tokens/:x': only(),

  'POST /v1/models/:x/versions': only('ci'),
  'GET /v1/models': everyRole,
  'GET /v1/models/:x': everyRole,
  'GET /v1/models/:x/versions': everyRole,
  'GET /v1/models/:x/versions/:x': everyRole,
  'GET /v1/models/:x/versions/:x/manifest': everyRole,
  'GET /v1/models/:x/versions/:x/signature': everyRole,
  'PUT /v1/models/:x/versions/:x/signature': only('ci'),
  'PUT /v1/models/:x/floor': only('operator'),
  'GET /v1/blobs/:x': [...everyRole, 'device'],

  'POST /v1/claims': only('operator'),
  'GET /v1/claims': everyRole,
  'DELETE /v1/claims/:x': only('operator'),
  // carries its own claim token
  'POST /v1/enrol': [...everyRole, 'device', 'nobody'],
  'GET /v1/devices': everyRole,
  'GET /v1/devices/:x': everyRole,
  'PATCH /v1/devices/:x': only('operator'),
  'DELETE /v1/devices/:x': only('operator'),
  'PUT /v1/devices/:x/desired/:x': only('operator'),
  'DELETE /v1/devices/:x/desired/:x': only('operator'),
  'POST /v1/devices/:x/retry': only('operator'),
  'POST /v1/devices/:x/commands': only('operator'),
  // not even an admin: the secret is the device's own
  'POST /v1/devices/:x/secret': ['device'],
  'POST /v1/groups': only('operator'),
  'GET /v1/groups': everyRole,
  'GET /v1/groups/:x': everyRole,
  'GET /v1/groups/:x/devices': everyRole,
  'PATCH /v1/groups/:x': only('operator'),
  'DELETE /v1/groups/:x': only('operator'),

  'GET /v1/devices/:x/telemetry': everyRole,
  'GET /v1/devices/:x/drift': everyRole,
  'GET /v1/devices/:x/events': everyRole,
  'GET /v1/groups/:x/telemetry': everyRole,
  'GET /v1/groups/:x/drift': everyRole,
  'GET /v1/models/:x/telemetry': everyRole,
  'GET /v1/models/:x/drift': everyRole,

  'POST /v1/rollouts': only('operator'),
  'GET /v1/rollouts': everyRole,
  'GET /v1/rollouts/:x': everyRole,
  'GET /v1/rollouts/:x/devices': everyRole,
  'GET /v1/rollouts/:x/decisions': everyRole,
  'POST /v1/rollouts/:x/:x': only('operator'),

  'GET /health': [...everyRole, 'device', 'nobody'],
  'GET /version': [...everyRole, 'device', 'nobody'],
  'GET /api/3.0/mlflow/server-info': everyRole,
  'POST /api/2.0/mlflow/experiments/create': only('ci'),
  'GET /api/2.0/mlflow/experiments/get': everyRole,
  'GET /api/2.0/mlflow/experiments/get-by-name': everyRole,
  'POST /api/2.0/mlflow/experiments/search': everyRole,
  'GET /api/2.0/mlflow/experiments/search': everyRole,
  'POST /api/2.0/mlflow/experiments/update': only('ci'),
  'POST /api/2.0/mlflow/experiments/delete': only('ci'),
  'POST /api/2.0/mlflow/experiments/restore': only('ci'),
  'POST /api/2.0/mlflow/experiments/set-experiment-tag': only('ci'),
  'POST /api/2.0/mlflow/experiments/delete-experiment-tag': only('ci'),
  'POST /api/2.0/mlflow/runs/create': only('ci'),
  'GET /api/2.0/mlflow/runs/get': everyRole,
  'POST /api/2.0/mlflow/runs/update': only('ci'),
  'POST /api/2.0/mlflow/runs/delete': only('ci'),
  'POST /api/2.0/mlflow/runs/restore': only('ci'),
  'POST /api/2.0/mlflow/runs/search': everyRole,
  'POST /api/2.0/mlflow/runs/log-metric': only('ci'),
  'POST /api/2.0/mlflow/runs/log-parameter': only('ci'),
  'POST /api/2.0/mlflow/runs/set-tag': only('ci'),
  'POST /api/2.0/mlflow/runs/log-batch': only('ci'),
  'POST /api/2.0/mlflow/runs/delete-tag': only('ci'),
  'POST /api/2.0/mlflow/runs/log-inputs': only('ci'),
  'POST /api/2.0/mlflow/runs/outputs': only('ci'),
  'POST /api/2.0/mlflow/runs/log-model': only('ci'),
  'GET /api/2.0/mlflow/metrics/get-history': everyRole,
  'GET /api/2.0/mlflow/metrics/get-history-bulk': everyRole,
  'GET /api/2.0/mlflow/metrics/get-history-bulk-interval': everyRole,
}

/** Stands for every parameter; also the name of the device that calls, so that its own routes let it in. */
const parameter = 'zzzzzzzz'

let folder: string
let running: RunningHub
const credentials = new Map<Caller, string>()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-access-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  const { database, random, clock } = running.hub
  for (const role of roles) {
    const made = makeToken(random)
    credentials.set(role, `Bearer ${made.token}`)
    const row = { name: role, role, createdBy: 'test', createdAt: clock(), expiresAt: undefined }
    await database.write([insertToken(made, row)])
  }
  const { device, secret } = await anEnrolledDevice(running.hub, parameter)
  credentials.set('device', `Basic ${Buffer.from(`${device}:${secret}`).toString('base64')}`)
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

const routes = () => [
  ...new Set(
    running.app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
  ),
]
const named = (route: string) => route.replaceAll(/:[^/]+/g, ':x')

test('every route is in the table, and in the OpenAPI document with what it asks for', async () => {
  expect(routes().map(named).sort()).toEqual(Object.keys(table).sort())
  const document = running.app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: '', version: '' } })
  for (const route of routes()) {
    const [method = '', path = ''] = route.split(' ')
    const item: unknown = Object.entries(document.paths?.[path.replaceAll(/:([^/]+)/g, '{$1}')] ?? {}).find(
      ([name]) => name === method.toLowerCase(),
    )?.[1]
    expect(item, `${route} is documented`).toBeDefined()
    const open = table[named(route)]?.includes('nobody')
    expect(item, route).toHaveProperty('security', open ? [] : expect.arrayContaining([expect.anything()]))
  }
})

// the device first: an admin who is let in everywhere revokes it
describe.each(['device' as const, ...roles, 'nobody' as const])('%s', (caller) => {
  test('is let in where the table says so and nowhere else', async () => {
    const found: Record<string, string> = {}
    const wanted: Record<string, string> = {}
    for (const route of routes()) {
      const [method = '', path = ''] = route.split(' ')
      const authorization = credentials.get(caller)
      const response = await running.app.request(path.replaceAll(/:[^/]+/g, parameter), {
        method,
        headers: authorization === undefined ? {} : { authorization },
      })
      await response.body?.cancel()
      found[route] = response.status === 401 || response.status === 403 ? String(response.status) : 'let in'
      wanted[route] = table[named(route)]?.includes(caller) ? 'let in' : caller === 'nobody' ? '401' : '403'
    }
    expect(found).toEqual(wanted)
  })
})

describe('a caller with bad credentials gets 401', () => {
  const valid = () => credentials.get('viewer')?.slice('Bearer '.length) ?? ''
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
