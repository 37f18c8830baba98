// What is wrong with an upload is said exactly: a table of bad ones, each with its problem, and nothing left behind.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { type Score, ScoreError } from '../../../hub/registry/scoring.ts'
import { aModel, anExternalTensor, aScaleModel, node } from '../../builders/onnx.ts'
import { aHub, asStarted, readAs, type TestHub } from '../a-hub.ts'
import { aForm, aSample, doubling, post, twoFeatures, type UploadParts } from './an-upload.ts'

const tensor = (data: unknown[], shape = [1, data.length], datatype = 'FP32') => ({ datatype, shape, data })
const goldenOf = (inputs: unknown, outputs?: unknown) => ({
  vectors: [{ inputs, ...(outputs === undefined ? {} : { outputs }) }],
})
const withFeatures = (change: object) => ({ features: { ...twoFeatures, ...change } })
const feature = (name: string, kind: object, field = 'temperature') => ({ name, field, transform: kind })

type Case = {
  what: string
  parts: UploadParts
  status?: number
  code: string
  field?: string
  says?: RegExp
  members?: object
}
const cases: Case[] = [
  {
    what: 'not an ONNX file',
    parts: { model: Buffer.from('hello, this is no model at all') },
    code: 'not-onnx',
    field: 'model',
  },
  { what: 'an empty file', parts: { model: new Uint8Array() }, code: 'not-onnx', field: 'model', says: /empty/ },
  {
    what: 'a zip archive',
    parts: { model: Buffer.from('PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaa') },
    code: 'not-onnx',
    says: /zip/,
  },
  { what: 'half an ONNX file', parts: { model: aScaleModel().subarray(0, 60) }, code: 'truncated', field: 'model' },
  {
    what: 'external tensor data',
    parts: { model: aModel({ node: [node('Mul', ['x', 'weights'], ['y'])], initializer: [anExternalTensor()] }) },
    code: 'external-data',
    field: 'model',
  },
  {
    what: 'a custom operator domain',
    parts: { model: aModel({ node: [node('Magic', ['x'], ['y'], [], 'acme.ops')] }, { domains: ['acme.ops'] }) },
    code: 'custom-domain',
    field: 'model',
    says: /acme\.ops/,
  },
  {
    what: 'an unknown metadata field',
    parts: { metadata: { descripton: 'typo' } },
    code: 'unknown-field',
    field: 'metadata.descripton',
  },
  {
    what: 'an unknown field deep inside',
    parts: { metadata: withFeatures({ features: [{ ...feature('a', { kind: 'last' }), unit: 'C' }] }) },
    code: 'unknown-field',
    field: 'metadata.features.features[0].unit',
  },
  {
    what: 'a metric that is no number',
    parts: { metadata: { metrics: { accuracy: 'high' } } },
    code: 'invalid-request',
    field: 'metadata.metrics.accuracy',
  },
  {
    what: 'a task about another output',
    parts: { metadata: { task: { kind: 'binary-classification', output: 'z', threshold: 0.5 } } },
    code: 'unknown-output',
    field: 'metadata.task.output',
    says: /it has y/,
  },
  {
    what: 'a golden input of another name',
    parts: { golden: goldenOf({ z: tensor([1, 2]) }) },
    code: 'golden-mismatch',
    field: 'golden.vectors[0].inputs.z',
  },
  {
    what: 'a golden input that is missing',
    parts: { golden: goldenOf({}) },
    code: 'golden-mismatch',
    field: 'golden.vectors[0].inputs.x',
  },
  {
    what: 'a golden input of another width',
    parts: { golden: goldenOf({ x: tensor([1, 2, 3]) }) },
    code: 'golden-mismatch',
    says: /\[1, 3\].*\[-1, 2\]/,
  },
  {
    what: 'a golden input of another type',
    parts: { golden: goldenOf({ x: tensor([1, 2], [1, 2], 'INT64') }) },
    code: 'golden-mismatch',
    says: /INT64.*FP32/,
  },
  {
    what: 'a golden input that its shape belies',
    parts: { golden: goldenOf({ x: tensor([1, 2, 3], [1, 2]) }) },
    code: 'golden-mismatch',
    says: /3 elements/,
  },
  {
    what: 'a golden element that is no number',
    parts: { golden: goldenOf({ x: tensor([1, 'two']) }) },
    code: 'golden-mismatch',
    says: /element 1 is "two"/,
  },
  {
    what: 'golden outputs the model does not give',
    parts: { golden: goldenOf({ x: tensor([1, 2]) }, { y: tensor([2, 5]) }) },
    code: 'golden-outputs-differ',
    field: 'golden.vectors[0].outputs.y',
    says: /expects 5 at element 1, the model gives 4/,
  },
  {
    what: 'golden vectors of another form',
    parts: { golden: { inputs: [] } },
    code: 'invalid-request',
    field: 'golden.vectors',
  },
  {
    what: 'a feature on a column that does not exist',
    parts: {
      metadata: withFeatures({
        features: [feature('temperature', { kind: 'last' }), feature('temperature_mean', { kind: 'last' }, 'humidity')],
      }),
      sample: aSample(),
    },
    code: 'unknown-column',
    field: 'metadata.features',
    says: /"humidity".*it has mote, time, temperature/,
    members: { column: 'humidity' },
  },
  {
    what: 'a sample that knows none of the inputs',
    parts: { sample: 'a,b\n1,2\n' },
    code: 'unknown-column',
    field: 'sample',
    says: /x\[0\], x\[1\]/,
  },
  { what: 'a sample without rows', parts: { sample: 'x[0],x[1]\n' }, code: 'empty-sample', field: 'sample' },
  { what: 'a sample of nothing', parts: { sample: '' }, code: 'invalid-sample', field: 'sample' },
  {
    what: 'a sample with a ragged line',
    parts: { sample: 'x[0],x[1]\n1,2\n3\n' },
    code: 'invalid-sample',
    says: /line 3/,
  },
  {
    what: 'a JSON line that is none',
    parts: { sample: '{"x[0]":1,"x[1]":2}\n{oops\n' },
    code: 'invalid-sample',
    says: /line 2/,
  },
  {
    what: 'rows nobody can place',
    parts: { metadata: { features: twoFeatures }, sample: 'mote,time,temperature\n,,1\n,,2\n' },
    code: 'empty-sample',
    says: /none of its 2 rows/,
  },
  {
    what: 'features that do not fill the input',
    parts: { metadata: withFeatures({ inputs: [{ name: 'x', features: ['temperature'] }] }) },
    code: 'features-misfit',
    field: 'metadata.features.inputs',
    says: /\[-1, 2\]/,
  },
  {
    what: 'features for an input that is not there',
    parts: { metadata: withFeatures({ inputs: [{ name: 'z', features: ['temperature', 'temperature_mean'] }] }) },
    code: 'features-misfit',
    says: /the model has x/,
  },
  {
    what: 'a feature that is not defined',
    parts: { metadata: withFeatures({ inputs: [{ name: 'x', features: ['temperature', 'dew_point'] }] }) },
    code: 'unknown-feature',
    says: /dew_point/,
    members: { wrong: 'dew_point' },
  },
  {
    what: 'a rate without a time',
    parts: {
      metadata: {
        features: {
          features: [feature('temperature', { kind: 'last' }), feature('temperature_mean', { kind: 'rate', lag: 1 })],
          inputs: twoFeatures.inputs,
        },
      },
    },
    code: 'rate-without-time',
  },
]

