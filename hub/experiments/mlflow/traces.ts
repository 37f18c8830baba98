// Traces, which clients of MLflow 3 send beside runs. The hub keeps none: it takes them so that no training script
// breaks or waits for them, and says of each that it is not there.

import { createRoute, z } from '@hono/zod-openapi'
import { scoped } from '../../governance/access.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { doesNotExist } from './error.ts'
import { text } from './request.ts'

const traces3 = '/api/3.0/mlflow/traces'
const traces2 = '/api/2.0/mlflow/traces'

export function addTraceRoutes(app: MlflowApp): void {
  const spans = createRoute({
    method: 'post',
    path: '/v1/traces',
    summary: 'MLflow: spans (OTLP over HTTP); they are not kept',
    ...scoped('ci'),
    request: { body: { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } } },
    responses: { 200: { description: 'Taken' } },
  })
  app.openAPIRegistry.registerPath(spans)
  // an empty ExportTraceServiceResponse: everything was taken
  app.on('POST', ['/v1/traces'], ...spans.middleware, (c) =>
    c.body(new Uint8Array(), 200, { 'content-type': 'application/x-protobuf' }),
  )
  const Any = z.looseObject({})
  mlflowRoute(
    app,
    {
      method: 'post',
      path: traces3,
      summary: 'begin a trace; it is not kept',
      scope: 'ci',
      fields: z.object({ trace: Any.optional() }),
    },
    ({ trace = {} }) => Promise.resolve({ trace }),
  )
  for (const path of [`${traces3}/search`, `${traces2}/search`]) {
    mlflowRoute(app, { method: 'post', path, summary: 'traces: none', scope: 'viewer', fields: z.object({}) }, () =>
      Promise.resolve({}),
    )
  }
  mlflowRoute(
    app,
    {
      method: 'post',
      path: `${traces2}/delete-traces`,
      summary: 'delete traces: none',
      scope: 'ci',
      fields: z.object({}),
    },
    () => Promise.resolve({ traces_deleted: 0 }),
  )
  const one = { fields: z.object({ trace_id: text(200).optional() }), summary: 'a trace: none is kept' }
  const noTrace = ({ trace_id = '' }) =>
    Promise.reject(doesNotExist(`Trace with ID '${trace_id}' not found: this server keeps none.`))
  const paths = [
    ['get', `${traces3}/get`, 'viewer'],
    ['get', `${traces3}/batchGet`, 'viewer'],
    ['get', `${traces3}/{trace_id}`, 'viewer'],
    ['post', `${traces3}/{trace_id}/assessments`, 'ci'],
    ['patch', `${traces2}/{trace_id}/tags`, 'ci'],
    ['delete', `${traces2}/{trace_id}/tags`, 'ci'],
  ] as const
  for (const [method, path, scope] of paths) mlflowRoute(app, { method, path, scope, ...one }, noTrace)
}
