// Curves that were reduced: what a picture of them needs is kept, whatever the points are.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type CurvePoint, type PointColumns, reduceCurve } from '../../../hub/experiments/curve.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { aTrackingServer, type TrackingServer } from './a-tracking-server.ts'

const seed = Number(process.env.FC_SEED ?? 20261126)

const columnsOf = (points: readonly CurvePoint[]): PointColumns => ({
  step: Float64Array.from(points, ({ step }) => step),
  timestamp: Float64Array.from(points, ({ timestamp }) => timestamp),
  value: Float64Array.from(points, ({ value }) => value),
  count: points.length,
})
const finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const points = fc.array(
  fc.record({
    step: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.maxSafeInteger()),
    timestamp: fc.integer({ min: -5, max: 2 ** 41 }),
    value: finite,
  }),
  { maxLength: 300 },
)
const asked = fc.record({ points, axis: fc.constantFrom('step', 'time'), pointsMax: fc.integer({ min: 4, max: 80 }) })
const extreme = (pick: (...values: number[]) => number, list: readonly CurvePoint[]) =>
  pick(...list.map(({ value }) => value))

test('a reduced curve keeps its bound, its order, its ends and its extremes, and makes no point up', () => {
  fc.assert(
    fc.property(asked, ({ points, axis, pointsMax }) => {
      const curve = reduceCurve(columnsOf(points), axis, pointsMax)
      const x = (point: CurvePoint) => (axis === 'step' ? point.step : point.timestamp)
      expect(curve.points.length).toBeLessThanOrEqual(pointsMax)
      expect(curve.points.map(x)).toEqual(curve.points.map(x).toSorted((a, b) => a - b))
      const there = new Set(points.map((point) => JSON.stringify(point)))
      expect(curve.points.every((point) => there.has(JSON.stringify(point)))).toBe(true)
      if (points.length === 0) return
      expect(x(curve.points[0] as CurvePoint)).toBe(Math.min(...points.map(x)))
      expect(x(curve.points.at(-1) as CurvePoint)).toBe(Math.max(...points.map(x)))
      expect(extreme(Math.min, curve.points)).toBe(extreme(Math.min, points))
      expect(extreme(Math.max, curve.points)).toBe(extreme(Math.max, points))
    }),
    { seed },
  )
})

test('bins hold every point once, and their means lie between least and greatest', () => {
  fc.assert(
    fc.property(asked, ({ points, axis, pointsMax }) => {
      const { bins } = reduceCurve(columnsOf(points), axis, pointsMax)
      const counted = bins.reduce((sum, { count }) => sum + count, 0)
      expect(counted).toBe(points.length > pointsMax ? points.length : 0)
      expect(bins.length).toBeLessThanOrEqual(pointsMax / 4)
      const slack = 1e-9 * Math.max(...points.map(({ value }) => Math.abs(value)), 0)
      for (const { mean } of bins) {
        expect(mean).toBeGreaterThanOrEqual(extreme(Math.min, points) - slack)
        expect(mean).toBeLessThanOrEqual(extreme(Math.max, points) + slack)
      }
    }),
    { seed },
  )
})

test('what fits is given whole, whatever the order it was logged in', () => {
  const logged = [3, 1, 2].map((step) => ({ step, timestamp: 10 - step, value: step }))
  const steps = (axis: 'step' | 'time') => reduceCurve(columnsOf(logged), axis, 4).points.map(({ step }) => step)
  expect([steps('step'), steps('time')]).toEqual([
    [1, 2, 3],
    [3, 2, 1],
  ])
})

const Curves = z.object({
  curves: z.array(
    z.object({
      run: z.string(),
      metric: z.string(),
      total: z.number(),
      notFinite: z.number(),
      points: z.array(z.object({ step: z.number(), timestamp: z.number(), value: z.number() })),
      bins: z.array(z.object({ step: z.number(), timestamp: z.number(), mean: z.number(), count: z.number() })),
    }),
  ),
})

