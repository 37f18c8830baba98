// The dry run's route: what a rollout would be, of the body that would start it.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { actorOf, type HubEnv, mayTouchModel, scoped } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { problems } from '../../problem.ts'
import type { FleetLink } from '../looks.ts'
import { NewRollout } from './plan.ts'
import { membersShownMax, Preview, previewRollout } from './preview.ts'
import { rolloutId } from './rollout-id.ts'

const plan = createRoute({
  method: 'post',
  path: '/v1/rollouts/plan',
  summary: 'Try a plan dry: who would be in which stage and why, how long, how many bytes, what its gates could see',
  ...scoped('viewer'),
  request: {
    query: z.object({
      members: z.coerce.number().int().min(0).max(membersShownMax).default(membersShownMax).openapi({
        description: 'so many devices are named, the first of the line; all are counted',
      }),
    }),
    body: { required: true, content: { 'application/json': { schema: NewRollout } } },
  },
  responses: {
    200: { description: 'What would happen; nothing is stored', content: { 'application/json': { schema: Preview } } },
    ...problems(),
  },
})

export function planRoutes(hub: Hub, fleet: Pick<FleetLink, 'isConnected'>): OpenAPIHono<HubEnv> {
  return new OpenAPIHono<HubEnv>().openapi(plan, async (c) => {
    const wanted = c.req.valid('json')
    mayTouchModel(c, wanted.model)
    const asker = {
      starters: [actorOf(c.get('principal'))],
      approvedStages: 0,
      mayTouch: (model: string) => mayTouchModel(c, model),
      isConnected: (device: string) => fleet.isConnected(device),
    }
    const id = wanted.id ?? rolloutId(hub)
    const { members } = c.req.valid('query')
    return c.json(await previewRollout(hub.database, id, wanted, asker, hub.clock(), members), 200)
  })
}
