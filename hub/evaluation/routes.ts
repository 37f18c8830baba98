// The evaluation routes: ask for one, look at them, cancel one; and explain one prediction.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, scoped } from '../governance/access.ts'
import { changeBy } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { NumberParams, numbered, VersionParams } from '../registry/parameters.ts'
import type { Score } from '../registry/scoring.ts'
import { findVersion } from '../registry/store.ts'
import { asProblem } from './contest.ts'
import { Evaluation, ListedEvaluation, showEvaluation, showListed } from './documents.ts'
import type { Evaluations } from './evaluations.ts'
import { Explanation, explain } from './explain.ts'
import { NewEvaluation, NewExplanation } from './request.ts'
import { findEvaluation, listEvaluations } from './store.ts'

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const body = <S extends z.ZodType>(schema: S) => ({
  required: true,
  content: { 'application/json': { schema } },
})
const EvaluationId = z.string().regex(/^e-[0-9a-z]{1,12}-[0-9a-f]{8}$/, 'an evaluation is called e-…')
const EvaluationParams = NumberParams.extend({ id: EvaluationId })

const ask = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/evaluations',
  summary: 'Run a version over a dataset snapshot and measure it, beside the champion',
  ...scoped('ci', 'operator'),
  request: { params: VersionParams, body: body(NewEvaluation) },
  responses: { 202: json(Evaluation, 'It waits for its turn; `location` is where it is found'), ...problems() },
})
const list = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/evaluations',
  summary: 'Evaluations of a version, newest first',
  ...scoped('viewer'),
  request: { params: VersionParams, query: PageQuery },
  responses: {
    200: json(z.object({ evaluations: z.array(ListedEvaluation), next: NextCursor }), 'A page'),
    ...problems(),
  },
})
const show = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/evaluations/{id}',
  summary: 'One evaluation with every number',
  ...scoped('viewer'),
  request: { params: EvaluationParams },
  responses: { 200: json(Evaluation, 'The evaluation'), ...problems() },
})
const cancel = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/evaluations/{id}/cancel',
  summary: 'Cancel an evaluation that waits or runs',
  ...scoped('ci', 'operator'),
  request: { params: EvaluationParams },
  responses: { 200: json(Evaluation, 'It is cancelled'), ...problems() },
})
const explanation = createRoute({
  method: 'post',
  path: '/v1/models/{name}/versions/{version}/explanations',
  summary: 'What each input adds to the answer for one row, by sampled Shapley values',
  ...scoped('ci', 'operator', 'approver'),
  request: { params: VersionParams, body: body(NewExplanation) },
  responses: { 200: json(Explanation, 'The attribution, with the error of the sampling'), ...problems() },
})

export function evaluationRoutes(hub: Hub, score: Score, evaluations: Evaluations): OpenAPIHono<HubEnv> {
  const { database } = hub
  const known = async ({ name, version, id }: z.infer<typeof EvaluationParams>) => {
    const row = await findEvaluation(database, id)
    if (row === undefined || row.model !== name || row.version !== version) throw notFound('evaluation', id)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(ask, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      const row = await evaluations.ask(name, version, c.req.valid('json'), (...change) => changeBy(c, ...change))
      c.header('location', `/v1/models/${name}/versions/${version}/evaluations/${row.id}`)
      return c.json(showEvaluation(row), 202)
    })
    .openapi(list, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      if ((await findVersion(database, name, version)) === undefined) throw notFound('version', `${name}/${version}`)
      const { limit, cursor } = c.req.valid('query')
      const before = cursorKey(cursor, EvaluationId, '~')
      const { items, next } = cutPage(
        await listEvaluations(database, name, version, before, limit + 1),
        limit,
        (row) => row.id,
      )
      return c.json({ evaluations: items.map(showListed), next }, 200)
    })
    .openapi(show, async (c) => {
      return c.json(showEvaluation(await known(c.req.valid('param'))), 200)
    })
    .openapi(cancel, async (c) => {
      const { id } = await known(c.req.valid('param'))
      return c.json(showEvaluation(await evaluations.cancel(id, (...change) => changeBy(c, ...change))), 200)
    })
    .openapi(explanation, async (c) => {
      const { name, version } = await numbered(database, c.req.valid('param'))
      try {
        return c.json(await explain(hub, score, name, version, c.req.valid('json')), 200)
      } catch (error) {
        throw asProblem(error)
      }
    })
}
