// Experiments and runs as MLflow's client knows them, over HTTP: what is kept, what is refused, and in which words.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aTrackingServer, type TrackingServer } from './a-tracking-server.ts'

let server: TrackingServer
beforeAll(async () => {
  server = await aTrackingServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const Experiment = z.object({
  experiment: z.looseObject({
    experiment_id: z.string(),
    name: z.string(),
    artifact_location: z.string(),
    lifecycle_stage: z.string(),
    creation_time: z.number(),
    last_update_time: z.number(),
    tags: z.array(z.object({ key: z.string(), value: z.string() })).optional(),
  }),
})
const Created = z.object({ experiment_id: z.string() })
const Experiments = z.object({
  experiments: z.array(z.looseObject({ name: z.string() })).default([]),
  next_page_token: z.string().optional(),
})
const create = async (name: string, fields = {}) =>
  Created.parse(await server.post('experiments/create', { name, ...fields })).experiment_id
const experiment = async (id: string) =>
  Experiment.parse(await server.get('experiments/get', { experiment_id: id })).experiment
const search = async (fields: Record<string, unknown>) =>
  Experiments.parse(await server.post('experiments/search', fields))
const names = async (fields: Record<string, unknown>) => (await search(fields)).experiments.map(({ name }) => name)

describe('the server', () => {
  test('says what it is without a token, and what it offers with one', async () => {
    expect(await (await fetch(`${server.url}/health`)).text()).toBe('OK')
    const version = await (await fetch(`${server.url}/version`)).text()
    expect(Number.parseInt(version, 10)).toBeGreaterThanOrEqual(3)
    const info = `${server.url}/ajax-api/3.0/mlflow/server-info`
    expect((await fetch(info)).status).toBe(401)
    const password = Buffer.from(`anybody:${server.running.adminToken}`).toString('base64')
    const answer = await fetch(info, { headers: { authorization: `Basic ${password}` } })
    expect(await answer.json()).toMatchObject({ multipart_uploads_enabled: false, workspaces_enabled: false })
  })

  test('says in its own word that there is no such endpoint, also for another method', async () => {
    expect(await server.refused('traces/nothing', {})).toEqual([404, 'ENDPOINT_NOT_FOUND', expect.any(String)])
    expect((await server.refused('runs/create', undefined))[1]).toBe('ENDPOINT_NOT_FOUND')
  })

  test.each([
    ['no token', undefined, 401, 'UNAUTHENTICATED'],
    ['a token of ours that is none', 'Bearer roost_nothing', 401, 'UNAUTHENTICATED'],
    ['a wrong password', `Basic ${Buffer.from('me:secret').toString('base64')}`, 401, 'UNAUTHENTICATED'],
  ])('refuses %s as MLflow would', async (_, authorization, status, code) => {
    const headers = authorization === undefined ? {} : { authorization }
    const response = await fetch(`${server.url}/api/2.0/mlflow/runs/get?run_id=x`, { headers })
    expect([response.status, await response.json()]).toEqual([
      status,
      { error_code: code, message: expect.any(String) },
    ])
  })

  test.each([
    ['no JSON', '{"name":', 400, 'BAD_REQUEST'],
    ['a list', '[]', 400, 'BAD_REQUEST'],
    ['a string that never ends', `{"name": "${'\\"'.repeat(50_000)}NaN`, 400, 'BAD_REQUEST'],
    ['invalid Unicode', '{"name": "\\ud800"}', 400, 'INVALID_PARAMETER_VALUE'],
    ['a NUL', '{"name": "a\\u0000b"}', 400, 'INVALID_PARAMETER_VALUE'],
  ])('refuses %s', async (_, body, status, code) => {
    expect((await server.refused('experiments/create', body)).slice(0, 2)).toEqual([status, code])
  })

  test('refuses a body over the limit', async () => {
    const response = await fetch(`${server.url}/api/2.0/mlflow/experiments/create`, {
      method: 'POST',
      // the rest of the body is not read: nothing else can travel on this connection
      headers: { authorization: `Bearer ${server.running.adminToken}`, connection: 'close' },
      body: JSON.stringify({ name: 'x'.repeat(2_000_000) }),
    })
    expect([response.status, await response.json()]).toMatchObject([413, { error_code: 'INVALID_PARAMETER_VALUE' }])
  })

  test('names a missing field in the words people match', async () => {
    const [, , message] = await server.refused('experiments/create', {})
    expect(message).toBe("Missing value for required parameter 'name'.")
    expect((await server.refused('runs/get', undefined))[2]).toBe("Missing value for required parameter 'run_id'.")
  })
})

describe('experiments', () => {
  test('the default one is there', async () => {
    expect(await experiment('0')).toMatchObject({ name: 'Default', artifact_location: 'mlflow-artifacts:/0' })
  })

  test('are made once, found by id and name, and ignore fields they do not know', async () => {
    const id = await create('one', { tags: [{ key: 'team', value: 'edge' }], unknown_field: { a: 1 } })
    const found = await experiment(id)
    expect(found).toMatchObject({
      name: 'one',
      lifecycle_stage: 'active',
      artifact_location: `mlflow-artifacts:/${id}`,
    })
    expect(found.tags).toEqual([{ key: 'team', value: 'edge' }])
    expect(await server.get('experiments/get-by-name', { experiment_name: 'one' })).toEqual({ experiment: found })
    expect(await server.refused('experiments/create', { name: 'one' })).toEqual([
      400,
      'RESOURCE_ALREADY_EXISTS',
      expect.stringContaining('already exists'),
    ])
    expect((await server.refused('experiments/get-by-name?experiment_name=none', undefined)).slice(0, 2)).toEqual([
      404,
      'RESOURCE_DOES_NOT_EXIST',
    ])
    expect((await server.refused('experiments/get?experiment_id=999', undefined))[1]).toBe('RESOURCE_DOES_NOT_EXIST')
  })

  test('of one name made at the same time are one', async () => {
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => create('race')))
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  test('take their runs along when they are deleted and restored, and keep their name', async () => {
    const id = await create('mortal')
    const run = await server.createRun({ experiment_id: id })
    const own = await server.createRun({ experiment_id: id })
    await server.post('runs/delete', { run_id: own.info.run_id })
    await server.post('experiments/delete', { experiment_id: id })
    expect((await experiment(id)).lifecycle_stage).toBe('deleted')
    expect((await server.readRun(run.info.run_id)).info.lifecycle_stage).toBe('deleted')
    expect((await server.refused('experiments/create', { name: 'mortal' }))[1]).toBe('RESOURCE_ALREADY_EXISTS')
    expect((await server.refused('runs/create', { experiment_id: id })).slice(0, 2)).toEqual([
      400,
      'INVALID_PARAMETER_VALUE',
    ])
    const point = { run_id: run.info.run_id, key: 'a', value: 1, timestamp: 1 }
    expect((await server.refused('runs/log-metric', point)).slice(0, 2)).toEqual([400, 'INVALID_PARAMETER_VALUE'])
    expect((await server.refused('experiments/delete', { experiment_id: id }))[0]).toBe(404)
    await server.post('experiments/restore', { experiment_id: id })
    expect((await server.readRun(run.info.run_id)).info.lifecycle_stage).toBe('active')
    // it had been deleted on its own
    expect((await server.readRun(own.info.run_id)).info.lifecycle_stage).toBe('active')
    await server.post('runs/log-metric', { ...point, run_id: own.info.run_id })
  })

  test('are renamed, but not onto each other, and tagged', async () => {
    const id = await create('old name')
    await server.post('experiments/update', { experiment_id: id, new_name: 'new name' })
    expect((await server.refused('experiments/update', { experiment_id: id, new_name: 'one' }))[1]).toBe(
      'RESOURCE_ALREADY_EXISTS',
    )
    for (const value of ['1', '2'])
      await server.post('experiments/set-experiment-tag', { experiment_id: id, key: 'k', value })
    expect((await experiment(id)).tags).toEqual([{ key: 'k', value: '2' }])
    await server.post('experiments/delete-experiment-tag', { experiment_id: id, key: 'k' })
    expect((await server.refused('experiments/delete-experiment-tag', { experiment_id: id, key: 'k' }))[0]).toBe(404)
  })

  test('have so many tags and no more', async () => {
    const id = await create('tagged', { tags: Array.from({ length: 1_000 }, (_, i) => ({ key: `k${i}`, value: '' })) })
    const tag = (key: string) => ({ experiment_id: id, key, value: 'v' })
    expect((await server.refused('experiments/set-experiment-tag', tag('more')))[1]).toBe('INVALID_PARAMETER_VALUE')
    await server.post('experiments/set-experiment-tag', tag('k7'))
    await server.post('experiments/delete-experiment-tag', tag('k8'))
    await server.post('experiments/set-experiment-tag', tag('more'))
    expect((await experiment(id)).tags).toHaveLength(1_000)
  })

  test('are searched by name, tag and time, in order and in pages, by POST and GET', async () => {
    for (const n of [1, 2, 3]) await create(`page-${n}`, { tags: [{ key: 'n', value: String(n) }] })
    expect(await names({ filter: "name LIKE 'page-%'", order_by: ['name ASC'] })).toEqual([
      'page-1',
      'page-2',
      'page-3',
    ])
    expect(await names({ filter: "name ILIKE 'PAGE-%' AND tags.n != '2'", order_by: ['name DESC'] })).toEqual([
      'page-3',
      'page-1',
    ])
    expect(await names({ filter: "name LIKE 'PAGE-%'" })).toEqual([])
    expect(await names({ filter: "name LIKE 'page-%' AND creation_time > 0" })).toEqual(['page-3', 'page-2', 'page-1'])
    const seen: string[] = []
    for (let token: string | undefined = ''; token !== undefined; ) {
      const page: z.infer<typeof Experiments> = await search({
        filter: "name LIKE 'page-%'",
        max_results: 1,
        page_token: token,
      })
      seen.push(...page.experiments.map(({ name }) => name))
      token = page.next_page_token
    }
    expect(seen).toEqual(['page-3', 'page-2', 'page-1'])
    const got = await server.get('experiments/search', {
      filter: "name = 'page-1'",
      order_by: ['name', 'experiment_id DESC'],
    })
    expect(Experiments.parse(got).experiments).toHaveLength(1)
    expect((await server.refused('experiments/search', { max_results: 0 }))[1]).toBe('INVALID_PARAMETER_VALUE')
    expect((await server.refused('experiments/search', { filter: 'metrics.a > 1' }))[1]).toBe('INVALID_PARAMETER_VALUE')
  })
})

describe('runs', () => {
  test('begin with a name of their own, kept in the tag too', async () => {
    const run = await server.createRun({ start_time: '1700000000000', tags: [{ key: 'mlflow.user', value: 'me' }] })
    expect(run.info).toMatchObject({
      status: 'RUNNING',
      experiment_id: '0',
      lifecycle_stage: 'active',
      start_time: 1.7e12,
    })
    expect(run.info.run_id).toMatch(/^[0-9a-f]{32}$/)
    expect(run.info.run_uuid).toBe(run.info.run_id)
    expect(run.info.artifact_uri).toBe(`mlflow-artifacts:/0/${run.info.run_id}/artifacts`)
    expect(run.data.tags).toContainEqual({ key: 'mlflow.runName', value: run.info.run_name })
    expect((await server.createRun()).info.start_time).toBe(0)
    expect((await server.createRun({ tags: [{ key: 'mlflow.runName', value: 'tagged' }] })).info.run_name).toBe(
      'tagged',
    )
    const twoNames = { run_name: 'a', tags: [{ key: 'mlflow.runName', value: 'b' }] }
    expect((await server.refused('runs/create', twoNames))[1]).toBe('INVALID_PARAMETER_VALUE')
    expect((await server.refused('runs/create', { experiment_id: '4711' }))[1]).toBe('RESOURCE_DOES_NOT_EXIST')
  })

  test('end, and are renamed by update or by tag', async () => {
    const { info } = await server.createRun({ run_name: 'first' })
    await server.post('runs/update', { run_id: info.run_id, status: 'FINISHED', end_time: 5, run_name: 'second' })
    let run = await server.readRun(info.run_id)
    expect(run.info).toMatchObject({ status: 'FINISHED', end_time: 5, run_name: 'second' })
    expect(run.data.tags).toEqual([{ key: 'mlflow.runName', value: 'second' }])
    await server.post('runs/set-tag', { run_uuid: info.run_id, key: 'mlflow.runName', value: 'third' })
    run = await server.readRun(info.run_id)
    expect(run.info).toMatchObject({ run_name: 'third', status: 'FINISHED', end_time: 5 })
  })

  test('deleted take nothing more until they are restored', async () => {
    const { info } = await server.createRun()
    const id = { run_id: info.run_id }
    await server.post('runs/delete', id)
    for (const [path, fields] of [
      ['runs/log-metric', { key: 'a', value: 1, timestamp: 1 }],
      ['runs/log-parameter', { key: 'a', value: '1' }],
      ['runs/set-tag', { key: 'a', value: '1' }],
      ['runs/log-batch', {}],
      ['runs/update', { status: 'FAILED' }],
      ['runs/log-inputs', {}],
      ['runs/outputs', {}],
    ] as const) {
      expect((await server.refused(path, { ...id, ...fields })).slice(0, 2), path).toEqual([
        400,
        'INVALID_PARAMETER_VALUE',
      ])
    }
    await server.post('runs/restore', id)
    await server.post('runs/log-metric', { ...id, key: 'a', value: 1, timestamp: 1 })
    expect((await server.refused('runs/delete', { run_id: 'none' }))[1]).toBe('RESOURCE_DOES_NOT_EXIST')
  })

  test('remember the data they were fed with, the first word of each, and models in and out', async () => {
    const { info } = await server.createRun()
    const dataset = { name: 'iris', digest: 'd1', source_type: 'local', source: '{}', schema: '{"a":1}' }
    const tags = [{ key: 'mlflow.data.context', value: 'training' }]
    for (const source of ['first', 'second']) {
      await server.post('runs/log-inputs', {
        run_id: info.run_id,
        datasets: [{ tags, dataset: { ...dataset, source } }],
        models: [{ model_id: 'm-1' }],
      })
    }
    await server.post('runs/outputs', { run_id: info.run_id, models: [{ model_id: 'm-2', step: '3' }] })
    const run = await server.readRun(info.run_id)
    expect(run.inputs).toEqual({
      dataset_inputs: [{ tags, dataset: { ...dataset, source: 'first' } }],
      model_inputs: [{ model_id: 'm-1' }],
    })
    expect(run.outputs).toEqual({ model_outputs: [{ model_id: 'm-2', step: 3 }] })
  })

  test('collect the models that clients before 3.0 log', async () => {
    const { info } = await server.createRun()
    const model = {
      run_id: info.run_id,
      artifact_path: 'model',
      utc_time_created: 'now',
      flavors: { onnx: {} },
      more: 1,
    }
    for (const path of ['a', 'b']) {
      await server.post('runs/log-model', {
        run_id: info.run_id,
        model_json: JSON.stringify({ ...model, artifact_path: path }),
      })
    }
    const tag = (await server.readRun(info.run_id)).data.tags.find(({ key }) => key === 'mlflow.log-model.history')
    expect(JSON.parse(tag?.value ?? '')).toMatchObject([{ artifact_path: 'a' }, { artifact_path: 'b' }])
    for (const model_json of ['{', '{}', '[1]']) {
      expect((await server.refused('runs/log-model', { run_id: info.run_id, model_json }))[1]).toBe(
        'INVALID_PARAMETER_VALUE',
      )
    }
  })
})
