// Logged models over real HTTP: made, filled, found, deleted.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { mlModelBytesMax, readMlModel, writeMlModel } from '../../../hub/experiments/mlflow/mlmodel.ts'
import { aTrackingServer, type TrackingServer } from './a-tracking-server.ts'

let server: TrackingServer
beforeAll(async () => {
  server = await aTrackingServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const Model = z.object({
  info: z.looseObject({
    model_id: z.string().regex(/^m-[0-9a-f]{32}$/),
    name: z.string(),
    status: z.string(),
    tags: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
  }),
  data: z.looseObject({
    params: z.array(z.object({ key: z.string(), value: z.string() })).default([]),
    metrics: z.array(z.looseObject({ key: z.string(), value: z.union([z.number(), z.string()]) })).default([]),
  }),
})
const One = z.object({ model: Model })
const Many = z.object({ models: z.array(Model).default([]), next_page_token: z.string().optional() })

const make = async (fields = {}) =>
  One.parse(await server.post('logged-models', { experiment_id: '0', ...fields })).model
const read = async (id: string) => One.parse(await server.get(`logged-models/${id}`)).model
const search = async (fields: object) => {
  const found = Many.parse(await server.post('logged-models/search', { experiment_ids: ['0'], ...fields }))
  return { names: found.models.map(({ info }) => info.name), token: found.next_page_token }
}
const ask = (method: string, path: string, body?: object) =>
  fetch(`${server.url}/api/2.0/mlflow/${path}`, {
    method,
    headers: { authorization: `Bearer ${server.running.adminToken}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

test('a logged model is pending until its files are there, and gone when it is deleted', async () => {
  const params = [{ key: 'depth', value: '3' }]
  const { info, data } = await make({ name: 'first', params, model_type: 'onnx' })
  expect(info.status).toBe('LOGGED_MODEL_PENDING')
  expect(data.params).toEqual(params)
  const id = info.model_id
  expect((await ask('PATCH', `logged-models/${id}`, { status: 'LOGGED_MODEL_READY' })).status).toBe(200)
  expect((await read(id)).info.status).toBe('LOGGED_MODEL_READY')
  expect((await ask('PATCH', `logged-models/${id}`, { status: 'DONE' })).status).toBe(400)
  await ask('PATCH', `logged-models/${id}/tags`, {
    tags: [
      { key: 'a.b', value: '1' },
      { key: 'c', value: '' },
    ],
  })
  expect((await read(id)).info.tags).toEqual([
    { key: 'a.b', value: '1' },
    { key: 'c', value: '' },
  ])
  expect((await ask('DELETE', `logged-models/${id}/tags/a.b`)).status).toBe(200)
  expect((await ask('DELETE', `logged-models/${id}/tags/a.b`)).status).toBe(404)
  expect((await ask('POST', `logged-models/${id}/params`, { params })).status).toBe(200)
  expect((await ask('POST', `logged-models/${id}/params`, { params: [{ key: 'depth', value: '4' }] })).status).toBe(400)
  expect((await ask('DELETE', `logged-models/${id}`)).status).toBe(200)
  for (const path of [`logged-models/${id}`, `logged-models/${id}/artifacts/directories`]) {
    expect((await ask('GET', path)).status).toBe(404)
  }
})

test('what it cannot be is refused', async () => {
  for (const name of ['a/b', 'a.b', 'a:b', 'a%b']) {
    expect((await server.refused('logged-models', { experiment_id: '0', name }))[1], name).toBe(
      'INVALID_PARAMETER_VALUE',
    )
  }
  expect((await server.refused('logged-models', { experiment_id: '999' }))[0]).toBe(404)
  expect(await server.refused('logged-models', {})).toMatchObject([
    400,
    'INVALID_PARAMETER_VALUE',
    "Missing value for required parameter 'experiment_id'.",
  ])
})

describe('finding them', () => {
  test('by metric on a dataset, parameter, tag and attribute, in order, page by page', async () => {
    const run = await server.createRun({ experiment_id: '0' })
    for (const [name, auc] of [
      ['low', 0.5],
      ['mid', 0.8],
      ['high', 0.1 + 0.2 + 0.65],
    ] as const) {
      const { info } = await make({ name, params: [{ key: 'kind', value: name }], tags: [{ key: 'set', value: 'x' }] })
      const metric = {
        key: 'auc',
        value: auc,
        timestamp: 1,
        step: 0,
        model_id: info.model_id,
        dataset_name: name === 'low' ? 'a' : 'b',
        dataset_digest: 'd',
      }
      await server.post('runs/log-batch', {
        run_id: run.info.run_id,
        metrics: [metric, { ...metric, key: 'bad', value: 'NaN' }],
      })
      const shown = (await read(info.model_id)).data.metrics
      expect(shown).toMatchObject([
        { key: 'auc', value: auc },
        { key: 'bad', value: 'NaN' },
      ])
    }
    const filter = "tags.set = 'x'"
    const order_by = [{ field_name: 'metrics.auc', ascending: false }]
    expect((await search({ filter, order_by })).names).toEqual(['high', 'mid', 'low'])
    expect((await search({ filter: `metrics.auc > 0.7 AND ${filter}`, order_by })).names).toEqual(['high', 'mid'])
    expect((await search({ filter: `metrics.bad > 0 AND ${filter}` })).names).toEqual([])
    expect((await search({ filter, datasets: [{ dataset_name: 'a' }] })).names).toEqual(['low'])
    expect(
      (await search({ filter: 'metrics.auc > 0', datasets: [{ dataset_name: 'b', dataset_digest: 'other' }] })).names,
    ).toEqual([])
    expect((await search({ filter: "params.kind LIKE 'm%' AND status = 'PENDING'" })).names).toEqual(['mid'])
    const first = await search({ filter, order_by, max_results: 2 })
    expect(first.names).toEqual(['high', 'mid'])
    expect((await search({ filter, order_by, max_results: 2, page_token: first.token })).names).toEqual(['low'])
  })

  test.each([
    { filter: 'metrics.auc >' },
    { filter: "colour = 'red'" },
    { filter: "name IN ('a'" },
    { order_by: [{ field_name: 'colour' }] },
    { order_by: [{ field_name: "metrics.a'; DROP TABLE logged_models; --" }], page_token: 'x' },
    { page_token: 'bm9uZQ' },
    { max_results: 0 },
    { experiment_ids: [] },
  ])('%j is refused', async (fields) => {
    expect((await server.refused('logged-models/search', { experiment_ids: ['0'], ...fields }))[1]).toBe(
      'INVALID_PARAMETER_VALUE',
    )
  })
})

describe('an MLmodel file', () => {
  test('names its flavors and the ONNX file, quoted or not', () => {
    const text =
      "artifact_path: m\nflavors:\n  onnx:\n    code: null\n    data: 'a b.onnx'\n    onnx_version: 1.23.2\n  python_function:\n    data: other\nsignature:\n  onnx:\n    data: no\n"
    expect(readMlModel(text)).toEqual({
      flavors: ['onnx', 'python_function'],
      onnxFile: 'a b.onnx',
      onnxVersion: '1.23.2',
    })
    expect(readMlModel(writeMlModel('model.onnx'))).toMatchObject({ onnxFile: 'model.onnx' })
    expect(readMlModel('flavors:\n  sklearn:\n    data: x\n').onnxFile).toBeUndefined()
  })

  test('of any text is read in the time of its length', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(' ', ':', '\n', 'a', 'flavors', "'", '\t', '-') }), (text) => {
        expect(readMlModel(text).flavors).toBeInstanceOf(Array)
      }),
      { numRuns: 1_000, seed: 5 },
    )
    for (const piece of [' ', 'a', 'a: ', ': ', "'"]) readMlModel(piece.repeat(mlModelBytesMax / piece.length))
  })
})
