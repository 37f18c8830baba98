// Who is behind the tokens that the hub's documents name: `token:Ab3dEf9h` is an id, its name is what a person reads.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { type HubEnv, scoped } from './access.ts'
import { namesOfTokens } from './token-names.ts'

const actorsMax = 100

const Names = z.object({ names: z.record(z.string(), z.string()) }).openapi('ActorNames')

const list = createRoute({
  method: 'get',
  path: '/v1/actors',
  summary: 'The names of tokens, as they stand beside what they did; those that are unknown are left out',
  ...scoped('viewer'),
  request: {
    query: z.object({
      actors: z
        .string()
        .max(actorsMax * 60)
        .transform((text) => [...new Set(text.split(','))])
        .pipe(z.array(z.string().max(59)).max(actorsMax, `at most ${actorsMax} at a time`))
        .openapi({ type: 'string', description: 'separated by commas', example: 'token:Ab3dEf9h,token:4kXb9TqL' }),
    }),
  },
  responses: {
    200: { description: 'By actor', content: { 'application/json': { schema: Names } } },
    ...problems(),
  },
})

export function actorRoutes({ database }: Pick<Hub, 'database'>): OpenAPIHono<HubEnv> {
  return new OpenAPIHono<HubEnv>().openapi(list, async (c) => {
    const asked = new Set(c.req.valid('query').actors)
    const names = await namesOfTokens(database, [...asked])
    return c.json({ names: Object.fromEntries([...names].filter(([actor]) => asked.has(actor))) }, 200)
  })
}
