// The hub's own view of runs: list and filter them, look at one, put some side by side.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { comparedMetrics, differingParams } from './compare.ts'
import { Double, RunDetail, RunDocument, shownDouble, showRun } from './documents.ts'
import { metricCurve, metricExtremes } from './history.ts'
import { asProblem, commaList, experimentIds, RunId } from './requests.ts'
import { type Run, readRuns } from './run-data.ts'
import { runPageRoutes } from './run-page-routes.ts'
import { readRunParts } from './run-parts.ts'
import { searchRuns } from './run-search.ts'
import { findRun } from './runs.ts'

const runsComparedMax = 20
const curvesMax = 50
const curvePointsMax = 1_000

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const list = createRoute({
  method: 'get',
  path: '/v1/runs',
  summary: 'Runs, filtered and ordered, newest first where no order is given',
  ...scoped('viewer'),
  request: {
    query: PageQuery.extend({
      /** Ids or names, separated by commas; all where none is given. */
      experiment: commaList(100).optional(),
      filter: z.string().max(10_000).default('').openapi({ example: "metrics.rmse < 0.5 AND params.depth = '3'" }),
      order: commaList(10).optional().openapi({ example: 'metrics.rmse ASC' }),
      columns: commaList(100).optional().openapi({ example: 'metrics.rmse,params.depth' }),
      cursor: z.string().max(8_000).optional(),
    }),
  },
  responses: { 200: json(z.object({ runs: z.array(RunDocument), next: NextCursor }), 'A page of them'), ...problems() },
})

const Summary = z.object({ last: Double, min: Double.nullable(), max: Double.nullable(), points: z.number().int() })
const Comparison = z
  .object({
    runs: z.array(RunDocument),
    params: z
      .array(z.object({ key: z.string(), values: z.array(z.string().nullable()) }))
      .openapi({ description: 'those that differ; a value for each of the runs' }),
    metrics: z.array(z.object({ key: z.string(), values: z.array(Summary.nullable()) })),
    curves: z.array(
      z.object({
        key: z.string(),
        run: z.string(),
        points: z.array(z.object({ step: z.number().int(), timestamp: z.number().int(), value: Double })),
      }),
    ),
  })
  .openapi('RunComparison')
const compare = createRoute({
  method: 'get',
  path: '/v1/runs/compare',
  summary: 'Runs side by side: parameters that differ, metrics, curves',
  ...scoped('viewer'),
  request: {
    query: z.object({
      ids: commaList(runsComparedMax).openapi({ description: 'separated by commas' }),
      curves: commaList(curvesMax).optional().openapi({ description: 'the metrics to draw; without it none' }),
      points: z.coerce.number().int().min(2).max(curvePointsMax).default(100),
    }),
  },
  responses: { 200: json(Comparison, 'The comparison'), ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/runs/{id}',
  summary: 'One run',
  ...scoped('viewer'),
  request: { params: z.object({ id: RunId }) },
  responses: { 200: json(RunDetail, 'The run'), ...problems() },
})

export function runRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const { database } = hub
  const needRuns = async (ids: readonly string[]): Promise<Run[]> => {
    const numbers: number[] = []
    for (const id of ids) {
      const row = await findRun(database, id)
      if (row === undefined) throw notFound('run', id)
      numbers.push(row.number)
    }
    return readRuns(database, numbers)
  }

  // those first: the run of an id fits their paths
  return runPageRoutes(hub)
    .openapi(list, async (c) => {
      const { experiment, filter, order, columns, limit, cursor } = c.req.valid('query')
      const found = await searchRuns(database, {
        experiments: await experimentIds(database, experiment),
        filter,
        lifecycle: 'ACTIVE_ONLY',
        orderBy: order ?? [],
        limit,
        pageToken: cursor,
      }).catch((error: unknown) => {
        throw asProblem(error)
      })
      const runs = await readRuns(database, found.numbers)
      return c.json({ runs: runs.map((run) => showRun(run, columns)), next: found.nextPageToken ?? null }, 200)
    })
    .openapi(compare, async (c) => {
      const { ids, curves = [], points } = c.req.valid('query')
      const runs = await needRuns([...new Set(ids)])
      const compared = await inTurn(runs, async (run) => ({
        ...run,
        extremes: await metricExtremes(database, run.number),
      }))
      const pairs = runs.flatMap((run) => curves.map((key) => ({ run, key })))
      const drawn = await inTurn(pairs, async ({ run, key }) => ({
        key,
        run: run.id,
        points: (await metricCurve(database, { run: run.number, key, count: points, steps: undefined })).map(
          ({ step, timestamp, value }) => ({ step, timestamp, value: shownDouble(value) }),
        ),
      }))
      const orNull = (value: number | null) => (value === null ? null : shownDouble(value))
      return c.json(
        {
          runs: runs.map((run) => showRun(run)),
          params: differingParams(compared),
          metrics: comparedMetrics(compared).map(({ key, values }) => ({
            key,
            values: values.map(
              (value) =>
                value && { ...value, last: shownDouble(value.last), min: orNull(value.min), max: orNull(value.max) },
            ),
          })),
          curves: drawn.filter((curve) => curve.points.length > 0),
        },
        200,
      )
    })
    .openapi(show, async (c) => {
      const { id } = c.req.valid('param')
      const [run] = await needRuns([id])
      if (run === undefined) throw notFound('run', id)
      return c.json({ ...showRun(run), ...(await readRunParts(database, run, modelsGranted(c))) }, 200)
    })
}

/** One after the other: the database answers one at a time anyway, and others come in between. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await work(item))
  return results
}