async function anApp(hub: TestHub) {
  return {
    app: createApp(asStarted(hub), [registryRoutes(hub, createRegistrar(hub, doubling))]),
    ci: await hub.tokenOf('ci'),
  }
}

/** Files below blobs/, and rows of the registry: nothing of a refused upload stays. */
async function leftBehind(hub: TestHub): Promise<string[]> {
  const entries = await readdir(join(hub.folder, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

describe('a bad upload', () => {
  test.each(cases)('$what: $code', async ({ parts, status = 422, code, field, says, members }) => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const response = await post(app, ci, aForm(parts))
    const problem = await readAs(ProblemDocument, response)
    expect([response.status, problem.code]).toEqual([status, code])
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(problem).toMatchObject({
      type: `urn:roost:problem:${code}`,
      status,
      requestId: response.headers.get('x-request-id'),
      ...members,
    })
    if (field !== undefined) expect(problem.field).toBe(field)
    if (says !== undefined) expect(problem.detail).toMatch(says)
    expect(await leftBehind(hub)).toEqual([])
    const viewer = { authorization: `Bearer ${await hub.tokenOf('viewer')}` }
    expect((await app.request('/v1/models/scale', { headers: viewer })).status).toBe(404)
  })

  test('a model that does not run says why', async () => {
    await using hub = await aHub()
    // biome-ignore lint/correctness/useYield: it fails before it gives anything
    const score: Score = async function* () {
      throw new ScoreError('memory-limit', 'it wants more than 128 MiB')
    }
    const failing = createApp(asStarted(hub), [registryRoutes(hub, createRegistrar(hub, score))])
    const response = await post(failing, await hub.tokenOf('ci'), aForm())
    expect(await response.json()).toMatchObject({
      code: 'memory-limit',
      field: 'model',
      detail: 'it wants more than 128 MiB',
    })
    expect(await leftBehind(hub)).toEqual([])
  })
})

describe('a bad request', () => {
  const boundary = 'xYzZY'
  const part = (name: string, body: string, file = 'f') =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"; filename="${file}"\r\n\r\n${body}\r\n`
  const end = `--${boundary}--\r\n`
  const raw = async (hub: TestHub, body: string, contentType = `multipart/form-data; boundary=${boundary}`) => {
    const { app, ci } = await anApp(hub)
    const response = await post(app, ci, body, 'scale', { 'content-type': contentType })
    return [response.status, (await readAs(ProblemDocument, response)).code]
  }
  const model = Buffer.from(aScaleModel()).toString('latin1')

  test.each([
    ['no model', `${part('metadata', '{}')}${end}`, 422, 'missing-part'],
    ['nothing at all', '', 400, 'malformed-upload'],
    ['no end', part('model', 'abc').slice(0, -4), 400, 'malformed-upload'],
    ['an unknown part', `${part('weights', 'x')}${end}`, 422, 'unknown-part'],
    [
      'a part twice',
      `${part('metadata', '{}')}${part('metadata', '{}')}${part('model', model)}${end}`,
      422,
      'repeated-part',
    ],
    ['metadata that is no JSON', `${part('metadata', '{"a":')}${part('model', model)}${end}`, 422, 'invalid-json'],
    ['metadata that is no UTF-8', `${part('metadata', '"\xff"')}${part('model', model)}${end}`, 422, 'invalid-json'],
    [
      'more parts than there are',
      `${['a', 'b', 'c', 'd', 'e', 'f'].map((name) => part(name, '')).join('')}${end}`,
      422,
      'unknown-part',
    ],
  ])('%s: %4$s', async (_, body, status, code) => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const contentType = `multipart/form-data; boundary=${boundary}`
    const response = await post(app, ci, Buffer.from(body, 'latin1'), 'scale', { 'content-type': contentType })
    expect([response.status, (await readAs(ProblemDocument, response)).code]).toEqual([status, code])
    expect(await leftBehind(hub)).toEqual([])
  })

  test('another media type', async () => {
    await using hub = await aHub()
    expect(await raw(hub, '{}', 'application/json')).toEqual([415, 'unsupported-media-type'])
    expect(await raw(hub, end, 'multipart/form-data')).toEqual([415, 'unsupported-media-type'])
  })

  test('a name that no topic or path could carry', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    for (const name of ['Upper', 'a_b', '..', 'a%2Fb', 'x'.repeat(64)]) {
      const response = await post(app, ci, aForm(), name)
      expect([name, response.status]).toEqual([name, name === '..' ? 404 : 422])
    }
  })
})

