// Runs in the hub's own API and command line: listed, filtered, side by side.

import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { comparedMetrics, differingParams } from '../../../hub/experiments/compare.ts'
import { RunDocument } from '../../../hub/experiments/documents.ts'
import { sampleIndices } from '../../../hub/experiments/history.ts'
import { latestOfEach, type Point } from '../../../hub/experiments/log.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { aTrackingServer, type TrackingServer } from './a-tracking-server.ts'

const seed = Number(process.env.FC_SEED ?? 20261125)

let server: TrackingServer
const ids: string[] = []
beforeAll(async () => {
  server = await aTrackingServer()
  await server.post('experiments/create', { name: 'comparing' })
  for (const [i, depth] of ['3', '3', '5'].entries()) {
    const { info } = await server.createRun({
      experiment_id: '1',
      run_name: `run-${i}`,
      start_time: 1_700_000_000_000 + i,
    })
    ids.push(info.run_id)
    const values = i === 2 ? ['NaN'] : Array.from({ length: 300 }, (_, step) => (step === 150 ? -7 : i + step))
    await server.post('runs/log-batch', {
      run_id: info.run_id,
      metrics: values.map((value, step) => ({ key: 'loss', value, timestamp: step, step })),
      params: [
        { key: 'depth', value: depth },
        { key: 'same', value: 'x' },
        ...(i === 0 ? [{ key: 'only', value: '1' }] : []),
      ],
    })
  }
})
afterAll(() => server[Symbol.asyncDispose]())

