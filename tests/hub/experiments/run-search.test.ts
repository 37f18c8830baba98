// Searching runs over HTTP, against a search that looks at every run: the same runs, in the same order, on pages that
// neither repeat nor miss.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aTrackingServer, Run, type TrackingServer } from './a-tracking-server.ts'

const seed = Number(process.env.FC_SEED ?? 20261125)
const Page = z.object({ runs: z.array(Run).default([]), next_page_token: z.string().optional() })

type Known = {
  id: string
  name: string
  start: number
  status: string
  metrics: Map<string, number>
  params: Map<string, string>
  dataset: string | undefined
}

let server: TrackingServer
const experiments: string[] = []
const known: Known[] = []

const metricValues = [-1, 0, 0.1, 0.5, 2, Number.NaN, Infinity, -Infinity]
const paramValues = ['', 'a', 'A', 'ab', '%', 'x'.repeat(300), "it's", '[ab]', 'ü']

beforeAll(async () => {
  server = await aTrackingServer()
  for (const name of ['one', 'two']) {
    experiments.push(
      z.object({ experiment_id: z.string() }).parse(await server.post('experiments/create', { name })).experiment_id,
    )
  }
  const random = fc.sample(
    fc.record({
      start: fc.integer({ min: 0, max: 3 }),
      acc: fc.option(fc.constantFrom(...metricValues)),
      loss: fc.option(fc.constantFrom(...metricValues)),
      p: fc.option(fc.constantFrom(...paramValues)),
      dataset: fc.option(fc.constantFrom('iris', 'mnist')),
      status: fc.constantFrom('FINISHED', 'FAILED'),
    }),
    { seed, numRuns: 60 },
  )
  for (const [i, { start, acc, loss, p, dataset, status }] of random.entries()) {
    const experiment_id = experiments[i % 2]
    const { info } = await server.createRun({ experiment_id, start_time: start, run_name: `run ${i}` })
    const metrics = new Map(
      [
        ['acc', acc],
        ['val/loss', loss],
      ].flatMap(([key, value]) => (value === null ? [] : [[String(key), Number(value)] as const])),
    )
    const params = new Map(p === null ? [] : [['p', p]])
    await server.post('runs/log-batch', {
      run_id: info.run_id,
      metrics: [...metrics].map(([key, value]) => ({ key, value: String(value), timestamp: 1, step: 0 })),
      params: [...params].map(([key, value]) => ({ key, value })),
    })
    if (dataset !== null) {
      const input = {
        dataset: { name: dataset, digest: 'd', source_type: 'local', source: '' },
        tags: [{ key: 'mlflow.data.context', value: 'train' }],
      }
      await server.post('runs/log-inputs', { run_id: info.run_id, datasets: [input] })
    }
    await server.post('runs/update', { run_id: info.run_id, status })
    known.push({ id: info.run_id, name: info.run_name, start, status, metrics, params, dataset: dataset ?? undefined })
  }
})
afterAll(() => server[Symbol.asyncDispose]())

const search = async (fields: Record<string, unknown>) =>
  Page.parse(await server.post('runs/search', { experiment_ids: experiments, ...fields }))
const idsOf = async (fields: Record<string, unknown>) => (await search(fields)).runs.map(({ info }) => info.run_id)

/** All pages of that size. */
async function paged(fields: Record<string, unknown>, max_results: number): Promise<string[]> {
  const ids: string[] = []
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page: z.infer<typeof Page> = await search({ ...fields, max_results, page_token: token })
    expect(page.runs.length).toBeLessThanOrEqual(max_results)
    ids.push(...page.runs.map(({ info }) => info.run_id))
    token = page.next_page_token
  }
  return ids
}

type Condition = { text: string; holds: (run: Known) => boolean }
const compare: Record<string, (a: number, b: number) => boolean> = {
  '=': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
}
const onMetric = fc
  .tuple(
    fc.constantFrom('acc', 'val/loss'),
    fc.constantFrom(...Object.keys(compare)),
    fc.constantFrom(-1, 0, 0.1, 0.5, 2, Infinity),
  )
  .map(
    ([key, operator, value]): Condition => ({
      text: `metrics."${key}" ${operator} ${value === Infinity ? '1e999' : value}`,
      holds: ({ metrics }) => {
        const own = metrics.get(key)
        return own !== undefined && (compare[operator]?.(own, value) ?? false)
      },
    }),
  )
const likes = (pattern: string, flags: string) =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
      .replaceAll('%', '.*')
      .replaceAll('_', '.')}$`,
    `su${flags}`,
  )
const onParam = fc
  .tuple(fc.constantFrom('=', '!=', 'LIKE', 'ILIKE'), fc.constantFrom(...paramValues, 'a%', '%b', '_', '[%', '%x%'))
  .map(
    ([operator, value]): Condition => ({
      text: `params.p ${operator} '${value.replaceAll("'", "''")}'`,
      holds: ({ params }) => {
        const own = params.get('p')
        if (own === undefined) return false
        if (operator === '=') return own === value
        if (operator === '!=') return own !== value
        return likes(value, operator === 'ILIKE' ? 'i' : '').test(own)
      },
    }),
  )
const others = fc.constantFrom<Condition>(
  { text: "status = 'FAILED'", holds: ({ status }) => status === 'FAILED' },
  { text: 'start_time >= 2', holds: ({ start }) => start >= 2 },
  { text: "dataset.name = 'iris'", holds: ({ dataset }) => dataset === 'iris' },
  { text: "dataset.context != 'test'", holds: ({ dataset }) => dataset !== undefined },
  { text: 'params.p IS NULL', holds: ({ params }) => !params.has('p') },
  { text: 'params.p IS NOT NULL', holds: ({ params }) => params.has('p') },
  { text: "tags.mlflow.runName LIKE 'run 1%'", holds: ({ name }) => name.startsWith('run 1') },
)
const conditions = fc.array(fc.oneof(onMetric, onParam, others), { maxLength: 3 })

