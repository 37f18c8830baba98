// Everything the fleet offers over HTTP.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { bulkRoutes } from './bulk-routes.ts'
import { claimRoutes } from './claim-routes.ts'
import { deviceRoutes } from './device-routes.ts'
import type { Fleet } from './fleet.ts'
import { groupRoutes } from './group-routes.ts'
import { createRoster } from './roster.ts'
import { summaryRoutes } from './summary.ts'

export function fleetRoutes(hub: Hub, fleet: Fleet): OpenAPIHono<HubEnv> {
  const routes = new OpenAPIHono<HubEnv>()
  const roster = createRoster(hub.database)
  const parts = [
    claimRoutes(hub, fleet),
    bulkRoutes(hub, fleet, roster),
    deviceRoutes(hub, fleet, roster),
    groupRoutes(hub, fleet),
    summaryRoutes(hub, fleet, roster),
  ]
  for (const part of parts) routes.route('/', part)
  return routes
}
