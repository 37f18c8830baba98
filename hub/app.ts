// The HTTP application: what holds for every request (request id, problem documents, health, metrics, the OpenAPI
// document) and the routes of the slices.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { HTTPException } from 'hono/http-exception'
import { getPath } from 'hono/utils/url'
import { limitBody } from './body-limit.ts'
import { servePage } from './dashboard/built-page.ts'
import { isArtifactUpload } from './experiments/mlflow/artifacts.ts'
import { isMlflowPath, mlflowErrorResponse } from './experiments/mlflow/error.ts'
import { type HubEnv, scoped, unscoped } from './governance/access.ts'
import { governanceRoutes } from './governance/routes.ts'
import { watchRequests } from './http-metrics.ts'
import type { Hub } from './hub.ts'
import { invalidRequest, nothingAt, Problem, problemResponse, problems } from './problem.ts'
import { DatabaseError } from './storage/database.ts'
import { isStreamedBody } from './streamed-bodies.ts'

/** Largest body that is not an upload. */
export const bodyBytesMax = 1_048_576

/** The routes of a slice. */
export type Routes = OpenAPIHono<HubEnv>

/** Assembles the application; `slices` are the routes beyond governance: registry, fleet, telemetry, rollouts. */
export function createApp(hub: Hub, slices: readonly Routes[]): Routes {
  const app = new OpenAPIHono<HubEnv>({
    // MLflow's own pages ask under /ajax-api for what its clients have under /api
    getPath: (request) => getPath(request).replace(/^\/ajax-api\//, '/api/'),
    defaultHook: (result, c) => {
      if (result.success) return
      // an address that cannot be one of ours is one at which there is nothing
      const isSought = result.target === 'param' && c.req.method === 'GET'
      throw isSought ? nothingAt(c.req.path, result.error) : invalidRequest(result.error)
    },
  })
  app.use(async (c, next) => {
    c.set('hub', hub)
    c.set('requestId', requestId(c.req.header('x-request-id'), hub))
    await next()
    c.res.headers.set('x-request-id', c.get('requestId'))
  })
  app.use(watchRequests(hub.metrics))
  app.use(servePage())
  app.use(limitBody(bodyBytesMax, (method, path) => isArtifactUpload(method, path) || isStreamedBody(method, path)))

  addOwnRoutes(app, hub)
  for (const routes of [governanceRoutes(hub), ...slices]) app.route('/', routes)

  app.onError((error, c) => {
    const problem = toProblem(error)
    if (problem.status >= 500) hub.log.error({ err: error, requestId: c.get('requestId') }, 'request failed')
    return isMlflowPath(c.req.path) ? mlflowErrorResponse(problem) : problemResponse(problem, c.get('requestId'))
  })
  app.notFound((c) => {
    const allowed = methodsAt(app, c.req.path)
    const problem =
      allowed.length === 0
        ? nothingAt(c.req.path)
        : new Problem(405, 'method-not-allowed', 'Method not allowed', `use ${allowed.join(' or ')}`, {
            headers: { allow: allowed.join(', ') },
          })
    return problemResponse(problem, c.get('requestId'))
  })
  return app
}

const Text = { description: 'Text', content: { 'text/plain': { schema: z.string() } } }

function addOwnRoutes(app: Routes, hub: Hub): void {
  app.openapi(
    createRoute({
      method: 'get',
      path: '/healthz',
      summary: 'The process answers',
      ...unscoped(),
      responses: { 200: Text },
    }),
    (c) => c.text('ok', 200),
  )
  app.openapi(
    createRoute({
      method: 'get',
      path: '/readyz',
      summary: 'The hub can do its work: its database answers',
      ...unscoped(),
      responses: { 200: Text, ...problems() },
    }),
    async (c) => {
      await hub.database.first(z.object({ one: z.literal(1) }), 'SELECT 1 AS one')
      return c.text('ok', 200)
    },
  )
  app.openapi(
    createRoute({
      method: 'get',
      path: '/metrics',
      summary: 'Prometheus metrics',
      ...scoped('viewer'),
      responses: { 200: Text, ...problems() },
    }),
    async (c) => c.text(await hub.metrics.metrics(), 200, { 'content-type': hub.metrics.contentType }),
  )
  app.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'roost_…',
  })
  app.openAPIRegistry.registerComponent('securitySchemes', 'device', { type: 'http', scheme: 'basic' })
  // made when it is first asked for: no route is added to a hub that runs
  let document: string | undefined
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/openapi.json',
      summary: 'This document',
      ...scoped('viewer'),
      responses: { 200: { description: 'OpenAPI 3.1' }, ...problems() },
    }),
    (c) => {
      document ??= openApiDocument(app)
      return c.body(document, 200, { 'content-type': 'application/json' })
    },
  )
}

/** A pattern in a JSON schema is always one of Unicode (JSON Schema Validation §6.3.3) and has no flags: what is generated
 *  from /…/u keeps its end, which nothing then matches. */
function openApiDocument(app: Routes): string {
  const document = app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'Roost', version: '1' } })
  const withoutFlag = (key: string, value: unknown) =>
    key === 'pattern' && typeof value === 'string' ? value.replace(/\/u$/, '') : value
  return JSON.stringify(document, withoutFlag)
}

/** What any thrown thing means to the caller. */
function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof HTTPException) {
    const code = error.status === 415 ? 'unsupported-media-type' : 'bad-request'
    return new Problem(error.status, code, 'The request cannot be read', error.message, { cause: error })
  }
  if (error instanceof DatabaseError) {
    return new Problem(503, 'overloaded', 'Try again later', error.message, { cause: error })
  }
  return new Problem(500, 'internal', 'Something broke in the hub', 'the log of the hub says more, by the request id', {
    cause: error,
  })
}

function requestId(given: string | undefined, hub: Hub): string {
  if (given !== undefined && /^[\w.-]{1,64}$/.test(given)) return given
  return Buffer.from(hub.random(12)).toString('hex')
}

/** The methods of the routes whose path fits. */
function methodsAt(app: Routes, path: string): string[] {
  const methods = app.routes
    .filter(({ method }) => method !== 'ALL')
    .filter((route) => new RegExp(`^${route.path.replaceAll(/:[^/]+/g, '[^/]+')}$`).test(path))
    .map(({ method }) => method)
  return [...new Set(methods)].sort()
}
