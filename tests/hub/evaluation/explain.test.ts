// Explanations of one answer: what each input adds, by a real model in the hub's scorer process.

import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Explanation } from '../../../hub/evaluation/explain.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import type { Score } from '../../../hub/registry/scoring.ts'
import { aNanModel } from '../../builders/onnx.ts'
import { aContest, aLinearModel, aSoftmaxModel, type Contest, model, problemOf } from './a-contest.ts'
import { inThisProcess } from './in-process-score.ts'

const pathOf = (version: number) => `/v1/models/${model}/versions/${version}/explanations`
const lines = Array.from({ length: 50 }, (_, i) => [i, (i * 7) % 11, 1])
const csv = ['x[0],x[1],x[2]', ...lines.map((line) => line.join(','))].join('\n')

describe('an explanation', () => {
  let contest: Contest
  let linear: number
  let score: Score = inThisProcess
  beforeAll(async () => {
    contest = await aContest({ works: false, score: (request) => score(request) })
    await contest.snapshot(csv)
    await contest.snapshot('a,b\n1,2\n')
    linear = await contest.register(aLinearModel([2, -1, 5], 3))
  })
  afterAll(() => contest[Symbol.asyncDispose]())

  test('of a linear model is what each input differs from the rows it was compared with, times its weight', async () => {
    const dataset = createHash('sha256').update(csv).digest('hex')
    const body = { dataset: 'bench/1', row: 40, task: { kind: 'regression' }, samples: 300, seed: 4 }
    score = createScorer()
    const response = await contest.request('POST', pathOf(linear), body)
    score = inThisProcess
    expect(response.status).toBe(200)
    const found = Explanation.parse(await response.json())
    expect(found).toMatchObject({ dataset, row: 40, method: 'sampled Shapley values', samples: 300, seed: 4, of: 'y' })
    const [first = 0, second = 0] = lines[40] ?? []
    expect(found.prediction).toBe(2 * first - second + 5 + 3)
    expect(found.inputs.map(({ input }) => input)).toEqual(['x[0]', 'x[1]', 'x[2]'])
    const mean = (column: number) => lines.reduce((sum, line) => sum + (line[column] ?? 0), 0) / lines.length
    const [x0, x1, x2] = found.inputs
    expect(Math.abs((x0?.value ?? 0) - 2 * (first - mean(0)))).toBeLessThan(4 * (x0?.standardError ?? 0))
    expect(Math.abs((x1?.value ?? 0) + (second - mean(1)))).toBeLessThan(4 * (x1?.standardError ?? 0))
    expect(x2).toEqual({ input: 'x[2]', given: [1], value: 0, standardError: 0 })
    const sum = found.inputs.reduce((total, { value }) => total + value, found.background.value)
    expect(sum).toBeCloseTo(found.prediction, 4)
    const again = await contest.request('POST', pathOf(linear), body)
    expect(Explanation.parse(await again.json())).toEqual(found)
  })

  test('of a class is of its probability', async () => {
    const version = await contest.register(aSoftmaxModel(3))
    const body = {
      dataset: 'bench/1',
      row: 0,
      task: { kind: 'multiclass-classification', classes: ['a', 'b', 'c'] },
      samples: 20,
    }
    const predicted = Explanation.parse(await (await contest.request('POST', pathOf(version), body)).json())
    expect(predicted).toMatchObject({ of: 'probability of c', prediction: expect.closeTo(Math.E / (2 + Math.E), 6) })
    const wanted = await contest.request('POST', pathOf(version), { ...body, class: 'a' })
    expect(Explanation.parse(await wanted.json()).of).toBe('probability of a')
    expect(await problemOf(await contest.request('POST', pathOf(version), { ...body, class: 'z' }))).toMatchObject({
      status: 422,
      code: 'unknown-class',
    })
  })

  test('that cannot be given says why', async () => {
    const nan = await contest.register(aNanModel({ width: 3 }))
    const body = { dataset: 'bench/1', row: 0, task: { kind: 'regression' }, samples: 2 }
    const refusal = async (version: number, change: object, token?: string) =>
      problemOf(await contest.request('POST', pathOf(version), { ...body, ...change }, token))
    expect(await refusal(linear, { row: 50 })).toMatchObject({
      status: 422,
      code: 'no-such-row',
      detail: /has 50 rows/,
    })
    expect(await refusal(linear, { samples: 100_000 })).toMatchObject({ status: 422, code: 'invalid-request' })
    expect(await refusal(linear, { dataset: 'bench/2' })).toMatchObject({
      status: 422,
      code: 'unknown-column',
      detail: /it has a, b/,
    })
    expect(await refusal(linear, { task: undefined })).toMatchObject({ status: 422, code: 'task-needed' })
    expect(await refusal(9, {})).toMatchObject({ status: 404 })
    expect(await refusal(linear, {}, await contest.hub.tokenOf('viewer'))).toMatchObject({ status: 403 })
    expect(await refusal(nan, { task: { kind: 'regression', element: 0 } })).toMatchObject({
      status: 422,
      code: 'not-finite',
      detail: /row 0/,
    })
  })
})
