// What a client asks of the server itself before it trusts it with anything.

import { createRoute, z } from '@hono/zod-openapi'
import { unscoped } from '../../governance/access.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'

/** Of the MLflow server that this one answers like; clients send what a server of this version understands. */
const mlflowVersion = '3.17.2'

const Text = { description: 'Text', content: { 'text/plain': { schema: z.string() } } }

export function addServerRoutes(app: MlflowApp): void {
  const texts = { '/health': 'OK', '/version': mlflowVersion }
  for (const [path, text] of Object.entries(texts)) {
    const summary = `MLflow: ${path.slice(1)} of the server`
    app.openapi(createRoute({ method: 'get', path, summary, ...unscoped(), responses: { 200: Text } }), (c) =>
      c.text(text, 200),
    )
  }
  const info = '/api/3.0/mlflow/server-info'
  mlflowRoute(
    app,
    { method: 'get', path: info, summary: 'what the server offers', scope: 'viewer', fields: z.object({}) },
    () =>
      Promise.resolve({
        store_type: 'SqlStore',
        workspaces_enabled: false,
        trace_archival_enabled: false,
        multipart_uploads_enabled: false,
        multipart_downloads_enabled: false,
      }),
  )
}
