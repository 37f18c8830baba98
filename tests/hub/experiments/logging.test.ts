// What is logged to a run, over HTTP: which point is the latest, what never changes, what is refused whole.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aTrackingServer, type Fields, type TrackingServer } from './a-tracking-server.ts'

let server: TrackingServer
beforeAll(async () => {
  server = await aTrackingServer()
})
afterAll(() => server[Symbol.asyncDispose]())

const aRun = async () => (await server.createRun()).info.run_id
const metrics = async (run: string) => (await server.readRun(run)).data.metrics
const point = (key: string, value: unknown, step = 0, timestamp = 1) => ({ key, value, timestamp, step })
const log = (run_id: string, batch: Fields) => server.post('runs/log-batch', { run_id, ...batch })
const Points = z.object({
  metrics: z
    .array(
      z.looseObject({
        key: z.string(),
        value: z.union([z.number(), z.string()]),
        step: z.number(),
        timestamp: z.number(),
      }),
    )
    .default([]),
  next_page_token: z.string().optional(),
})
const history = async (run_id: string, metric_key: string, fields = {}) =>
  Points.parse(await server.get('metrics/get-history', { run_id, metric_key, ...fields }))

describe('the latest of a metric', () => {
  test.each([
    ['the highest step, whatever came last', [point('m', 1, 5, 9), point('m', 2, 3, 99)], 1],
    ['the later time within a step', [point('m', 1, 5, 9), point('m', 2, 5, 8)], 1],
    ['the higher value at the same time', [point('m', 3, 5, 9), point('m', 2, 5, 9)], 3],
    ['the highest of negative steps', [point('m', 1, -5), point('m', 2, -9)], 1],
  ])('is %s, in one batch, in any order, and one by one', async (_, points, value) => {
    for (const batches of [
      [points],
      [points.toReversed()],
      points.map((one) => [one]),
      points.toReversed().map((one) => [one]),
    ]) {
      const run = await aRun()
      for (const batch of batches) await log(run, { metrics: batch })
      expect((await metrics(run)).map(({ value }) => value)).toEqual([value])
    }
  })
})

describe('a number', () => {
  test.each([
    ['as JSON has it', '0.1', 0.1],
    ['with the last digit', '2.2250738585072014e-308', 2.2250738585072014e-308],
    ['as big as can be', '1.7976931348623157e308', Number.MAX_VALUE],
    ['as text', '"0.30000000000000004"', 0.30000000000000004],
    ['NaN, bare as Python writes it', 'NaN', 'NaN'],
    ['NaN as text', '"NaN"', 'NaN'],
    ['Infinity, bare', 'Infinity', 'Infinity'],
    ['-Infinity as text', '"-Infinity"', '-Infinity'],
  ])('%s comes back as it was', async (_, text, value) => {
    const run = await aRun()
    // a name that only looks like a number stays
    await server.post(
      'runs/log-batch',
      `{"run_id": "${run}", "tags": [{"key": "t", "value": "NaN \\"Infinity"}],
      "metrics": [{"key": "m", "value": ${text}, "timestamp": "1700000000001", "step": "7"}]}`,
    )
    expect(await metrics(run)).toEqual([{ key: 'm', value, timestamp: 1_700_000_000_001, step: 7 }])
    expect((await history(run, 'm')).metrics).toMatchObject([{ value }])
    expect((await server.readRun(run)).data.tags).toContainEqual({ key: 't', value: 'NaN "Infinity' })
  })

  test.each([
    ['no number', point('m', 'many')],
    ['an empty text', point('m', '')],
    ['null', point('m', null)],
    ['a step with a fraction', point('m', 1, 0.5)],
    ['a step beyond what a double counts', point('m', 1, 2 ** 60)],
    ['a time before 1970', point('m', 1, 0, -1)],
    ['no time', { key: 'm', value: 1 }],
  ])('that is %s is refused', async (_, metric) => {
    const run = await aRun()
    expect((await server.refused('runs/log-batch', { run_id: run, metrics: [metric] })).slice(0, 2)).toEqual([
      400,
      'INVALID_PARAMETER_VALUE',
    ])
    expect((await server.refused('runs/log-metric', { run_id: run, ...metric })).slice(0, 2)).toEqual([
      400,
      'INVALID_PARAMETER_VALUE',
    ])
  })
})

