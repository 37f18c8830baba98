// Whether a model is sealed, over HTTP: an approver's decision.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { needModel } from '../registry/edit.ts'
import { askerOf } from '../registry/edit-routes.ts'
import { json, jsonBody, ModelParams } from '../registry/parameters.ts'
import { isSealed, setSealed } from './sealed-models.ts'

export const SealingDocument = z.object({ model: z.string(), sealed: z.boolean() }).openapi('Sealing')

const show = createRoute({
  method: 'get',
  path: '/v1/models/{name}/sealing',
  summary: 'Whether the next versions of a model are sealed',
  ...scoped('viewer'),
  request: { params: ModelParams },
  responses: { 200: json(SealingDocument, 'Whether they are'), ...problems() },
})
const put = createRoute({
  method: 'put',
  path: '/v1/models/{name}/sealing',
  summary: 'Seal the versions that are registered from now on, or no longer',
  ...scoped('approver'),
  request: { params: ModelParams, ...jsonBody(z.strictObject({ sealed: z.boolean() })) },
  responses: { 200: json(SealingDocument, 'Whether they are, afterwards'), ...problems() },
})

export function addSealingRoutes(routes: OpenAPIHono<HubEnv>, { database, clock }: Hub): void {
  routes
    .openapi(show, async (c) => {
      const { name } = c.req.valid('param')
      await needModel(database, name)
      return c.json({ model: name, sealed: await isSealed(database, name) }, 200)
    })
    .openapi(put, async (c) => {
      const { name } = c.req.valid('param')
      const { sealed } = c.req.valid('json')
      await setSealed(database, name, sealed, clock(), askerOf(c))
      return c.json({ model: name, sealed }, 200)
    })
}
