// Lineage over HTTP: the graph around a node, the devices a node leads to, what a device served in the past.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { DeviceId, Name } from '@roost/shared/protocol/names.ts'
import { type HubEnv, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { detailsOf } from './details.ts'
import { devicePage, servingCounts } from './devices.ts'
import { DevicesOf, directions, History, Lineage } from './documents.ts'
import { readHistory } from './history.ts'
import { nodeLengthMax, nodeText, resolveNode } from './nodes.ts'
import { traceLineage, versionsOf } from './trace.ts'

const depthMax = 16
const nodesMax = 2_000

const Node = z.string().min(3).max(nodeLengthMax).openapi({ example: 'version:vibration/7' })
const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const lineage = createRoute({
  method: 'get',
  path: '/v1/lineage',
  summary: 'What a thing was made of, and what became of it',
  description:
    'Nodes are `dataset:<digest>` (or `<name>/<number>`, or `<name>`), `run:<id>`, `version:<model>/<number>` (or ' +
    '`<model>@<alias>`), `manifest:<digest>`, `evaluation:<id>`, `approval:<id>`, `rollout:<id>`, `device:<id>`.',
  ...scoped('viewer'),
  request: {
    query: z.object({
      node: Node,
      direction: z.enum(directions).default('both'),
      depth: z.coerce.number().int().min(1).max(depthMax).default(8),
      nodes: z.coerce.number().int().min(1).max(nodesMax).default(500),
    }),
  },
  responses: { 200: json(Lineage, 'Nodes and edges, nearest first, and where they were cut'), ...problems() },
})
const devices = createRoute({
  method: 'get',
  path: '/v1/lineage/devices',
  summary: 'Which devices run something made of a dataset or a run, or a version, or what a rollout brought',
  ...scoped('viewer'),
  request: {
    query: PageQuery.extend({
      node: Node,
      state: z.enum(['running', 'ever']).default('running'),
      /** Of a dataset: only what it was used for in this role, e.g. training. */
      role: Name.optional(),
    }),
  },
  responses: { 200: json(DevicesOf, 'A page'), ...problems() },
})
const history = createRoute({
  method: 'get',
  path: '/v1/lineage/devices/{id}/history',
  summary: 'What a device has served, and when',
  ...scoped('viewer'),
  request: { params: z.object({ id: DeviceId }) },
  responses: { 200: json(History, 'Stretches of time, oldest first'), ...problems() },
})

const DeviceKey = z
  .string()
  .transform((text) => text.split(' '))
  .pipe(z.tuple([z.string(), z.string(), z.string()]))

export function lineageRoutes({ database }: Pick<Hub, 'database'>): OpenAPIHono<HubEnv> {
  return new OpenAPIHono<HubEnv>()
    .openapi(lineage, async (c) => {
      const { node, direction, depth, nodes } = c.req.valid('query')
      const root = await resolveNode(database, node)
      return c.json(await traceLineage(database, root, direction, { depth, nodes }, modelsGranted(c)), 200)
    })
    .openapi(devices, async (c) => {
      const { node, state, role, limit, cursor } = c.req.valid('query')
      const root = await resolveNode(database, node)
      const { versions, rollout, cut } = await versionsOf(database, root, role, modelsGranted(c))
      const query = { versions, rollout, running: state === 'running' }
      const rows = await devicePage(database, query, cursorKey(cursor, DeviceKey, ['', '', '']), limit + 1)
      const { items, next } = cutPage(rows, limit, (row) => `${row.device} ${row.deployment} ${row.manifest}`)
      return c.json(
        {
          node: nodeText(root),
          versions: versions.map(({ name }) => name).sort(),
          versionsCut: cut,
          counts: await servingCounts(database, { versions, rollout }),
          devices: items.map((row) => ({
            device: row.device,
            deployment: row.deployment,
            version: `${row.model}/${row.version}`,
            variant: row.variant,
            manifest: row.manifest,
            state: row.state,
            running: row.running,
            since: row.ran_at === null ? null : new Date(row.ran_at).toISOString(),
          })),
          next,
        },
        200,
      )
    })
    .openapi(history, async (c) => {
      const { id } = c.req.valid('param')
      if (!(await detailsOf(database, [{ kind: 'device', name: id }])).has(`device:${id}`)) throw notFound('device', id)
      return c.json({ device: id, ...(await readHistory(database, id, modelsGranted(c))) }, 200)
    })
}