const get = (path: string) =>
  fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${server.running.adminToken}` } })
const Runs = z.object({ runs: z.array(RunDocument), next: z.string().nullable() })
const list = async (query: Record<string, string>) =>
  Runs.parse(await (await get(`/v1/runs?${new URLSearchParams(query)}`)).json())

describe('GET /v1/runs', () => {
  test('lists the newest first, filters in the same language, and shows the columns asked for', async () => {
    expect((await list({})).runs.map(({ name }) => name)).toEqual(['run-2', 'run-1', 'run-0'])
    const { runs } = await list({
      filter: "params.depth = '3' AND metrics.loss > 1",
      order: 'metrics.loss ASC',
      columns: 'metrics.loss,params.depth',
    })
    expect(runs.map(({ name, metrics, params, tags }) => [name, metrics, params, tags])).toEqual([
      ['run-0', { loss: 299 }, { depth: '3' }, {}],
      ['run-1', { loss: 300 }, { depth: '3' }, {}],
    ])
    expect((await list({ experiment: 'comparing' })).runs).toHaveLength(3)
    expect((await list({ experiment: '0' })).runs).toHaveLength(0)
  })

  test('goes on from page to page', async () => {
    const first = await list({ limit: '2', order: 'metrics.loss DESC' })
    const second = await list({ limit: '2', order: 'metrics.loss DESC', cursor: first.next ?? '' })
    expect([...first.runs, ...second.runs].map(({ name }) => name)).toEqual(['run-1', 'run-0', 'run-2'])
    expect(second.next).toBeNull()
  })

  test.each([
    ['filter=metrics.loss', 422],
    ['order=nothing', 422],
    ['cursor=x', 422],
    ['experiment=none', 404],
    ['limit=0', 422],
  ])('refuses %s in words', async (query, status) => {
    const response = await get(`/v1/runs?${query}`)
    expect(ProblemDocument.parse(await response.json()).status).toBe(status)
  })
})

describe('GET /v1/runs/compare', () => {
  const Comparison = z.looseObject({
    params: z.array(z.unknown()),
    metrics: z.array(z.unknown()),
    curves: z.array(z.object({ run: z.string(), key: z.string(), points: z.array(z.object({ step: z.number() })) })),
  })
  test('shows what differs, last, least and greatest, and curves with both ends', async () => {
    const response = await get(`/v1/runs/compare?ids=${ids.join(',')}&curves=loss,none&points=5`)
    const compared = Comparison.parse(await response.json())
    expect(compared.params).toEqual([
      { key: 'depth', values: ['3', '3', '5'] },
      { key: 'only', values: ['1', null, null] },
    ])
    expect(compared.metrics).toEqual([
      {
        key: 'loss',
        values: [
          { last: 299, min: -7, max: 299, points: 300 },
          { last: 300, min: -7, max: 300, points: 300 },
          { last: 'NaN', min: null, max: null, points: 1 },
        ],
      },
    ])
    expect(compared.curves.map(({ run, points }) => [ids.indexOf(run), points.map(({ step }) => step)])).toEqual([
      [0, [0, 75, 150, 224, 299]],
      [1, [0, 75, 150, 224, 299]],
      [2, [0]],
    ])
  })

  test('needs runs that are there, and not too many', async () => {
    expect((await get('/v1/runs/compare?ids=none')).status).toBe(404)
    expect((await get(`/v1/runs/compare?ids=${Array.from({ length: 21 }, (_, i) => i).join(',')}`)).status).toBe(422)
    expect((await get('/v1/runs/compare')).status).toBe(422)
    expect((await get(`/v1/runs/${'0'.repeat(32)}`)).status).toBe(404)
    expect(RunDocument.parse(await (await get(`/v1/runs/${ids[0]}`)).json()).name).toBe('run-0')
  })
})

test('roost runs list, show and compare tell the same', async () => {
  const main = fileURLToPath(new URL('../../../hub/cli/main.ts', import.meta.url))
  const roost = async (...args: string[]) => {
    const env = { ...process.env, ROOST_URL: server.url, ROOST_TOKEN: server.running.adminToken ?? '' }
    return (await promisify(execFile)(process.execPath, [main, 'runs', ...args], { env })).stdout
  }
  const listed = await roost('list', '--filter', "params.depth = '5'", '--columns', 'metrics.loss,params.depth')
  expect(listed.trim().split('\n')).toHaveLength(2)
  expect(listed).toMatch(/run-2 .*NaN +5/)
  expect(await roost('show', ids[0] ?? '')).toContain('depth = 3')
  const compared = await roost('compare', ...ids)
  expect(compared).toMatch(/depth +3 +3 +5/)
  expect(compared).toMatch(/loss +299 \(-7 … 299\)/)
  expect(compared).not.toContain('same')
})

test(`a curve keeps both ends and never leaps back (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 500 }), (total, count) => {
      const indices = sampleIndices(total, count)
      expect(indices).toHaveLength(Math.min(total, count))
      expect(indices.at(-1)).toBe(total - 1)
      if (count > 1) expect(indices[0]).toBe(0)
      expect(new Set(indices).size).toBe(indices.length)
      expect(indices).toEqual(indices.toSorted((a, b) => a - b))
    }),
    { seed },
  )
})

const point = fc.record({
  key: fc.constantFrom('a', 'b'),
  value: fc.constantFrom(-1, 0, 1, Number.NaN),
  timestamp: fc.integer({ min: 0, max: 2 }),
  step: fc.integer({ min: -1, max: 1 }),
})
test(`the latest does not depend on the order in which points come, but for NaN, which counts as 0 (seed ${seed})`, () => {
  const places = (points: readonly Point[]) =>
    latestOfEach(points)
      .map(({ key, step, timestamp, value }) => [key, step, timestamp, value || 0])
      .sort()
  fc.assert(
    fc.property(fc.array(point), (points) => {
      expect(places(points)).toEqual(places(points.toReversed()))
    }),
    { seed },
  )
})

test(`runs that are alike differ in nothing (seed ${seed})`, () => {
  const run = fc.record({
    params: fc.uniqueArray(fc.record({ key: fc.string(), value: fc.string() }), { selector: ({ key }) => key }),
    metrics: fc.constant([]),
    extremes: fc.constant([]),
  })
  fc.assert(
    fc.property(run, fc.integer({ min: 1, max: 4 }), (one, count) => {
      expect(differingParams(Array.from({ length: count }, () => one))).toEqual([])
      expect(comparedMetrics([one])).toEqual([])
    }),
    { seed },
  )
})
