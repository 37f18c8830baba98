// How requests go: counted and timed by route, and told in the log at level debug. Never a header or a body.

import type { MiddlewareHandler } from 'hono'
import { routePath } from 'hono/route'
import { Counter, Histogram, type Registry } from 'prom-client'
import type { HubEnv } from './governance/access.ts'

/** The metrics of one application. Labels are routes, not paths: their number is the number of routes. */
export function watchRequests(registry: Registry): MiddlewareHandler<HubEnv> {
  const registers = [registry]
  const labelNames = ['method', 'route', 'status']
  const requests = new Counter({ name: 'roost_http_requests_total', help: 'Requests answered', labelNames, registers })
  const seconds = new Histogram({
    name: 'roost_http_request_seconds',
    help: 'Time to the head of the answer',
    labelNames: ['method', 'route'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers,
  })
  return async (c, next) => {
    const startedMs = performance.now()
    await next()
    const elapsedMs = performance.now() - startedMs
    const { method } = c.req
    const { status } = c.res
    // the last that matched: the route itself, or '/*' where there is none
    const route = routePath(c, -1)
    requests.inc({ method: known.has(method) ? method : 'other', route, status })
    seconds.observe({ method: known.has(method) ? method : 'other', route }, elapsedMs / 1000)
    c.get('hub').log.debug({ requestId: c.get('requestId'), method, path: c.req.path, status, elapsedMs }, 'request')
  }
}

const known = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
