// OpenLineage over HTTP: all events of this hub as JSON lines, and the schema of the facets they bring along.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { type Config, publicUrl } from '../../config.ts'
import { type HubEnv, modelsGranted, scoped } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import hub from '../../package.json' with { type: 'json' }
import { problems } from '../../problem.ts'
import { readEvents } from './event-log.ts'
import { facetsSchema, runEvent, type Teller } from './run-event.ts'

const eventsMax = 1_000
const facetsPath = '/v1/lineage/facets.json'
// a plain string, since hono would otherwise want an object for its body
const jsonLines: string = 'application/x-ndjson'

const events = createRoute({
  method: 'get',
  path: '/v1/lineage/openlineage',
  summary: 'Beginnings and ends of runs, registrations, evaluations and rollouts, as OpenLineage 2-0-2 RunEvents',
  description:
    'One JSON object a line, in the order in which they were committed. The Link header has the address to go on at: ' +
    'at the end of what there is it answers with nothing, until something happens.',
  ...scoped('viewer'),
  request: {
    query: z.object({
      /** The last seq that is known already (in the facet roost_node of each event). */
      after: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
      limit: z.coerce.number().int().min(1).max(eventsMax).default(200),
    }),
  },
  responses: {
    200: { description: 'JSON lines', content: { [jsonLines]: { schema: z.string() } } },
    ...problems(),
  },
})
const facets = createRoute({
  method: 'get',
  path: facetsPath,
  summary: 'The JSON schema of the facets that are Roost’s own',
  ...scoped('viewer'),
  responses: {
    200: { description: 'A JSON schema', content: { 'application/json': { schema: z.looseObject({}) } } },
    ...problems(),
  },
})

export const tellerOf = (config: Config): Teller => ({
  namespace: config.openLineage.namespace,
  producer: `urn:roost:hub:${hub.version}`,
  facetsUrl: `${publicUrl(config, config.httpPort)}${facetsPath}`,
})

export function openLineageRoutes({ database, config }: Pick<Hub, 'database' | 'config'>): OpenAPIHono<HubEnv> {
  const teller = tellerOf(config)
  return new OpenAPIHono<HubEnv>()
    .openapi(events, async (c) => {
      const { after, limit } = c.req.valid('query')
      const page = await readEvents(database, after, limit, modelsGranted(c))
      c.header('link', `</v1/lineage/openlineage?after=${page.last}&limit=${limit}>; rel="next"`)
      c.header('content-type', jsonLines)
      return c.body(page.events.map((facts) => `${JSON.stringify(runEvent(facts, teller))}\n`).join(''), 200)
    })
    .openapi(facets, (c) => c.json(facetsSchema(teller.facetsUrl), 200))
}
