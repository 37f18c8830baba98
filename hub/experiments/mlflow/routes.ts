// Everything an MLflow client may ask for, as one application.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { endpointNotFound, type MlflowApp } from './answer.ts'
import { addArtifactRoutes } from './artifacts.ts'
import { addServerRoutes } from './server.ts'
import { addTraceRoutes } from './traces.ts'

export function mlflowRoutes(hub: Hub): MlflowApp {
  const app: MlflowApp = new OpenAPIHono<HubEnv>()
  addServerRoutes(app)
  addArtifactRoutes(app, hub)
  addTraceRoutes(app)
  endpointNotFound(app)
  return app
}
