// What a page of runs needs beside the list: what there is to choose from, curves that were reduced, files.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { reduceCurve } from './curve.ts'
import { readPoints } from './curve-points.ts'
import { asProblem, commaList, experimentIds, RunId } from './requests.ts'
import { readRunFiles } from './run-parts.ts'
import { keysOfRunsMax, summariseRuns } from './run-summary.ts'
import { findRun, runStatuses } from './runs.ts'

const runsMax = 20
const curvesMax = 50
/** Of one curve: four for each pixel of a wide screen. */
const pointsMax = 4_000
/** Looked through for one answer; a million takes seconds. */
const pointsReadMax = 4_000_000
const experimentsMax = 1_000
const filesMax = 2_000

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const Count = z.number().int()

const experiments = createRoute({
  method: 'get',
  path: '/v1/runs/experiments',
  summary: 'The experiments, by name, with how many runs each has',
  ...scoped('viewer'),
  responses: {
    200: json(
      z.object({
        experiments: z
          .array(z.object({ id: z.string(), name: z.string(), runs: Count }))
          .openapi({ description: `at most ${experimentsMax}` }),
      }),
      'The experiments',
    ),
    ...problems(),
  },
})

const Keys = z.array(z.object({ key: z.string(), runs: Count.openapi({ description: 'how many of keysOf have it' }) }))
const summary = createRoute({
  method: 'get',
  path: '/v1/runs/summary',
  summary: 'How many runs there are in each state, and which metrics, params and tags they have',
  ...scoped('viewer'),
  request: {
    query: z.object({
      experiment: commaList(100).optional(),
      filter: z.string().max(10_000).default(''),
    }),
  },
  responses: {
    200: json(
      z
        .object({
          total: Count,
          statuses: z.object(Object.fromEntries(runStatuses.map((status) => [status, Count])) as Statuses),
          metrics: Keys,
          params: Keys,
          tags: Keys,
          keysOf: Count.openapi({ description: `the keys are those of so many runs, the newest ${keysOfRunsMax}` }),
        })
        .openapi('RunsSummary'),
      'The summary',
    ),
    ...problems(),
  },
})
type Statuses = Record<(typeof runStatuses)[number], typeof Count>

const Point = z.object({ step: Count, timestamp: Count, value: z.number() })
const Curve = z
  .object({
    run: z.string(),
    metric: z.string(),
    total: Count.openapi({ description: 'finite points that were logged' }),
    notFinite: Count.openapi({ description: 'points beside them that are NaN or infinite' }),
    points: z.array(Point),
    bins: z
      .array(z.object({ step: Count, timestamp: Count, mean: z.number(), count: Count }))
      .openapi({ description: 'empty where `points` are all there are' }),
  })
  .openapi('RunCurve')
const curves = createRoute({
  method: 'get',
  path: '/v1/runs/curves',
  summary: 'Curves of metrics, reduced to first, last, least and greatest point of each of equal bins',
  ...scoped('viewer'),
  request: {
    query: z.object({
      ids: commaList(runsMax).openapi({ description: 'run ids, separated by commas' }),
      metrics: commaList(curvesMax).openapi({ example: 'loss,accuracy' }),
      by: z.enum(['step', 'time']).default('step').openapi({ description: 'the axis that is cut into bins' }),
      points: z.coerce
        .number()
        .int()
        .min(4)
        .max(pointsMax)
        .default(800)
        .openapi({ description: 'of each curve, at most' }),
    }),
  },
  responses: { 200: json(z.object({ curves: z.array(Curve) }), 'Those that have points'), ...problems() },
})

const files = createRoute({
  method: 'get',
  path: '/v1/runs/{id}/artifacts',
  summary: 'The files of a run and of the models it logged',
  ...scoped('viewer'),
  request: { params: z.object({ id: RunId }) },
  responses: {
    200: json(
      z.object({
        files: z.array(
          z.object({
            path: z.string(),
            sizeBytes: Count,
            sha256: z.string(),
            model: z.string().nullable().openapi({ description: 'the logged model it is of; null: the run itself' }),
            download: z.string().openapi({ description: 'where the file is, on this hub' }),
          }),
        ),
        more: z.boolean().openapi({ description: `there are others beside these ${filesMax}` }),
      }),
      'The files',
    ),
    ...problems(),
  },
})

export function runPageRoutes({ database }: Hub): OpenAPIHono<HubEnv> {
  const needRun = async (id: string) => {
    const run = await findRun(database, id)
    if (run === undefined) throw notFound('run', id)
    return run
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(experiments, async (c) => {
      const rows = await database.all(
        z.object({ id: z.number(), name: z.string(), runs: z.number() }),
        `SELECT e.id, e.name, (SELECT count(*) FROM runs r WHERE r.experiment = e.id AND r.deleted_at IS NULL) AS runs
          FROM experiments e WHERE e.deleted_at IS NULL ORDER BY e.name LIMIT ${experimentsMax}`,
      )
      return c.json({ experiments: rows.map(({ id, ...rest }) => ({ id: String(id), ...rest })) }, 200)
    })
    .openapi(summary, async (c) => {
      const { experiment, filter } = c.req.valid('query')
      const query = {
        experiments: await experimentIds(database, experiment),
        filter,
        lifecycle: 'ACTIVE_ONLY' as const,
      }
      const found = await summariseRuns(database, query).catch((error: unknown) => {
        throw asProblem(error)
      })
      return c.json(found, 200)
    })
    .openapi(curves, async (c) => {
      const { ids, metrics, by, points } = c.req.valid('query')
      const wanted = [...new Set(ids)].flatMap((id) => [...new Set(metrics)].map((metric) => ({ id, metric })))
      if (wanted.length > curvesMax) throw tooMuch(`${wanted.length} curves; an answer has at most ${curvesMax}`)
      const found: z.infer<typeof Curve>[] = []
      let left = pointsReadMax
      for (const { id, metric } of wanted) {
        const run = await needRun(id)
        const read = await readPoints(database, run.number, metric, left)
        if (read === undefined) throw tooMuch(`more than ${pointsReadMax} points together; ask for fewer curves`)
        const { columns, notFinite } = read
        left -= columns.count + notFinite
        if (columns.count + notFinite === 0) continue
        found.push({ run: id, metric, total: columns.count, notFinite, ...reduceCurve(columns, by, points) })
      }
      return c.json({ curves: found }, 200)
    })
    .openapi(files, async (c) => {
      const run = await needRun(c.req.valid('param').id)
      return c.json(await readRunFiles(database, run, filesMax), 200)
    })
}

const tooMuch = (detail: string): Problem => new Problem(422, 'too-much', 'Too much for one answer', detail)
