// What each profile is said to make of a variant, and that the hub's idea of the agents' onnxruntime is the truth.

import { create, toBinary } from '@bufbuild/protobuf'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { ModelProtoSchema } from 'onnx-buf'
import { InferenceSession } from 'onnxruntime-node'
import { describe, expect, test } from 'vitest'
import { agentRuntime, estimateMemory, judgeProfiles, type Measured } from '../../../hub/registry/compatibility.ts'
import { profilesFolder, readProfiles } from '../../../hub/registry/profiles.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import { aScaleModel, node, value } from '../../builders/onnx.ts'
import { aHub } from '../a-hub.ts'
import { aRegistry } from './a-registry.ts'

const mebibyte = 1_048_576
const profile = (changes: Partial<Profile> = {}): Profile => ({
  name: 'small',
  description: '',
  memoryBytes: 128 * mebibyte,
  blobBytes: 512 * mebibyte,
  outboxBytes: mebibyte,
  speed: 0.1,
  switch: 'warm',
  probationMs: 1000,
  probationErrorShareMax: 0.1,
  ...changes,
})
type Inspection = Measured['inspection']
const measured = ({
  inspection,
  ...changes
}: Partial<Omit<Measured, 'inspection'>> & { inspection?: Partial<Inspection> }): Measured => ({
  limits: { memoryBytes: 128 * mebibyte, trialMs: 60_000, inferenceMs: 100 },
  meantFor: [],
  modelBytes: 10 * mebibyte,
  bundleBytes: 11 * mebibyte,
  tookMs: [9, 2, 3, 1, 2],
  ...changes,
  inspection: {
    irVersion: 8,
    producer: { name: '', version: '' },
    opset: 17,
    opsets: [{ domain: 'ai.onnx', version: 17 }],
    inputs: [],
    outputs: [],
    operators: [],
    nodes: 1,
    parameters: 1,
    tensorBytes: 10 * mebibyte,
    activations: { bytes: 2 * mebibyte, unknown: 0 },
    ...inspection,
  },
})
const of = (changes: Parameters<typeof measured>[0], device: Partial<Profile> = {}) =>
  judgeProfiles(measured(changes), [profile(device)]).profiles[0]

test('what fits says how much it will take: latency by the speed of the profile, memory by the formula', () => {
  expect(judgeProfiles(measured({}), [profile()])).toEqual({
    hubLatencyMs: 2,
    profiles: [{ profile: 'small', verdict: 'fits', reasons: [], memoryBytes: 30 * mebibyte, latencyMs: 20 }],
  })
  // file + weights + the larger of weights and activations
  expect(estimateMemory(measured({ inspection: { activations: { bytes: 50 * mebibyte, unknown: 0 } } }))).toBe(
    70 * mebibyte,
  )
})

test.each<[string, string, RegExp, Parameters<typeof of>]>([
  ['cannot-run', 'limits beyond what the device grants', /grants 64 MiB/, [{}, { memoryBytes: 64 * mebibyte }]],
  ['cannot-run', 'files beyond its disk', /device keeps 10 MiB/, [{}, { blobBytes: 10 * mebibyte }]],
  ['cannot-run', 'weights beyond its memory', /weights alone/, [{ inspection: { tensorBytes: 200 * mebibyte } }]],
  ['cannot-run', 'a newer opset', /opset 27/, [{ inspection: { opsets: [{ domain: 'ai.onnx', version: 27 }] } }]],
  ['cannot-run', 'a newer IR', /IR version is 14/, [{ inspection: { irVersion: 14 } }]],
  [
    'unlikely',
    'activations',
    /about 130 MiB/,
    [{ inspection: { activations: { bytes: 110 * mebibyte, unknown: 3 } } }],
  ],
  ['unlikely', 'latency', /about 110 ms, and may take 100 ms/, [{ tookMs: [11] }]],
  ['excluded', 'being for others', /is for pi/, [{ meantFor: ['pi'], inspection: { irVersion: 14 } }]],
  [
    'fits',
    'shapes that are not stated',
    /no shape for 3 values/,
    [{ inspection: { activations: { bytes: 0, unknown: 3 } } }],
  ],
  ['fits', 'no measurement', /latency is unknown: neither/, [{ tookMs: [] }]],
  ['fits', 'no speed', /latency is unknown: the profile/, [{ tookMs: [1_000_000] }, { speed: undefined }]],
])('%s by %s', (verdict, _, reason, given) => {
  const judged = of(...given)
  expect(judged?.verdict).toBe(verdict)
  expect(judged?.reasons.join()).toMatch(reason)
})

