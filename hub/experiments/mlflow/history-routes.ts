// metrics/…: the histories of metrics, whole, of several runs, or thinned out for a chart.

import { z } from '@hono/zod-openapi'
import type { Hub } from '../../hub.ts'
import { metricCurve, metricHistory } from '../history.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { filled, nextPage, shownPoint } from './documents.ts'
import { invalidParameter } from './error.ts'
import { PageToken, runIdFields } from './fields.ts'
import { integer, pageSize, text } from './request.ts'
import { needRun, runIdOf } from './run-routes.ts'

/** Points of one answer. */
const pointsMax = 25_000
const curvePointsMax = 2_500
const runsMax = 100

const MetricKey = text(250)
const RunIds = z.array(text(256)).min(1, { message: 'must specify at least one run id' }).max(runsMax)

export function addHistoryRoutes(app: MlflowApp, { database }: Hub): void {
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'metrics/get-history',
      summary: 'all points of a metric, in order of time',
      scope: 'viewer',
      fields: z.object({
        ...runIdFields,
        metric_key: MetricKey,
        page_token: PageToken,
        max_results: pageSize(pointsMax, 1_000_000),
      }),
    },
    async ({ metric_key, page_token, max_results, ...fields }) => {
      const run = await needRun(database, runIdOf(fields))
      const { points, nextPageToken } = await metricHistory(database, {
        run: run.number,
        key: metric_key,
        limit: Math.min(max_results, pointsMax),
        pageToken: page_token,
      })
      return { ...filled('metrics', points.map(shownPoint)), ...nextPage(nextPageToken) }
    },
  )

  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'metrics/get-history-bulk',
      summary: 'the points of a metric of several runs',
      scope: 'viewer',
      fields: z.object({ run_id: RunIds, metric_key: MetricKey, max_results: pageSize(pointsMax, 1_000_000) }),
    },
    async ({ run_id, metric_key, max_results }) => {
      const metrics: unknown[] = []
      for (const id of [...new Set(run_id)].sort()) {
        const left = Math.min(max_results, pointsMax) - metrics.length
        if (left <= 0) break
        const { number } = await needRun(database, id)
        const query = { run: number, key: metric_key, limit: left, pageToken: undefined }
        const { points } = await metricHistory(database, query)
        metrics.push(...points.map((point) => ({ ...shownPoint(point), run_id: id })))
      }
      return { metrics }
    },
  )

  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'metrics/get-history-bulk-interval',
      summary: 'points of a metric of several runs, evenly thinned out, between two steps',
      scope: 'viewer',
      fields: z.object({
        run_ids: RunIds,
        metric_key: MetricKey,
        start_step: integer.optional(),
        end_step: integer.optional(),
        max_results: pageSize(curvePointsMax, curvePointsMax),
      }),
    },
    async ({ run_ids, metric_key, start_step, end_step, max_results }) => {
      const steps = stepsOf(start_step, end_step)
      const metrics: unknown[] = []
      for (const id of run_ids) {
        const { number } = await needRun(database, id)
        const points = await metricCurve(database, { run: number, key: metric_key, count: max_results, steps })
        metrics.push(...points.map((point) => ({ ...shownPoint(point), run_id: id })))
      }
      return filled('metrics', metrics)
    },
  )
}

function stepsOf(from: number | undefined, to: number | undefined): { from: number; to: number } | undefined {
  if (from === undefined && to === undefined) return undefined
  if (from === undefined || to === undefined) {
    throw invalidParameter('If either start step or end step are specified, both must be specified.')
  }
  if (from > to) {
    throw invalidParameter(`end_step must be greater than start_step. Found start_step=${from} and end_step=${to}.`)
  }
  return { from, to }
}
