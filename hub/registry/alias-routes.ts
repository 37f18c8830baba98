// Aliases over HTTP: list them, point one at a version, take one away.

import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { notFound, problems } from '../problem.ts'
import { Alias, aliasesOf } from './aliases.ts'
import { dropAlias, needModel, pointAlias } from './edit.ts'
import { askerOf } from './edit-routes.ts'
import { json, jsonBody, ModelParams } from './parameters.ts'

export const AliasDocument = z
  .object({
    alias: z.string(),
    version: z.number().int().positive(),
    changedBy: z.string(),
    changedAt: z.iso.datetime(),
  })
  .openapi('Alias')
export const AliasList = z.object({ aliases: z.array(AliasDocument) })

const params = z.object({ name: ModelName, alias: Alias })

const list = createRoute({
  method: 'get',
  path: '/v1/models/{name}/aliases',
  summary: 'Aliases of a model',
  ...scoped('viewer'),
  request: { params: ModelParams },
  responses: { 200: json(AliasList, 'All of them'), ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/models/{name}/aliases/{alias}',
  summary: 'Where an alias points',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(AliasDocument, 'The alias'), ...problems() },
})
const set = createRoute({
  method: 'put',
  path: '/v1/models/{name}/aliases/{alias}',
  summary: 'Point an alias at a version, from wherever it pointed',
  ...scoped('ci'),
  request: {
    params,
    ...jsonBody(z.strictObject({ version: z.number().int().positive().max(1_000_000_000) })),
  },
  responses: { 200: json(AliasDocument, 'The alias afterwards'), ...problems() },
})
const remove = createRoute({
  method: 'delete',
  path: '/v1/models/{name}/aliases/{alias}',
  summary: 'Take an alias away; its version stays',
  ...scoped('ci'),
  request: { params },
  responses: { 204: { description: 'It is gone' }, ...problems() },
})

export function addAliasRoutes(routes: OpenAPIHono<HubEnv>, { database, clock }: Hub): void {
  const all = async (name: string): Promise<z.infer<typeof AliasDocument>[]> => {
    await needModel(database, name)
    const rows = await aliasesOf(database, name)
    return rows.map(({ alias, version, changed_by, changed_at }) => ({
      alias,
      version,
      changedBy: changed_by,
      changedAt: new Date(changed_at).toISOString(),
    }))
  }
  const one = async (name: string, alias: string) => {
    const found = (await all(name)).find((row) => row.alias === alias)
    if (found === undefined) throw notFound('alias', `${name}@${alias}`)
    return found
  }
  routes
    .openapi(list, async (c) => c.json({ aliases: await all(c.req.valid('param').name) }, 200))
    .openapi(show, async (c) => {
      const { name, alias } = c.req.valid('param')
      return c.json(await one(name, alias), 200)
    })
    .openapi(set, async (c) => {
      const { name, alias } = c.req.valid('param')
      await pointAlias(database, name, alias, c.req.valid('json').version, clock(), askerOf(c))
      return c.json(await one(name, alias), 200)
    })
    .openapi(remove, async (c) => {
      const { name, alias } = c.req.valid('param')
      await dropAlias(database, name, alias, clock(), askerOf(c))
      return c.body(null, 204)
    })
}
