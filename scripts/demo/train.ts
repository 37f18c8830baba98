// Trains the detectors of the demo from the recorded motes, through the same feature pipeline that devices run.
//
//  v1  knows indoors only: level, deviation from and spread over the last minute. It takes the outdoor afternoon for
//      events, because no indoor reading was ever that warm and dry.
//  v2  has seen outdoors too and looks at no level: deviation and spread over the last minute and the last ten.
//  v3  answers as v2, to the bit, and takes hundreds of times as long.
//
// All take the same ten features, so that an application which asks by tensor need not know which one answers; those a
// version does not look at have weight 0.
//
// Each learns from the first 60 % of its motes' rows (both events lie there) and is judged on all rows; what is held
// out are the last 40 %, and for v1 both outdoor motes. Run this file to see the counts.

import type { TensorValue } from '@roost/shared/bundle/tensor.ts'
import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import type { FeatureDefinition, FeatureDefinitions } from '@roost/shared/features/definition.ts'
import { fitLogistic, type LogisticModel, probabilityOf } from './logistic.ts'
import { loadMotes, type Mote, type MoteRow } from './motes.ts'
import { encodeModel, floats, type Graph, intAttribute, type Node, node, type Tensor, value } from './onnx-writer.ts'

export const threshold = 0.5
const trainedShare = 0.6
/** Weak: the classes can be parted, and without it the weights would grow for ever. */
const ridge = 0.001
/** Rows of five seconds. */
const minute = 12
const tenMinutes = 120
/** 3 ms on one core of the machine this was written on, where v2 takes 0.006: far more than a busy machine adds to v2,
 *  which is what the canary's gate allows. */
const slowSteps = 20
const slowWidth = 256

/** Rows of one mote by answer and truth. `heldOut`: those the detector did not learn from. */
export type Confusion = {
  mote: number
  heldOut: boolean
  found: number
  missed: number
  falseAlarms: number
  quiet: number
}

export type TrainedModel = {
  /** The weights in the ONNX file: float32 values. */
  model: LogisticModel
  onnx: Uint8Array
  features: FeatureDefinitions
  /** The rows it learned from, mote after mote in order of time: mote_id, reading, temperature, humidity, label. */
  sampleCsv: string
  /** Inputs out of those rows, the events among them. */
  goldenInputs: Record<string, TensorValue>[]
  /** Over the training rows. */
  metrics: { recall: number; precision: number; log_loss: number }
  confusions: Confusion[]
}

export function trainDetectors(motes: Mote[] = loadMotes()): { v1: TrainedModel; v2: TrainedModel; v3: TrainedModel } {
  const indoor = motes.filter((mote) => mote.indoor)
  const v1 = trainDetector(
    motes,
    indoor,
    ({ transform, name }) => transform.kind === 'last' || name.endsWith('_minute'),
  )
  const v2 = trainDetector(motes, motes, ({ transform }) => transform.kind !== 'last')
  return { v1, v2, v3: { ...v2, onnx: encodeModel({ graph: slowDetectorGraph(v2.model) }) } }
}

function trainDetector(
  motes: Mote[],
  teachers: Mote[],
  looksAt: (feature: FeatureDefinition) => boolean,
): TrainedModel {
  const features = featureDefinitions()
  const seen = motes.map((mote) => ({ mote, inputs: inputsOf(mote, features), learned: learnedRows(mote, teachers) }))
  const lessons = seen.flatMap(({ mote, inputs, learned }) =>
    mote.rows.slice(0, learned).map((row, i) => ({ row, x: inputs[i] ?? new Float64Array() })),
  )
  const looked = features.features.map(looksAt)
  const fitted = fitLogistic(
    lessons.map(({ x }) => x.filter((_, i) => looked[i])),
    lessons.map(({ row }) => row.label),
    ridge,
  )
  const model = { weights: spreadOver(looked, fitted.weights).map(Math.fround), bias: Math.fround(fitted.bias) }
  return {
    model,
    onnx: encodeModel({ graph: detectorGraph(model) }),
    features,
    sampleCsv: csvOf(lessons.map(({ row }) => row)),
    goldenInputs: goldenInputsOf(lessons, features),
    metrics: metricsOf(model, lessons),
    confusions: seen.flatMap(({ mote, inputs, learned }) => [
      ...confusionOf(mote, inputs, model, { from: 0, to: learned, heldOut: false }),
      ...confusionOf(mote, inputs, model, { from: learned, to: mote.rows.length, heldOut: true }),
    ]),
  }
}

type Lesson = { row: MoteRow; x: Float64Array }

function featureDefinitions(): FeatureDefinitions {
  const features = ['temperature', 'humidity'].flatMap((field): FeatureDefinition[] => [
    { name: field, field, transform: { kind: 'last' } },
    { name: `${field}_off_minute`, field, transform: { kind: 'centred', rows: minute } },
    { name: `${field}_spread_minute`, field, transform: { kind: 'rolling_deviation', rows: minute } },
    { name: `${field}_off_ten_minutes`, field, transform: { kind: 'centred', rows: tenMinutes } },
    { name: `${field}_spread_ten_minutes`, field, transform: { kind: 'rolling_deviation', rows: tenMinutes } },
  ])
  return {
    key: 'mote_id',
    label: 'label',
    features,
    inputs: [{ name: 'x', features: features.map(({ name }) => name) }],
  }
}

/** The fitted weights at the places that were looked at, 0 elsewhere. */
function spreadOver(looked: readonly boolean[], weights: readonly number[]): number[] {
  const left = [...weights]
  return looked.map((isLooked) => (isLooked ? (left.shift() ?? 0) : 0))
}

