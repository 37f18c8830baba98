// Everything the fleet offers over HTTP.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { claimRoutes } from './claim-routes.ts'
import { deviceRoutes } from './device-routes.ts'
import type { Fleet } from './fleet.ts'
import { groupRoutes } from './group-routes.ts'
import { summaryRoutes } from './summary.ts'

export function fleetRoutes(hub: Hub, fleet: Fleet): OpenAPIHono<HubEnv> {
  const routes = new OpenAPIHono<HubEnv>()
  const parts = [claimRoutes(hub, fleet), deviceRoutes(hub, fleet), groupRoutes(hub, fleet), summaryRoutes(hub, fleet)]
  for (const part of parts) routes.route('/', part)
  return routes
}
