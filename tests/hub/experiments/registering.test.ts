// A model that a client logged becomes a version of the registry, over real HTTP: whole, once, and for good.

import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { aTrackingServer, type TrackingServer } from './a-tracking-server.ts'

let server: TrackingServer
beforeAll(async () => {
  server = await aTrackingServer()
  await server.post('registered-models/create', {
    name: 'pump',
    description: 'of the north',
    tags: [{ key: 'k', value: 'v' }],
  })
})
afterAll(() => server[Symbol.asyncDispose]())

const ModelVersion = z.looseObject({
  name: z.string(),
  version: z.string(),
  status: z.literal('READY'),
  source: z.string(),
  current_stage: z.string(),
  run_id: z.string().optional(),
  aliases: z.array(z.string()).default([]),
  tags: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
})
const Version = z.object({ model_version: ModelVersion })
const Logged = z.object({
  model: z.object({ info: z.looseObject({ model_id: z.string(), artifact_uri: z.string() }), data: z.looseObject({}) }),
})
const mlModel = (flavors = 'onnx') =>
  `flavors:\n  ${flavors}:\n    data: model.onnx\n    onnx_version: 1.23.2\n  python_function:\n    data: model.onnx\n`

const ask = (method: string, path: string, body?: Uint8Array | string | object, token = server.running.adminToken) =>
  fetch(`${server.url}/api/2.0/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: bodyOf(body) }),
  })

const bodyOf = (body: Uint8Array | string | object) => {
  if (typeof body === 'string') return body
  return body instanceof Uint8Array ? new Uint8Array(body) : JSON.stringify(body)
}

/** Logs a model as client 3.x does, and gives its id. */
async function log(factor: number, files: Record<string, Uint8Array | string> = {}) {
  const run = await server.createRun({ experiment_id: '0' })
  await server.post('runs/log-metric', { run_id: run.info.run_id, key: 'rmse', value: 0.1 + 0.2, timestamp: 1 })
  const { model } = Logged.parse(
    await server.post('logged-models', { experiment_id: '0', name: 'model', source_run_id: run.info.run_id }),
  )
  const place = model.info.artifact_uri.replace('mlflow-artifacts:/', '')
  const all = { MLmodel: mlModel(), 'model.onnx': aScaleModel({ factor }), 'requirements.txt': 'onnx', ...files }
  for (const [name, bytes] of Object.entries(all)) {
    expect((await ask('PUT', `mlflow-artifacts/artifacts/${place}/${name}`, bytes)).status).toBe(200)
  }
  return { id: model.info.model_id, place, run: run.info.run_id }
}
const register = async (id: string, fields = {}, name = 'pump') =>
  Version.parse(await server.post('model-versions/create', { name, source: `models:/${id}`, model_id: id, ...fields }))
    .model_version
const refused = (id: string, fields = {}) =>
  server.refused('model-versions/create', { name: 'pump', source: `models:/${id}`, model_id: id, ...fields })
const roost = async (version: string) => {
  const response = await fetch(`${server.url}/v1/models/pump/versions/${version}`, {
    headers: { authorization: `Bearer ${server.running.adminToken}` },
  })
  return VersionDocument.parse(await response.json())
}

describe('a logged model', () => {
  test('becomes a version like any other: signed, with its run, metrics, tags and source', async () => {
    const { id, run } = await log(2)
    const made = await register(id, { tags: [{ key: 'team', value: 'edge' }], description: 'first' })
    expect(made).toMatchObject({ name: 'pump', source: `models:/${id}`, run_id: run, current_stage: 'None' })
    const version = await roost(made.version)
    expect(version).toMatchObject({
      state: 'released',
      run,
      tags: { team: 'edge' },
      description: 'first',
      framework: 'onnx 1.23.2',
    })
    expect(version.metrics).toEqual({ rmse: 0.1 + 0.2 })
    const shown = Logged.parse(await server.get(`logged-models/${id}`))
    expect(shown.model.info).toMatchObject({
      tags: [{ key: 'mlflow.modelVersions', value: JSON.stringify([{ name: 'pump', version: Number(made.version) }]) }],
    })
  })

  test('registered again, or by eight at once, is one version', async () => {
    const { id } = await log(3)
    const made = await Promise.all(Array.from({ length: 8 }, () => register(id)))
    expect(new Set(made.map(({ version }) => version)).size).toBe(1)
    const other = await log(3)
    expect((await register(other.id)).version).toBe(made[0]?.version)
  })

  test('of a sealed model is sealed: the version keeps no file that could be downloaded', async () => {
    await server.post('registered-models/create', { name: 'secret' })
    const sealing = await fetch(`${server.url}/v1/models/secret/sealing`, {
      method: 'PUT',
      body: JSON.stringify({ sealed: true }),
      headers: { authorization: `Bearer ${server.running.adminToken}`, 'content-type': 'application/json' },
    })
    expect(sealing.status).toBe(200)
    const { id } = await log(6)
    const { version } = await register(id, {}, 'secret')
    const copy = { name: 'pump', source: `models:/secret/${version}` }
    expect(await server.refused('model-versions/create', copy)).toMatchObject([
      400,
      'INVALID_PARAMETER_VALUE',
      expect.stringContaining('sealed'),
    ])
    const uri = `model-versions/get-download-uri?name=secret&version=${version}`
    expect(await server.refused(uri, undefined)).toMatchObject([
      400,
      'INVALID_PARAMETER_VALUE',
      expect.stringContaining('sealed'),
    ])
  })

  test('stays in its version what it was, whatever happens to its files', async () => {
    const { id, place } = await log(4)
    const { version } = await register(id)
    await ask('PUT', `mlflow-artifacts/artifacts/${place}/model.onnx`, aScaleModel({ factor: 5 }))
    await ask('DELETE', `mlflow-artifacts/artifacts/${place}/MLmodel`)
    const uri = z
      .object({ artifact_uri: z.string() })
      .parse(await server.get('model-versions/get-download-uri', { name: 'pump', version }))
    expect(uri.artifact_uri).toBe(`mlflow-artifacts:/versions/pump/${version}`)
    const files = `mlflow-artifacts/artifacts/versions/pump/${version}`
    const onnx = new Uint8Array(await (await ask('GET', `${files}/model.onnx`)).arrayBuffer())
    expect(onnx).toEqual(new Uint8Array(aScaleModel({ factor: 4 })))
    expect((await ask('GET', `${files}/requirements.txt`)).status).toBe(200)
    for (const method of ['PUT', 'DELETE']) {
      expect((await ask(method, `${files}/model.onnx`, method === 'PUT' ? 'x' : undefined)).status, method).toBe(403)
    }
  })

  test.each([
    ['has no ONNX flavor', { MLmodel: mlModel('sklearn') }, 'skl2onnx'],
    ['is described by nonsense', { MLmodel: '\0\0{{' }, 'ONNX flavor'],
    ['names a file that is not there', { MLmodel: mlModel().replaceAll('model.onnx', 'other.onnx') }, 'log it anew'],
    ['names a file elsewhere', { MLmodel: mlModel().replaceAll('model.onnx', '../../x') }, 'log it anew'],
    ['is no ONNX', { 'model.onnx': 'not a model' }, ''],
  ])('that %s is refused in words', async (_, files, words) => {
    const { id } = await log(6, files)
    const [status, code, message] = await refused(id)
    expect([400, 404]).toContain(status)
    expect(['INVALID_PARAMETER_VALUE', 'RESOURCE_DOES_NOT_EXIST']).toContain(code)
    expect(message).toContain(words)
  })

  test('of another run, of no run, or elsewhere is refused', async () => {
    const { id } = await log(7)
    const other = await log(8)
    expect((await refused(id, { model_id: other.id }))[1]).toBe('INVALID_PARAMETER_VALUE')
    expect((await refused(id, { source: `models:/m-${'0'.repeat(32)}`, model_id: undefined }))[1]).toBe(
      'RESOURCE_DOES_NOT_EXIST',
    )
    for (const source of [
      's3://b/m',
      '/tmp/m',
      `runs:/${other.run}/model`,
      'models:/none/1',
      'x',
      `models:/${id}/../../x`,
    ]) {
      expect((await refused(id, { source, model_id: undefined }))[0], source).toBeLessThan(500)
    }
    expect((await refused(id, { name: 'nobody' }))[1]).toBe('RESOURCE_DOES_NOT_EXIST')
  })
})

test('a version that CI pushed can be loaded, copied and is found by MLflow clients too', async () => {
  const form = new FormData()
  form.set('model', new Blob([new Uint8Array(aScaleModel({ factor: 9 }))]))
  form.set('metadata', JSON.stringify({ tags: { by: 'ci' } }))
  const headers = { authorization: `Bearer ${server.running.adminToken}` }
  const pushed = await fetch(`${server.url}/v1/models/pushed/versions`, { method: 'POST', headers, body: form })
  expect(pushed.status).toBe(201)
  await server.get('model-versions/get-download-uri', { name: 'pushed', version: '1' })
  const files = 'mlflow-artifacts/artifacts/versions/pushed/1'
  expect(await (await ask('GET', `${files}/MLmodel`)).text()).toContain('data: model.onnx')
  expect((await ask('GET', `${files}/model.onnx`)).status).toBe(200)
  const found = await server.get('model-versions/search', { filter: "name = 'pushed' AND tags.by = 'ci'" })
  expect(z.object({ model_versions: z.array(ModelVersion) }).parse(found).model_versions).toHaveLength(1)
  await server.post('registered-models/create', { name: 'copy' })
  const copy = Version.parse(await server.post('model-versions/create', { name: 'copy', source: 'models:/pushed/1' }))
  expect(copy.model_version).toMatchObject({ name: 'copy', version: '1' })
})

test('nobody gives a version that is there files of his own by logging its weights with them', async () => {
  const form = new FormData()
  form.set('model', new Blob([new Uint8Array(aScaleModel({ factor: 12 }))]))
  form.set('metadata', '{}')
  const headers = { authorization: `Bearer ${server.running.adminToken}` }
  const pushed = await fetch(`${server.url}/v1/models/pump/versions`, { method: 'POST', headers, body: form })
  const { version } = z.object({ version: z.number() }).parse(await pushed.json())
  const { id } = await log(12, { 'code/loader.py': 'print("mine")' })
  expect((await register(id)).version).toBe(String(version))
  await server.get('model-versions/get-download-uri', { name: 'pump', version: String(version) })
  const files = `mlflow-artifacts/artifacts/versions/pump/${version}`
  expect((await ask('GET', `${files}/code/loader.py`)).status).toBe(404)
  expect((await ask('GET', `${files}/model.onnx`)).status).toBe(200)
})

test('what a client wrote into the tag that lists the versions stops no registration', async () => {
  const { id } = await log(13)
  const tags = [{ key: 'mlflow.modelVersions', value: '{nonsense' }]
  expect((await ask('PATCH', `mlflow/logged-models/${id}/tags`, { tags })).status).toBe(200)
  const { version } = await register(id)
  expect(Logged.parse(await server.get(`logged-models/${id}`)).model.info).toMatchObject({
    tags: [{ key: 'mlflow.modelVersions', value: JSON.stringify([{ name: 'pump', version: Number(version) }]) }],
  })
})

test('models, aliases, stages and tags as clients expect them', async () => {
  const { id } = await log(10)
  const { version } = await register(id)
  await server.post('registered-models/alias', { name: 'pump', alias: 'candidate', version })
  const alias = await server.get('registered-models/alias', { name: 'pump', alias: 'candidate' })
  expect(Version.parse(alias).model_version).toMatchObject({ version, aliases: ['candidate'] })
  expect((await server.refused('registered-models/alias', { name: 'pump', alias: 'v1', version }))[1]).toBe(
    'INVALID_PARAMETER_VALUE',
  )
  expect((await ask('DELETE', 'mlflow/registered-models/alias', { name: 'pump', alias: 'candidate' })).status).toBe(200)
  expect((await ask('GET', 'mlflow/registered-models/alias?name=pump&alias=candidate')).status).toBe(400)
  const moved = { name: 'pump', version, stage: 'staging', archive_existing_versions: true }
  expect(Version.parse(await server.post('model-versions/transition-stage', moved)).model_version.current_stage).toBe(
    'Staging',
  )
  const models = z.object({ registered_models: z.array(z.looseObject({ name: z.string() })) })
  const filter = "tags.k = 'v' AND tags.`mlflow.prompt.is_prompt` != 'true'"
  expect(models.parse(await server.get('registered-models/search', { filter })).registered_models).toMatchObject([
    { name: 'pump', description: 'of the north' },
  ])
  expect((await ask('DELETE', 'mlflow/model-versions/delete', { name: 'pump', version })).status).toBe(200)
  expect((await ask('GET', `mlflow/model-versions/get?name=pump&version=${version}`)).status).toBe(404)
})

test('versions that take each other’s place in production at the same instant leave one there', async () => {
  const versions: string[] = []
  for (const factor of [21, 22, 23]) versions.push((await register((await log(factor)).id)).version)
  const move = (version: string) =>
    server.post('model-versions/transition-stage', {
      name: 'pump',
      version,
      stage: 'Production',
      archive_existing_versions: true,
    })
  const held = Promise.withResolvers<void>()
  const holding = server.running.hub.database.exclusively(() => held.promise)
  const moving = versions.map(move)
  // time for all of them to stand in line
  await delay(300)
  held.resolve()
  await Promise.all([holding, ...moving])
  const stages = await Promise.all(versions.map(async (version) => (await roost(version)).stage))
  expect(stages.toSorted()).toEqual(['archived', 'archived', 'production'])
  const rows = await server.running.hub.database.all(
    z.object({ request: z.string() }),
    `SELECT request_id AS request FROM audit_log WHERE action = 'version.stage' ORDER BY seq DESC LIMIT 5`,
  )
  // what one request moves it moves at once, with nobody in between
  expect(rows.filter(({ request }, i) => request !== rows[i - 1]?.request)).toHaveLength(3)
})

test('a token for another model changes and reads nothing of this one', async () => {
  const response = await fetch(`${server.url}/v1/tokens`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.running.adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'narrow', role: 'ci', models: ['other'] }),
  })
  const { token } = z.object({ token: z.string() }).parse(await response.json())
  const { id } = await log(11)
  const { version } = await register(id)
  const asked = [
    ['POST', 'mlflow/model-versions/create', { name: 'pump', source: `models:/${id}`, model_id: id }],
    ['POST', 'mlflow/registered-models/set-tag', { name: 'pump', key: 'a', value: 'b' }],
    ['GET', `mlflow/model-versions/get?name=pump&version=${version}`, undefined],
    ['GET', `mlflow-artifacts/artifacts/versions/pump/${version}/MLmodel`, undefined],
    ['GET', `mlflow-artifacts/artifacts?path=versions/pump/${version}`, undefined],
  ] as const
  for (const [method, path, body] of asked) expect((await ask(method, path, body, token)).status, path).toBe(403)
  expect(await (await ask('GET', 'mlflow/registered-models/search', undefined, token)).json()).toEqual({})
})