/** What the model gets for each row, as the float32 values it gets. */
function inputsOf(mote: Mote, features: FeatureDefinitions): Float64Array[] {
  const pipeline = createPipeline(compileFeatures(features))
  return mote.rows.map((row) => {
    const result = pipeline.push(row)
    if (!result.ok || !result.complete) throw new Error(`mote ${row.mote_id} reading ${row.reading} is not complete`)
    return Float64Array.from(result.values, Math.fround)
  })
}

function learnedRows(mote: Mote, teachers: Mote[]): number {
  return teachers.includes(mote) ? Math.floor(mote.rows.length * trainedShare) : 0
}

function csvOf(rows: MoteRow[]): string {
  const lines = rows.map(({ mote_id, reading, temperature, humidity, label }) =>
    [mote_id, reading, temperature, humidity, label].join(','),
  )
  return `${['mote_id,reading,temperature,humidity,label', ...lines].join('\n')}\n`
}

/** Six rows spread over the events and six over the rest. */
function goldenInputsOf(lessons: Lesson[], features: FeatureDefinitions): Record<string, TensorValue>[] {
  const spread = (of: Lesson[]) => [0, 1, 2, 3, 4, 5].map((i) => of[Math.floor((i * of.length) / 6)])
  const chosen = [
    ...spread(lessons.filter(({ row }) => row.label === 0)),
    ...spread(lessons.filter(({ row }) => row.label === 1)),
  ]
  return chosen
    .filter((lesson) => lesson !== undefined)
    .map(({ x }) => ({ x: { datatype: 'FP32', shape: [1, features.features.length], data: [...x] } }))
}

function metricsOf(model: LogisticModel, lessons: Lesson[]): TrainedModel['metrics'] {
  const judged = lessons.map(({ row, x }) => ({ event: row.label === 1, probability: probabilityOf(model, x) }))
  const alarms = judged.filter(({ probability }) => probability > threshold)
  const found = alarms.filter(({ event }) => event).length
  const losses = judged.map(
    ({ event, probability }) => -Math.log(Math.max(event ? probability : 1 - probability, 1e-15)),
  )
  return {
    recall: found / judged.filter(({ event }) => event).length,
    precision: found / alarms.length,
    log_loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
  }
}

function confusionOf(
  mote: Mote,
  inputs: Float64Array[],
  model: LogisticModel,
  { from, to, heldOut }: { from: number; to: number; heldOut: boolean },
): Confusion[] {
  if (from === to) return []
  const counts = { mote: mote.id, heldOut, found: 0, missed: 0, falseAlarms: 0, quiet: 0 }
  for (const [i, row] of mote.rows.slice(from, to).entries()) {
    const alarm = probabilityOf(model, inputs[from + i] ?? new Float64Array()) > threshold
    if (row.label === 1) counts[alarm ? 'found' : 'missed'] += 1
    else counts[alarm ? 'falseAlarms' : 'quiet'] += 1
  }
  return [counts]
}

/** Input `x` [N, features] float, output `probability` [N, 1]. */
function detectorGraph(model: LogisticModel): Graph {
  const nodes = [node('Gemm', ['x', 'weights', 'bias'], ['logit']), node('Sigmoid', ['logit'], ['probability'])]
  return aroundWeights(model, nodes, [])
}

/** The same answers after a detour: a square matrix, scaled by x, goes through `slowSteps` layers of one shared weight,
 *  and what comes out is multiplied by 0 and added to the logit. onnxruntime cannot know that it is finite, so it has
 *  to be computed. */
function slowDetectorGraph(model: LogisticModel): Graph {
  const layers = Array.from({ length: slowSteps }, (_, i) => [
    node('MatMul', [`layer${i}`, 'detour'], [`sum${i + 1}`]),
    node('Tanh', [`sum${i + 1}`], [`layer${i + 1}`]),
  ]).flat()
  const nodes: Node[] = [
    node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0n)]),
    node('Mul', ['detour', 'largest'], ['layer0']),
    ...layers,
    node('ReduceMax', [`layer${slowSteps}`], ['detoured'], [intAttribute('keepdims', 0n)]),
    node('Mul', ['detoured', 'zero'], ['nothing']),
    node('Gemm', ['x', 'weights', 'bias'], ['logit']),
    node('Add', ['logit', 'nothing'], ['late_logit']),
    node('Sigmoid', ['late_logit'], ['probability']),
  ]
  const detour = floats('detour', [slowWidth, slowWidth], noise(slowWidth * slowWidth))
  return aroundWeights(model, nodes, [detour, floats('zero', [], [0])])
}

function aroundWeights({ weights, bias }: LogisticModel, nodes: Node[], initializers: Tensor[]): Graph {
  return {
    name: 'event-detector',
    node: nodes,
    initializer: [floats('weights', [weights.length, 1], weights), floats('bias', [1], [bias]), ...initializers],
    input: [value('x', 'float', ['N', weights.length])],
    output: [value('probability', 'float', ['N', 1])],
  }
}

/** Numbers between -0.05 and 0.05 that are the same every time (a linear congruential generator: Numerical Recipes). */
function noise(count: number): Float32Array {
  let state = 1
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state / 2 ** 32 - 0.5) / 10
  })
}

if (import.meta.main) {
  for (const [version, { confusions, metrics, onnx }] of Object.entries(trainDetectors())) {
    console.log(`${version}: ${onnx.length} bytes`, metrics)
    console.table(confusions)
  }
}