describe('over HTTP', () => {
  let server: TrackingServer
  const ids: string[] = []
  const stepsLogged = 60_000
  beforeAll(async () => {
    server = await aTrackingServer()
    await server.post('experiments/create', { name: 'curves' })
    for (const name of ['long', 'odd']) {
      const { info } = await server.createRun({
        experiment_id: '1',
        run_name: name,
        tags: [{ key: 'of', value: name }],
      })
      ids.push(info.run_id)
    }
    const [long = '', odd = ''] = ids
    for (let from = 0; from < stepsLogged; from += 1_000) {
      const metrics = Array.from({ length: 1_000 }, (_, k) => {
        const step = from + k
        // one peak that even steps would miss; more than one piece at the hub; every step of one time
        return { key: 'loss', value: step === 51_017 ? 99 : 1 / (step + 1), timestamp: 7, step }
      })
      await server.post('runs/log-batch', { run_id: long, metrics })
    }
    await server.post('runs/log-parameter', { run_id: long, key: 'depth', value: '3' })
    const values = ['NaN', 'Infinity', 4, '-Infinity', -2]
    await server.post('runs/log-batch', {
      run_id: odd,
      metrics: values.map((value, i) => ({ key: 'loss', value, timestamp: 10 - i, step: 0 })),
    })
    await server.post('runs/update', { run_id: odd, status: 'FAILED' })
  })
  afterAll(() => server[Symbol.asyncDispose]())
  const get = (path: string, query: Record<string, string>) =>
    fetch(`${server.url}${path}?${new URLSearchParams(query)}`, {
      headers: { authorization: `Bearer ${server.running.adminToken}` },
    })
  const curvesOf = async (query: Record<string, string>) =>
    Curves.parse(await (await get('/v1/runs/curves', query)).json()).curves

  test('a long metric comes with its peak, within the bound, counted whole', async () => {
    const [curve] = await curvesOf({ ids: ids[0] ?? '', metrics: 'loss', points: '100' })
    expect(curve).toMatchObject({ run: ids[0], metric: 'loss', total: stepsLogged, notFinite: 0 })
    expect(curve?.points.length).toBeLessThanOrEqual(100)
    expect(curve?.points).toContainEqual({ step: 51_017, timestamp: 7, value: 99 })
    expect(curve?.points.at(-1)?.step).toBe(stepsLogged - 1)
    expect(curve?.bins.reduce((sum, { count }) => sum + count, 0)).toBe(stepsLogged)
    // all at one time: one bin
    const [timed] = await curvesOf({ ids: ids[0] ?? '', metrics: 'loss', points: '100', by: 'time' })
    expect(timed?.bins.length).toBe(1)
  })

  test('what is no number is counted and not drawn; a metric that a run lacks is left out', async () => {
    const curves = await curvesOf({ ids: ids.join(), metrics: 'loss,none', by: 'time' })
    expect(curves.map(({ run, metric }) => [run, metric])).toEqual(ids.map((id) => [id, 'loss']))
    expect(curves[1]).toMatchObject({ total: 2, notFinite: 3, bins: [] })
    expect(curves[1]?.points.map(({ value }) => value)).toEqual([-2, 4])
  })

  test('the summary counts by status and names the keys; a filter that cannot be read is a problem', async () => {
    const summary = await (await get('/v1/runs/summary', {})).json()
    expect(summary).toMatchObject({
      total: 2,
      statuses: { RUNNING: 1, SCHEDULED: 0, FINISHED: 0, FAILED: 1, KILLED: 0 },
      metrics: [{ key: 'loss', runs: 2 }],
      params: [{ key: 'depth', runs: 1 }],
      keysOf: 2,
    })
    const filtered = await (await get('/v1/runs/summary', { filter: "tags.of = 'odd'", experiment: 'curves' })).json()
    expect(filtered).toMatchObject({ total: 1, params: [], keysOf: 1 })
    for (const query of [{ filter: 'metrics.loss <' }, { experiment: 'none' }]) {
      const response = await get('/v1/runs/summary', query as Record<string, string>)
      ProblemDocument.parse(await response.json())
      expect([404, 422]).toContain(response.status)
    }
  })

  test('experiments, files and what belongs to a run', async () => {
    const { experiments } = (await (await get('/v1/runs/experiments', {})).json()) as { experiments: unknown[] }
    expect(experiments).toEqual([
      { id: '0', name: 'Default', runs: 0 },
      { id: '1', name: 'curves', runs: 2 },
    ])
    const id = ids[1] ?? ''
    const put = await fetch(`${server.url}/api/2.0/mlflow-artifacts/artifacts/1/${id}/artifacts/a%20b/c.txt`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${server.running.adminToken}` },
      body: 'hello',
    })
    expect(put.status).toBe(200)
    const Files = z.object({
      files: z.array(z.object({ path: z.string(), sizeBytes: z.number(), model: z.null(), download: z.string() })),
      more: z.literal(false),
    })
    const { files } = Files.parse(await (await get(`/v1/runs/${id}/artifacts`, {})).json())
    expect(files).toMatchObject([{ path: 'a b/c.txt', sizeBytes: 5 }])
    expect(await (await get(files[0]?.download ?? '', {})).text()).toBe('hello')
    expect(await (await get(`/v1/runs/${id}`, {})).json()).toMatchObject({
      experimentName: 'curves',
      datasets: [],
      loggedModels: [],
      versions: [],
    })
    expect((await get(`/v1/runs/${'0'.repeat(32)}/artifacts`, {})).status).toBe(404)
  })
})
