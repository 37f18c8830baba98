// The demo's detectors: the same bytes every time, onnxruntime agrees with the training, and the story holds.

import { createHash } from 'node:crypto'
import { compileFeatures, createPipeline } from '@roost/shared/features/compile.ts'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { beforeAll, describe, expect, test } from 'vitest'
import { inspectOnnx } from '../../../hub/registry/onnx.ts'
import { loadMotes } from '../../../scripts/demo/motes.ts'
import { type Confusion, type TrainedModel, threshold, trainDetectors } from '../../../scripts/demo/train.ts'
import { inMemory } from '../../hub/registry/onnx-oracle.ts'

const motes = loadMotes()
const { v1, v2, v3 } = trainDetectors(motes)

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** The probabilities onnxruntime gives for every row of every mote, through the pipeline. */
async function probabilitiesOf({ onnx, features }: TrainedModel): Promise<Map<number, Float32Array>> {
  const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1 })
  const width = features.features.length
  const answers = motes.map(async ({ id, rows }): Promise<[number, Float32Array]> => {
    const pipeline = createPipeline(compileFeatures(features))
    const x = new Float32Array(rows.length * width)
    for (const [i, row] of rows.entries()) {
      const result = pipeline.push(row)
      if (result.ok) x.set(result.inputs[0]?.data ?? [], i * width)
    }
    const { probability } = await session.run({ x: new Tensor('float32', x, [rows.length, width]) })
    if (!(probability?.data instanceof Float32Array)) throw new Error('no probability')
    return [id, probability.data]
  })
  return new Map(await Promise.all(answers))
}

function falseAlarms(confusions: Confusion[], ...ids: number[]): number {
  return confusions.filter(({ mote }) => ids.includes(mote)).reduce((sum, counts) => sum + counts.falseAlarms, 0)
}

describe('detectors of the demo', () => {
  let answers: Record<'v1' | 'v2' | 'v3', Map<number, Float32Array>>
  beforeAll(async () => {
    answers = { v1: await probabilitiesOf(v1), v2: await probabilitiesOf(v2), v3: await probabilitiesOf(v3) }
  })

  test('are trained from 18,914 readings of four motes with two events', () => {
    expect(motes.map(({ id, indoor, rows }) => [id, indoor, rows.length])).toEqual([
      [1, true, 4417],
      [2, true, 4417],
      [3, false, 5039],
      [4, false, 5041],
    ])
    expect(motes.map(({ rows }) => rows.filter(({ label }) => label === 1).length)).toEqual([117, 0, 0, 32])
  })

  test('have the same bytes when they are trained again', () => {
    const again = trainDetectors(loadMotes())
    for (const [one, other] of [
      [v1, again.v1],
      [v2, again.v2],
      [v3, again.v3],
    ] as const) {
      expect(sha256(one.onnx)).toBe(sha256(other.onnx))
      expect(sha256(one.sampleCsv)).toBe(sha256(other.sampleCsv))
    }
    expect(new Set([v1, v2, v3].map(({ onnx }) => sha256(onnx))).size).toBe(3)
  })

  test.each(['v1', 'v2', 'v3'] as const)('%s makes the same calls in onnxruntime as in training', (version) => {
    const { confusions } = { v1, v2, v3 }[version]
    for (const { id, rows } of motes) {
      const probabilities = answers[version].get(id) ?? new Float32Array()
      const alarms = rows.filter((_, i) => (probabilities[i] ?? Number.NaN) > threshold)
      const own = confusions.filter(({ mote }) => mote === id)
      expect(own.reduce((sum, counts) => sum + counts.found, 0)).toBe(alarms.filter(({ label }) => label === 1).length)
      expect(falseAlarms(own, id)).toBe(alarms.filter(({ label }) => label === 0).length)
    }
  })

  test('v1 finds the event at home without a false alarm and cries wolf outdoors', () => {
    expect(v1.confusions.find(({ mote }) => mote === 1)).toMatchObject({ found: 117, missed: 0 })
    expect(falseAlarms(v1.confusions, 1, 2)).toBeLessThan(10)
    expect(falseAlarms(v1.confusions, 3)).toBeGreaterThan(500)
    expect(falseAlarms(v1.confusions, 4)).toBeGreaterThan(500)
  })

  test('v2 keeps the events and is quiet everywhere, also on rows it has not seen', () => {
    expect(v2.confusions.reduce((sum, { found }) => sum + found, 0)).toBeGreaterThan(140)
    expect(falseAlarms(v2.confusions, 1, 2, 3, 4)).toBeLessThan(10)
    expect(v2.confusions.filter(({ heldOut }) => heldOut).map(({ mote }) => mote)).toEqual([1, 2, 3, 4])
  })

  test('v3 answers as v2 to the last bit', () => {
    for (const { id } of motes) expect(answers.v3.get(id)).toEqual(answers.v2.get(id))
  })

  test('are ONNX files that the registry takes', async () => {
    for (const [{ onnx, features }, operators] of [
      [v1, 2],
      [v2, 2],
      [v3, 9],
    ] as const) {
      const summary = await inspectOnnx(inMemory(onnx))
      expect(summary.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, features.features.length] }])
      expect(summary.outputs).toEqual([{ name: 'probability', datatype: 'FP32', shape: [-1, 1] }])
      expect(summary.nodes).toBeGreaterThanOrEqual(operators)
    }
  })

  test('bring their training rows as CSV and golden inputs out of them', () => {
    const lines = v1.sampleCsv.trimEnd().split('\n')
    expect(lines[0]).toBe('mote_id,reading,temperature,humidity,label')
    expect(lines).toHaveLength(1 + 2 * 2650)
    expect(lines[1]).toBe('1,1,27.97,45.93,0')
    expect(v1.goldenInputs).toHaveLength(12)
    expect(v1.goldenInputs[0]?.x).toMatchObject({ datatype: 'FP32', shape: [1, 10] })
    expect(v2.sampleCsv.trimEnd().split('\n')).toHaveLength(1 + 2 * 2650 + 3023 + 3024)
  })
})
