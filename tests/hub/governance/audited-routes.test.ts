// Every route for MLflow's clients and for uploads that changes something leaves a row in the audit log, and those that
// are known not to are named here.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { aTrackingServer, type TrackingServer } from '../experiments/a-tracking-server.ts'

let server: TrackingServer
beforeAll(async () => {
  server = await aTrackingServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const mlflow = '/api/2.0/mlflow'
/** What a route is sent, after the ones before it in the list, and what is recorded of it. */
type Step = [method: string, route: string, body: unknown, action: string | null, path?: string]

/** They change nothing. */
const searches = ['POST experiments/search', 'POST runs/search', 'POST logged-models/search']
const refusals = ['POST registered-models/rename', 'POST registered-models/get-latest-versions']
/** Registering has its own tests. */
const elsewhere = ['POST model-versions/', 'PATCH model-versions/', 'DELETE model-versions/']
const traces = ['POST /api/3.0/mlflow/traces', 'POST /v1/traces', 'traces']

test('routes of MLflow and of uploads', async () => {
  const run = (await server.createRun({ experiment_id: '0' })).info.run_id
  const Model = z.object({ model: z.object({ info: z.object({ model_id: z.string() }) }) })
  const made = Model.parse(await server.post('logged-models', { experiment_id: '0', name: 'm' }))
  const model = made.model.info.model_id
  const { experiment_id } = z
    .object({ experiment_id: z.string() })
    .parse(await server.post('experiments/create', { name: 'e' }))
  const one = `logged-models/${model}`
  const file = `/api/2.0/mlflow-artifacts/artifacts/0/${run}/artifacts/a.txt`
  const steps: Step[] = [
    ['POST', 'experiments/create', { name: 'other' }, 'experiment.create'],
    ['POST', 'experiments/update', { experiment_id, new_name: 'new' }, 'experiment.rename'],
    ['POST', 'experiments/set-experiment-tag', { experiment_id, key: 'a', value: 'b' }, 'experiment.tag'],
    ['POST', 'experiments/delete-experiment-tag', { experiment_id, key: 'a' }, 'experiment.untag'],
    ['POST', 'experiments/delete', { experiment_id }, 'experiment.delete'],
    ['POST', 'experiments/restore', { experiment_id }, 'experiment.restore'],
    ['POST', 'runs/create', { experiment_id }, 'run.create'],
    ['POST', 'runs/update', { run_id: run, run_name: 'r', status: 'RUNNING' }, 'run.update'],
    ['POST', 'runs/log-metric', { run_id: run, key: 'm', value: 1, timestamp: 1 }, null],
    ['POST', 'runs/log-parameter', { run_id: run, key: 'p', value: '1' }, null],
    ['POST', 'runs/set-tag', { run_id: run, key: 't', value: '1' }, 'run.tag'],
    ['POST', 'runs/log-batch', { run_id: run, params: [{ key: 'q', value: '1' }] }, null],
    ['POST', 'runs/log-batch', { run_id: run, tags: [{ key: 't', value: '2' }] }, 'run.tag'],
    ['POST', 'runs/delete-tag', { run_id: run, key: 't' }, 'run.untag'],
    ['POST', 'runs/log-inputs', { run_id: run, models: [{ model_id: model }] }, 'run.input'],
    ['POST', 'runs/outputs', { run_id: run, models: [{ model_id: model }] }, 'run.output'],
    [
      'POST',
      'runs/log-model',
      { run_id: run, model_json: '{"run_id":"r","artifact_path":"m","utc_time_created":"t","flavors":{}}' },
      'run.tag',
    ],
    ['PUT', '/api/2.0/mlflow-artifacts/artifacts/{path}', 'bytes', null, file],
    ['DELETE', '/api/2.0/mlflow-artifacts/artifacts/{path}', undefined, 'artifact.remove', file],
    ['POST', 'runs/delete', { run_id: run }, 'run.delete'],
    ['POST', 'runs/restore', { run_id: run }, 'run.restore'],
    ['POST', 'logged-models', { experiment_id: '0', name: 'n' }, 'logged-model.create'],
    [
      'POST',
      'logged-models/{model_id}/params',
      { params: [{ key: 'a', value: 'b' }] },
      null,
      `${mlflow}/${one}/params`,
    ],
    ['PATCH', 'logged-models/{model_id}/tags', { tags: [{ key: 'a' }] }, 'logged-model.tag', `${mlflow}/${one}/tags`],
    ['DELETE', 'logged-models/{model_id}/tags/{tag_key}', {}, 'logged-model.untag', `${mlflow}/${one}/tags/a`],
    ['PATCH', 'logged-models/{model_id}', { status: 2 }, 'logged-model.status', `${mlflow}/${one}`],
    ['DELETE', 'logged-models/{model_id}', {}, 'logged-model.delete', `${mlflow}/${one}`],
    ['POST', 'registered-models/create', { name: 'pump' }, 'model.create'],
    ['PATCH', 'registered-models/update', { name: 'pump', description: 'd' }, 'model.edit'],
    ['POST', 'registered-models/set-tag', { name: 'pump', key: 'a', value: 'b' }, 'model.edit'],
    ['DELETE', 'registered-models/delete-tag', { name: 'pump', key: 'a' }, 'model.edit'],
    ['DELETE', 'registered-models/delete', { name: 'pump' }, 'model.delete'],
  ]
  for (const [n, [method, route, body, action, path]] of steps.entries()) {
    const requestId = `step-${n}`
    const response = await ask(method, path ?? `${mlflow}/${route}`, body, { 'x-request-id': requestId })
    expect(`${response.status} ${await response.text()}`, `${method} ${route}`).toMatch(/^20[014] /)
    expect(await recorded(requestId), `${method} ${route}`).toEqual(action === null ? [] : [action])
  }
  const known = new Set([
    ...steps.map(([method, route]) => `${method} ${route}`),
    ...searches,
    ...refusals,
    // they need a version: tests/hub/experiments/registering.test.ts
    'POST registered-models/alias',
    'DELETE registered-models/alias',
  ])
  const document = await (await ask('GET', '/v1/openapi.json')).json()
  const { paths } = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) }).parse(document)
  const changing = Object.entries(paths)
    .filter(([path]) => path.startsWith('/api/'))
    .flatMap(([path, methods]) =>
      Object.keys(methods)
        .filter((method) => method !== 'get')
        .map((method) => `${method.toUpperCase()} ${path.replace(`${mlflow}/`, '')}`),
    )
  const missed = changing.filter((route) => !known.has(route))
  expect(missed.filter((route) => ![...elsewhere, ...traces].some((part) => route.includes(part)))).toEqual([])
})