type Sort = { text: string; rank: (run: Known) => number; value: (run: Known) => number | string; descending: boolean }
const sorts = fc.array(
  fc.tuple(fc.constantFrom('acc', 'p', 'start'), fc.boolean()).map(([by, descending]): Sort => {
    const direction = descending ? 'DESC' : 'ASC'
    if (by === 'start')
      return { text: `start_time ${direction}`, rank: () => 0, value: ({ start }) => start, descending }
    if (by === 'p') {
      return {
        text: `params.p ${direction}`,
        rank: ({ params }) => (params.has('p') ? 0 : 1),
        value: ({ params }) => params.get('p') ?? '',
        descending,
      }
    }
    return {
      text: `metrics.acc ${direction}`,
      rank: ({ metrics }) => (metrics.has('acc') ? (Number.isNaN(metrics.get('acc')) ? 1 : 0) : 2),
      value: ({ metrics }) => metrics.get('acc') || 0,
      descending,
    }
  }),
  { maxLength: 2 },
)

const order = (a: number | string, b: number | string): number =>
  typeof a === 'string' || typeof b === 'string'
    ? Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)))
    : a < b
      ? -1
      : a > b
        ? 1
        : 0

function expected(filters: readonly Condition[], by: readonly Sort[]): string[] {
  return known
    .filter((run) => filters.every(({ holds }) => holds(run)))
    .sort((a, b) => {
      for (const { rank, value, descending } of by) {
        const found = rank(a) - rank(b) || (descending ? -1 : 1) * order(value(a), value(b))
        if (found !== 0) return found
      }
      return b.start - a.start || order(a.id, b.id)
    })
    .map(({ id }) => id)
}

test(`finds what looking at every run finds, in that order, on pages of any size (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(conditions, sorts, fc.integer({ min: 1, max: 70 }), async (filters, by, size) => {
      const fields = { filter: filters.map(({ text }) => text).join(' AND '), order_by: by.map(({ text }) => text) }
      expect(await paged(fields, Math.max(size, 7)), JSON.stringify(fields)).toEqual(expected(filters, by))
    }),
    { seed, numRuns: 60, endOnFailure: true },
  )
})

describe('pages', () => {
  test('neither repeat nor miss when runs come and go meanwhile', async () => {
    const [experiment_id] = experiments
    const here = { experiment_ids: [experiment_id] }
    const before = await idsOf(here)
    const first = await search({ ...here, max_results: 10 })
    const { info } = await server.createRun({ experiment_id, start_time: 99 })
    await server.post('runs/delete', { run_id: before[0] })
    const rest = await idsOf({ ...here, page_token: first.next_page_token })
    expect([...first.runs.map(({ info }) => info.run_id), ...rest]).toEqual(before)
    await server.post('runs/delete', { run_id: info.run_id })
    await server.post('runs/restore', { run_id: before[0] })
  })

  test('of another search, or of nobody, are refused', async () => {
    const { next_page_token } = await search({ max_results: 1 })
    const fields = { experiment_ids: experiments, page_token: next_page_token }
    expect((await server.refused('runs/search', { ...fields, order_by: ['metrics.acc'] }))[1]).toBe(
      'INVALID_PARAMETER_VALUE',
    )
    for (const page_token of ['x', Buffer.from('["a"]').toString('base64url'), Buffer.from('{}').toString('base64')]) {
      expect((await server.refused('runs/search', { ...fields, page_token }))[0]).toBe(400)
    }
  })
})

test('the deleted are found only where they are asked for, also those of a deleted experiment', async () => {
  const { experiment_id } = z
    .object({ experiment_id: z.string() })
    .parse(await server.post('experiments/create', { name: 'gone' }))
  const kept = await server.createRun({ experiment_id })
  const dead = await server.createRun({ experiment_id })
  await server.post('runs/delete', { run_id: dead.info.run_id })
  const found = async (run_view_type: string) =>
    new Set(
      await idsOf({
        experiment_ids: [experiment_id, experiments[0]],
        run_view_type,
        filter: `run_id IN ('${kept.info.run_id}', '${dead.info.run_id}')`,
      }),
    )
  expect(await found('ACTIVE_ONLY')).toEqual(new Set([kept.info.run_id]))
  expect(await found('DELETED_ONLY')).toEqual(new Set([dead.info.run_id]))
  expect((await found('ALL')).size).toBe(2)
  await server.post('experiments/delete', { experiment_id })
  expect(await found('ACTIVE_ONLY')).toEqual(new Set())
  expect((await found('DELETED_ONLY')).size).toBe(2)
})

test('no experiments, no runs; a search that makes no sense is refused', async () => {
  expect(await server.post('runs/search', {})).toEqual({})
  expect(await server.post('runs/search', { experiment_ids: ['999'] })).toEqual({})
  for (const fields of [
    { filter: 'params.n > 3' },
    { order_by: ['nothing'] },
    { max_results: 50_001 },
    { max_results: 0 },
    { run_view_type: 'SOME' },
    { experiment_ids: ['one'] },
    { order_by: Array.from({ length: 11 }, () => 'metrics.a') },
  ]) {
    expect((await server.refused('runs/search', { experiment_ids: experiments, ...fields })).slice(0, 2)).toEqual([
      400,
      'INVALID_PARAMETER_VALUE',
    ])
  }
})
