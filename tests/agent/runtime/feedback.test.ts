import { WindowReport } from '@roost/shared/protocol/records.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createMetricSums } from '../../../agent/runtime/monitor/metrics.ts'
import { createRecentPredictions } from '../../../agent/runtime/monitor/recent-predictions.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { type ARuntime, anInfer, aServing, aWorld, post, type World } from './a-runtime.ts'

const seed = 20261126

/** `y = 2 x`; a positive is a y whose last element is at least 1. */
const task = { kind: 'binary-classification' as const, output: 'y', threshold: 1 }

const windowOf = (runtime: ARuntime, deployment: string) =>
  runtime.checkpoint.find((window) => window.deployment === deployment)

describe('an application tells a deployment', () => {
  let world: World
  let runtime: ARuntime
  const url = (deployment: string, what: string) => `${world.url}/roost/v1/deployments/${deployment}/${what}`
  beforeAll(async () => {
    world = await aWorld()
    const model = aScaleModel()
    runtime = await aServing(world, [
      await world.bundle({ deployment: 'press', model, task }),
      await world.bundle({ deployment: 'plain', model }),
      await world.bundle({ deployment: 'names', model }),
    ])
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test('numbers of its own, which are in the checkpoint of the open window within a second', async () => {
    expect(await post(url('press', 'metrics'), { scrap_rate: 0.25, 'seconds.saved': -4 })).toMatchObject({
      status: 200,
      body: { counted: 2 },
    })
    expect((await post(url('press', 'metrics'), [{ scrap_rate: 0.5 }, { scrap_rate: 0 }])).body).toEqual({ counted: 2 })
    await expect
      .poll(() => windowOf(runtime, 'press')?.metrics)
      .toEqual({
        scrap_rate: { count: 3, sum: 0.75, sumSquares: 0.3125, min: 0, max: 0.5 },
        'seconds.saved': { count: 1, sum: -4, sumSquares: 16, min: -4, max: -4 },
      })
    const window = windowOf(runtime, 'press')
    expect(window?.counts).toEqual({ ok: 0, error: 0, refused: 0 })
    expect(WindowReport.safeParse(window).success).toBe(true)
  })

  test.each<[string, unknown]>([
    ['not a number', '{"scrap_rate": "0.2"}'],
    ['an infinite number', '{"scrap_rate": 1e999}'],
    ['a number whose square is none', '{"scrap_rate": 1e200}'],
    ['null, as JSON writes NaN', { scrap_rate: Number.NaN }],
    ['a name with a blank', { 'scrap rate': 1 }],
    ['a name of an object’s own', '{"__proto__": 1}'],
    ['no name', {}],
    ['nothing', []],
    ['too many at once', Array.from({ length: 1025 }, () => ({ a: 1 }))],
    ['no JSON', 'scrap_rate=0.02'],
  ])('is refused %s', async (_, body) => {
    const answer = await post(url('plain', 'metrics'), body)
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringMatching(/\w/) } })
    expect(windowOf(runtime, 'plain')).toBeUndefined()
  })

  test('more names than there is room for: nothing of that request counts', async () => {
    const sixteen = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`m${i}`, i]))
    expect((await post(url('names', 'metrics'), sixteen)).status).toBe(200)
    expect(await post(url('names', 'metrics'), { m0: 5, another: 1 })).toMatchObject({
      status: 409,
      body: { error: expect.stringContaining('another') },
    })
    expect((await post(url('names', 'metrics'), { m0: 7 })).status).toBe(200)
    await expect
      .poll(() => windowOf(runtime, 'names')?.metrics?.m0)
      .toEqual({ count: 2, sum: 7, sumSquares: 49, min: 0, max: 7 })
  })

  test('the true answers to what it was answered, each once', async () => {
    const infer = `${world.url}/v2/models/press/infer`
    for (const [id, value] of [
      ['hit', 3],
      ['alarm', 3],
      ['rest', 0],
      ['miss', 0],
    ] as const) {
      await post(infer, anInfer([[0, value]], { id }))
    }
    await post(
      infer,
      anInfer(
        [
          [0, 3],
          [0, 3],
        ],
        { id: 'batch' },
      ),
    )
    const labels = [
      { id: 'hit', label: true },
      { id: 'alarm', label: false },
      { id: 'rest', label: false },
      { id: 'miss', label: true },
    ]
    expect(await post(url('press', 'labels'), labels)).toMatchObject({
      status: 200,
      body: { counted: 4, unknown: [] },
    })
    await expect
      .poll(() => windowOf(runtime, 'press')?.labels)
      .toEqual({
        truePositive: 1,
        falsePositive: 1,
        trueNegative: 1,
        falseNegative: 1,
      })
    expect(await post(url('press', 'labels'), [{ id: 'batch', label: true }, ...labels])).toMatchObject({
      status: 404,
      body: { counted: 0, unknown: ['batch', 'hit', 'alarm', 'rest', 'miss'] },
    })
    expect(await post(url('press', 'labels'), { id: 'hit', label: 1 })).toMatchObject({ status: 400 })
    expect(await post(url('plain', 'labels'), { id: 'hit', label: true })).toMatchObject({ status: 409 })
    expect((await post(url('nobody', 'labels'), {})).status).toBe(404)
  })
})

describe('metric sums', () => {
  test('are those of the numbers that came, and take all of a request or nothing', () => {
    const name = fc.constantFrom(...Array.from({ length: 20 }, (_, i) => `m${i}`))
    const request = fc.array(fc.tuple(name, fc.integer({ min: -1000, max: 1000 })), { minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(fc.array(request, { maxLength: 12 }), (requests) => {
        const sums = createMetricSums()
        const known = new Set<string>()
        const taken: (readonly [string, number])[] = []
        for (const values of requests) {
          const names = new Set([...known, ...values.map(([name]) => name)])
          const surplus = sums.add(values)
          expect(surplus.length).toBe(Math.max(0, names.size - 16))
          if (surplus.length > 0) continue
          for (const name of names) known.add(name)
          taken.push(...values)
        }
        const byName = Map.groupBy(taken, ([name]) => name)
        const expected = [...byName].map(([name, pairs]) => {
          const numbers = pairs.map(([, number]) => number)
          const sum = numbers.reduce((all, one) => all + one, 0)
          const sumSquares = numbers.reduce((all, one) => all + one * one, 0)
          return [
            name,
            { count: numbers.length, sum, sumSquares, min: Math.min(...numbers), max: Math.max(...numbers) },
          ]
        })
        expect(sums.snapshot() ?? {}).toEqual(Object.fromEntries(expected))
      }),
      { seed, numRuns: 200 },
    )
  })
})

test('of predictions the newest are remembered, an id for its newest answer', () => {
  const id = fc.integer({ min: 0, max: 9 }).map(String)
  fc.assert(
    fc.property(fc.array(fc.tuple(id, fc.boolean()), { maxLength: 30 }), (answers) => {
      const recent = createRecentPredictions(4)
      for (const [id, positive] of answers) recent.remember(id, { positive })
      const newest = new Map<string, boolean>()
      for (const [id, positive] of answers.toReversed()) if (!newest.has(id)) newest.set(id, positive)
      const held = [...newest].slice(0, 4)
      for (const [id, positive] of held) expect(recent.take(id)).toEqual({ positive })
      for (const id of newest.keys()) expect(recent.take(id)).toBeUndefined()
    }),
    { seed, numRuns: 200 },
  )
})