test('an upload, when it begins, when it has become a blob, and when it is given up', async () => {
  const tus = { 'tus-resumable': '1.0.0' }
  const begin = await ask('POST', '/v1/uploads', undefined, { ...tus, 'upload-length': '3', 'x-request-id': 'u-1' })
  const at = begin.headers.get('location') ?? ''
  const send = (offset: number, bytes: string, id: string) =>
    ask('PATCH', at, bytes, {
      ...tus,
      'upload-offset': String(offset),
      'content-type': 'application/offset+octet-stream',
      'x-request-id': id,
    })
  expect((await send(0, 'ab', 'u-2')).status).toBe(204)
  expect((await send(2, 'c', 'u-3')).status).toBe(204)
  await ask('GET', at, undefined, { 'x-request-id': 'u-4' })
  expect((await ask('DELETE', at, undefined, { ...tus, 'x-request-id': 'u-5' })).status).toBe(204)
  const all = await Promise.all(['u-1', 'u-2', 'u-3', 'u-4', 'u-5'].map(recorded))
  expect(all).toEqual([['upload.create'], [], ['upload.finish'], [], ['upload.delete']])
})

const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${server.running.adminToken}`,
      ...(typeof body === 'object' ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })

const Log = z.object({ changes: z.array(z.looseObject({ action: z.string(), requestId: z.string().nullable() })) })

/** Actions recorded under a request id. */
async function recorded(requestId: string): Promise<string[]> {
  const { changes } = Log.parse(await (await ask('GET', '/v1/audit?limit=20')).json())
  return changes.filter((change) => change.requestId === requestId).map(({ action }) => action)
}