describe('an upload over the limit', () => {
  test('is refused before it is read where it announces its size, and cut at the limit where it does not', async () => {
    await using hub = await aHub({ environment: { ROOST_UPLOAD_BYTES_MAX: '100000' } })
    const { app, ci } = await anApp(hub)
    const announced = await post(app, ci, aForm(), 'scale', { 'content-length': String(1e9) })
    expect([announced.status, await announced.json()]).toMatchObject([413, { code: 'too-large' }])

    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      start: (controller) =>
        controller.enqueue(Buffer.from('--b\r\ncontent-disposition: form-data; name="model"; filename="m"\r\n\r\n')),
      pull: (controller) => {
        sent += 65_536
        controller.enqueue(new Uint8Array(65_536))
      },
    })
    const response = await app.request('/v1/models/scale/versions', {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: { authorization: `Bearer ${ci}`, 'content-type': 'multipart/form-data; boundary=b' },
    } as RequestInit)
    expect([response.status, await response.json()]).toMatchObject([413, { code: 'too-large', field: 'model' }])
    expect(sent).toBeLessThan(1_000_000)
    expect(await leftBehind(hub)).toEqual([])
  })

  test('holds for each part', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const metadata = { description: 'x'.repeat(1_100_000) }
    expect(await (await post(app, ci, aForm({ metadata }))).json()).toMatchObject({
      code: 'too-large',
      field: 'metadata',
    })
    const golden = goldenOf({ x: tensor(Array.from({ length: 5_000_000 }, () => 1)) })
    expect(await (await post(app, ci, aForm({ golden }))).json()).toMatchObject({ code: 'too-large', field: 'golden' })
    expect(await leftBehind(hub)).toEqual([])
  })

  test('a sample of more numbers than are kept is refused', async () => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const sample = `x[0],x[1]\n${'1,2\n'.repeat(1_050_000)}`
    expect(await (await post(app, ci, aForm({ sample }))).json()).toMatchObject({
      status: 413,
      code: 'sample-too-large',
      field: 'sample',
    })
  })
})
