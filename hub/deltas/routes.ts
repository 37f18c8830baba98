// What devices download of a version when they have an earlier one: the patches there are, over HTTP.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { json, VersionParams, versionOf } from '../registry/parameters.ts'
import { patchesTo } from './store.ts'

const Delta = z.object({
  variant: z.string(),
  from: z.number().int(),
  fromVariant: z.string(),
  /** Of the patch, and of the model's file that it stands for. */
  sizeBytes: z.number().int(),
  wholeBytes: z.number().int(),
})
export const DeltaList = z.object({ deltas: z.array(Delta) })

const list = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/deltas',
  summary: 'Patches that lead to the files of a version, from those of others, newest first; the newest 200',
  ...scoped('viewer'),
  request: { params: VersionParams },
  responses: { 200: json(DeltaList, 'Those that were made and are kept'), ...problems() },
})

export function addDeltaRoutes(routes: OpenAPIHono<HubEnv>, { database }: Pick<Hub, 'database'>): void {
  routes.openapi(list, async (c) => {
    const { model, version } = await versionOf(database, c.req.valid('param'))
    return c.json({ deltas: await patchesTo(database, model, version) }, 200)
  })
}
