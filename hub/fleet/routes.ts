// Everything the fleet offers over HTTP.

import { OpenAPIHono } from '@hono/zod-openapi'
import type { HubEnv } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { claimRoutes } from './claim-routes.ts'
import { deviceRoutes } from './device-routes.ts'
import type { Fleet } from './fleet.ts'
import { groupRoutes } from './group-routes.ts'

export function fleetRoutes(hub: Hub, fleet: Fleet): OpenAPIHono<HubEnv> {
  const routes = new OpenAPIHono<HubEnv>()
  for (const part of [claimRoutes(hub, fleet), deviceRoutes(hub, fleet), groupRoutes(hub, fleet)])
    routes.route('/', part)
  return routes
}
