// Everything an MLflow client may ask for, as one application.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { endpointNotFound, type MlflowApp } from './answer.ts'
import { addServerRoutes } from './server.ts'

export function mlflowRoutes(_hub: Hub): MlflowApp {
  const app: MlflowApp = new OpenAPIHono<HubEnv>()
  addServerRoutes(app)
  endpointNotFound(app)
  return app
}