describe('parameters', () => {
  test('never change; the same again is fine', async () => {
    const run = await aRun()
    await server.post('runs/log-parameter', { run_id: run, key: 'lr', value: '0.1' })
    await server.post('runs/log-parameter', { run_id: run, key: 'lr', value: '0.1' })
    const [status, code, message] = await server.refused('runs/log-parameter', { run_id: run, key: 'lr', value: '0.2' })
    expect([status, code]).toEqual([400, 'INVALID_PARAMETER_VALUE'])
    expect(message).toContain('Changing param values is not allowed')
    expect((await server.readRun(run)).data.params).toEqual([{ key: 'lr', value: '0.1' }])
  })

  test('that conflict leave nothing of their batch', async () => {
    const run = await aRun()
    await log(run, { params: [{ key: 'a', value: '1' }] })
    const batch = {
      run_id: run,
      params: [
        { key: 'b', value: '1' },
        { key: 'a', value: '2' },
      ],
      metrics: [point('m', 1)],
      tags: [{ key: 't', value: '1' }],
    }
    expect((await server.refused('runs/log-batch', batch))[1]).toBe('INVALID_PARAMETER_VALUE')
    const { data } = await server.readRun(run)
    expect([data.metrics, data.params, data.tags.map(({ key }) => key)]).toEqual([
      [],
      [{ key: 'a', value: '1' }],
      ['mlflow.runName'],
    ])
    const twice = [
      { key: 'c', value: '1' },
      { key: 'c', value: '1' },
    ]
    expect((await server.refused('runs/log-batch', { run_id: run, params: twice }))[1]).toBe('INVALID_PARAMETER_VALUE')
  })

  test('set by several at once have one value', async () => {
    const run = await aRun()
    const answers = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) =>
        server.post('runs/log-parameter', { run_id: run, key: 'p', value: String(i) }),
      ),
    )
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})

describe('tags', () => {
  test('take the last word, and go', async () => {
    const run = await aRun()
    await log(run, {
      tags: [
        { key: 't', value: '1' },
        { key: 't', value: '2' },
      ],
    })
    const tags = async () => (await server.readRun(run)).data.tags.filter(({ key }) => key === 't')
    expect(await tags()).toEqual([{ key: 't', value: '2' }])
    await server.post('runs/delete-tag', { run_id: run, key: 't' })
    expect(await tags()).toEqual([])
    expect((await server.refused('runs/delete-tag', { run_id: run, key: 't' })).slice(0, 2)).toEqual([
      404,
      'RESOURCE_DOES_NOT_EXIST',
    ])
  })
})

