// A scorer whose line is full: evaluations ask again, so many times and no more.

import { describe, expect, test } from 'vitest'
import { patientScore, triesMax } from '../../../hub/evaluation/patient-score.ts'
import { type Score, ScoreError, type ScoreRequest } from '../../../hub/registry/scoring.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { aContest, pathOf, problemOf } from './a-contest.ts'

const vector = { x: { datatype: 'FP32' as const, shape: [1, 1], data: [1] } }
const request: ScoreRequest = {
  path: '/model.onnx',
  inputs: [],
  outputs: [],
  limits: { memoryBytes: 1, inferenceMs: 1, trialMs: 1 },
  vectors: [vector, vector],
}

/** Busy so many times, then it gives its input back. */
function busyAtFirst(times: number, error: () => Error = () => new ScoreError('busy', '16 models wait')) {
  let asked = 0
  const score: Score = async function* ({ vectors }) {
    asked += 1
    if (asked <= times) throw error()
    for (const { x } of vectors) if (x !== undefined) yield { y: { ...x, data: x.data.map(() => 0.5) } }
  }
  return { score, asked: () => asked }
}

/** Pauses that take no time, and are remembered. */
function pauses() {
  const taken: number[] = []
  const pause = (ms: number) => {
    taken.push(ms)
    return Promise.resolve()
  }
  return { taken, pause }
}
const never = new AbortController().signal

describe('a patient scorer', () => {
  test('asks again while the scorer is busy, later each time, and loses no vector', async () => {
    const { score } = busyAtFirst(9)
    const { taken, pause } = pauses()
    const answers = await Array.fromAsync(patientScore(score, never, pause)(request))
    expect(answers).toHaveLength(2)
    expect(taken).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000])
  })

  test('gives up after so many tries', async () => {
    const { score, asked } = busyAtFirst(1000)
    const { taken, pause } = pauses()
    await expect(Array.fromAsync(patientScore(score, never, pause)(request))).rejects.toMatchObject({ code: 'busy' })
    expect(asked()).toBe(triesMax)
    expect(taken.reduce((sum, ms) => sum + ms)).toBe(421_750)
  })

  test('asks not again where something else is wrong', async () => {
    const { score, asked } = busyAtFirst(1, () => new ScoreError('crashed', 'gone'))
    const { pause } = pauses()
    await expect(Array.fromAsync(patientScore(score, never, pause)(request))).rejects.toMatchObject({ code: 'crashed' })
    expect(asked()).toBe(1)
  })

  test('ends with the reason of the signal, also in the middle of a pause', async () => {
    const { score, asked } = busyAtFirst(1000)
    const stop = new AbortController()
    const running = Array.fromAsync(patientScore(score, stop.signal)(request))
    stop.abort(new Error('stopped'))
    await expect(running).rejects.toThrow('stopped')
    expect(asked()).toBeLessThanOrEqual(1)
  })
})

describe('while registrations fill the line of the scorer', () => {
  const table = ['x[0],x[1],fault', ...Array.from({ length: 40 }, (_, i) => `${i},0,${i % 2}`)].join('\n')
  const task = { kind: 'binary-classification' }

  test('an evaluation succeeds all the same, and an explanation is to be asked for again', async () => {
    // of the evaluation: twice the candidate, once the champion
    const turns = ['busy', 'busy', 'candidate', 'busy', 'champion', 'busy']
    const score: Score = async function* ({ vectors }) {
      if (turns.shift() === 'busy') throw new ScoreError('busy', '16 models wait to be run; try again later')
      for (const { x } of vectors) if (x !== undefined) yield { y: { ...x, data: x.data.map(() => 0.5) } }
    }
    await using contest = await aContest({ score })
    await contest.snapshot(table)
    const champion = await contest.register(aScaleModel())
    const version = await contest.register(aScaleModel({ factor: 3 }))
    const body = { dataset: 'bench/1', label: 'fault', task, importance: false, champion }
    const found = await contest.evaluate(version, body)
    expect(found).toMatchObject({ state: 'succeeded', result: { rows: 40, champion: { version: champion } } })
    expect(turns).toEqual(['busy'])
    const path = pathOf(version).replace('evaluations', 'explanations')
    const refused = await contest.request('POST', path, { dataset: 'bench/1', row: 0, task })
    expect(refused.headers.get('retry-after')).toBe('30')
    expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'overloaded' })
  })
})
