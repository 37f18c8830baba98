// Everything an MLflow client may ask for, as one application.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import type { Registrar } from '../../registry/registrar.ts'
import { endpointNotFound, type MlflowApp } from './answer.ts'
import { addArtifactRoutes } from './artifacts.ts'
import { addExperimentRoutes } from './experiment-routes.ts'
import { addHistoryRoutes } from './history-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addLoggedModelRoutes } from './logged-models.ts'
import { addModelVersionRoutes } from './model-versions.ts'
import { addRegisteredModelRoutes } from './registered-models.ts'
import { addRunRoutes } from './run-routes.ts'
import { addServerRoutes } from './server.ts'
import { addTraceRoutes } from './traces.ts'

export function mlflowRoutes(hub: Hub, registrar: Registrar): MlflowApp {
  const app: MlflowApp = new OpenAPIHono<HubEnv>()
  addServerRoutes(app)
  addExperimentRoutes(app, hub)
  addRunRoutes(app, hub)
  addLogRoutes(app, hub)
  addHistoryRoutes(app, hub)
  addArtifactRoutes(app, hub)
  addLoggedModelRoutes(app, hub)
  addRegisteredModelRoutes(app, hub)
  addModelVersionRoutes(app, hub, registrar)
  addTraceRoutes(app)
  endpointNotFound(app)
  return app
}