describe('a batch', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: '1' }))
  test.each([
    ['1,001 metrics', { metrics: Array.from({ length: 1_001 }, (_, i) => point('m', i, i)) }],
    ['101 parameters', { params: many(101) }],
    ['101 tags', { tags: many(101) }],
    ['1,001 of all', { metrics: Array.from({ length: 901 }, (_, i) => point('m', i, i)), params: many(100) }],
    ['a long key', { params: [{ key: 'x'.repeat(251), value: '' }] }],
    ['a long parameter', { params: [{ key: 'x', value: 'x'.repeat(6_001) }] }],
    ['a long tag', { tags: [{ key: 'x', value: 'x'.repeat(8_001) }] }],
    ['an empty key', { tags: [{ key: '', value: 'x' }] }],
    ['a key with a quote', { metrics: [point("a'b", 1)] }],
    ['a key that climbs', { metrics: [point('../a', 1)] }],
    ['a key that climbs within', { metrics: [point('a/../b', 1)] }],
    ['an absolute key', { params: [{ key: '/etc', value: '' }] }],
    ['a key that ends in a slash', { params: [{ key: 'a/', value: '' }] }],
    ['a model that is not there', { metrics: [{ ...point('m', 1), model_id: 'm-none' }] }],
  ])('of %s is refused whole', async (_, batch) => {
    const run = await aRun()
    const [status] = await server.refused('runs/log-batch', { run_id: run, ...batch })
    expect([400, 404]).toContain(status)
    const { data } = await server.readRun(run)
    expect([data.metrics, data.params]).toEqual([[], []])
  })

  test('as full as it may be is kept whole, and twice it is one', async () => {
    const run = await aRun()
    const batch = {
      metrics: Array.from({ length: 800 }, (_, i) => point(`loss/part ${i % 7}:ü`, i / 3, i)),
      params: many(100),
      tags: many(100),
    }
    for (let twice = 0; twice < 2; twice++) await log(run, batch)
    const { data } = await server.readRun(run)
    expect([data.metrics.length, data.params.length, data.tags.length]).toEqual([7, 100, 101])
    const points = (await history(run, 'loss/part 0:ü')).metrics
    expect(points.map(({ value }) => value)).toEqual(
      batch.metrics.filter((_, i) => i % 7 === 0).map(({ value }) => value),
    )
  })

  test('of many clients at once loses nothing', async () => {
    const run = await aRun()
    await Promise.all(
      Array.from({ length: 20 }, (_, c) =>
        log(run, { metrics: Array.from({ length: 50 }, (_, i) => point(`c${c}`, i, i)) }),
      ),
    )
    expect((await metrics(run)).map(({ value }) => value)).toEqual(Array.from({ length: 20 }, () => 49))
  })
})

describe('a history', () => {
  test('comes in order of time, in pages that neither repeat nor miss, though more is logged meanwhile', async () => {
    const run = await aRun()
    await log(run, { metrics: Array.from({ length: 25 }, (_, i) => point('m', i, 100 - i, i)) })
    const seen: unknown[] = []
    for (let page_token: string | undefined = ''; page_token !== undefined; ) {
      const page: z.infer<typeof Points> = await history(run, 'm', { max_results: '10', page_token })
      seen.push(...page.metrics.map(({ value }) => value))
      page_token = page.next_page_token
      await log(run, { metrics: [point('m', -1, 500 + seen.length, 0)] })
    }
    expect(seen).toEqual(Array.from({ length: 25 }, (_, i) => i))
    expect(await history(run, 'none')).toEqual({ metrics: [] })
    expect((await server.refused(`metrics/get-history?run_id=${run}&metric_key=m&page_token=x`, undefined))[1]).toBe(
      'INVALID_PARAMETER_VALUE',
    )
  })

  test('of several runs is thinned out evenly, with both ends, within steps', async () => {
    const runs = [await aRun(), await aRun()]
    for (const run of runs) await log(run, { metrics: Array.from({ length: 101 }, (_, i) => point('m', i, i)) })
    const interval = (fields: Record<string, string>) =>
      server.get('metrics/get-history-bulk-interval', { run_ids: runs, metric_key: 'm', ...fields })
    const steps = (answer: unknown) =>
      Points.parse(answer).metrics.map(({ run_id, step }) => [runs.indexOf(String(run_id)), step])
    expect(steps(await interval({ max_results: '3' }))).toEqual([
      [0, 0],
      [0, 50],
      [0, 100],
      [1, 0],
      [1, 50],
      [1, 100],
    ])
    expect(steps(await interval({ max_results: '2', start_step: '10', end_step: '20' }))).toEqual([
      [0, 10],
      [0, 20],
      [1, 10],
      [1, 20],
    ])
    const whole = Points.parse(
      await server.get('metrics/get-history-bulk', { run_id: runs, metric_key: 'm', max_results: '150' }),
    )
    expect(whole.metrics).toHaveLength(150)
    for (const query of [
      'metric_key=m',
      'run_ids=x',
      `run_ids=${runs[0]}&metric_key=m&start_step=3`,
      `run_ids=${runs[0]}&metric_key=m&start_step=3&end_step=2`,
    ]) {
      expect((await server.refused(`metrics/get-history-bulk-interval?${query}`, undefined))[0], query).toBe(400)
    }
  })
})