test('whatever a profile says of its speed, the verdict is what it would be without, or unlikely', () => {
  for (const speed of [0.000_001, 0.08, 1, 1000]) {
    for (const changes of [{}, { meantFor: ['pi'] }, { inspection: { irVersion: 14 } }, { tookMs: [90] }]) {
      const without = judgeProfiles(measured({ ...changes, tookMs: [] }), [profile()]).profiles[0]?.verdict
      const verdict = of(changes, { speed })?.verdict
      expect(without === 'fits' ? ['fits', 'unlikely'] : [without]).toContain(verdict)
    }
  }
})

describe('the onnxruntime of agents', () => {
  const loads = async (irVersion: number, opsets: Record<string, number>): Promise<boolean> => {
    const model = create(ModelProtoSchema, {
      irVersion: BigInt(irVersion),
      opsetImport: Object.entries(opsets).map(([domain, version]) => ({
        domain: domain === 'ai.onnx' ? '' : domain,
        version: BigInt(version),
      })),
      graph: {
        name: 'g',
        node: [node('Relu', ['x'], ['y'])],
        input: [value('x', 'float', [1])],
        output: [value('y', 'float', [1])],
      },
    })
    const loading = InferenceSession.create(toBinary(ModelProtoSchema, model), { logSeverityLevel: 4 })
    return loading.then(
      () => true,
      () => false,
    )
  }
  test('loads just what the hub believes it does', async () => {
    const { irVersion, opsets } = agentRuntime
    expect(await loads(irVersion, opsets)).toBe(true)
    expect(await loads(irVersion + 1, opsets)).toBe(false)
    for (const domain of ['ai.onnx', 'ai.onnx.ml']) {
      expect([domain, await loads(irVersion, { ...opsets, [domain]: (opsets[domain] ?? 0) + 1 })]).toEqual([
        domain,
        false,
      ])
    }
  })
})

test('every profile that comes with Roost has a speed and its file its name', async () => {
  const profiles = await readProfiles(profilesFolder)
  expect(profiles.map(({ name, speed }) => [name, speed !== undefined])).toEqual([
    ['gateway-small', true],
    ['generic-x64', true],
    ['raspberry-pi-4', true],
    ['raspberry-pi-5', true],
  ])
})

test('a version that was run shows its latency and a verdict for each profile', async () => {
  await using hub = await aHub()
  const { register } = await aRegistry(hub, createScorer())
  // several: the latency is the median, which one that the machine held up does not move
  const vector = { inputs: { x: { datatype: 'FP32', shape: [1, 2], data: [1, 2] } } }
  const golden = { vectors: Array.from({ length: 9 }, () => vector) }
  const limits = { memoryBytes: 300 * mebibyte }
  const { compatibility } = await register({ model: aScaleModel(), golden, metadata: { limits } })
  expect(compatibility.hubLatencyMs).toBeGreaterThan(0)
  expect(compatibility.profiles.map(({ profile, verdict }) => [profile, verdict])).toEqual([
    ['gateway-small', 'cannot-run'],
    ['generic-x64', 'fits'],
    ['raspberry-pi-4', 'fits'],
    ['raspberry-pi-5', 'fits'],
  ])
})
