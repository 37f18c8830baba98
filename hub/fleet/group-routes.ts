// Groups over HTTP: name a label query, see who is in it now.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { DeviceId, Name } from '@roost/shared/protocol/names.ts'
import { assertUnchanged, changedSince, etagOf, IfMatch } from '../etag.ts'
import { actorOf, type HubEnv, scoped } from '../governance/access.ts'
import { auditStatements, changeBy, writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { listDevices } from './devices.ts'
import {
  DeviceDocument,
  GroupDocument,
  json,
  jsonBody,
  QueryText,
  readQuery,
  showDevice,
  showGroup,
} from './documents.ts'
import type { Fleet } from './fleet.ts'
import { deleteGroup, findGroup, type GroupRow, insertGroup, listGroups, queryOf, updateGroup } from './groups.ts'

const params = z.object({ name: Name })
const Description = z.string().max(500)
const NewGroup = z.strictObject({ name: Name, query: QueryText, description: Description.default('') })
const GroupEdit = z.strictObject({ query: QueryText.optional(), description: Description.optional() })

const create = createRoute({
  method: 'post',
  path: '/v1/groups',
  summary: 'Name a label query',
  ...scoped('operator'),
  request: jsonBody(NewGroup),
  responses: { 201: json(GroupDocument, 'The group'), ...problems() },
})
const list = createRoute({
  method: 'get',
  path: '/v1/groups',
  summary: 'Groups by name',
  ...scoped('viewer'),
  request: { query: PageQuery },
  responses: { 200: json(z.object({ groups: z.array(GroupDocument), next: NextCursor }), 'A page'), ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/groups/{name}',
  summary: 'One group',
  ...scoped('viewer'),
  request: { params },
  responses: { 200: json(GroupDocument, 'The group'), ...problems() },
})
const members = createRoute({
  method: 'get',
  path: '/v1/groups/{name}/devices',
  summary: 'The devices its query holds for now',
  ...scoped('viewer'),
  request: { params, query: PageQuery },
  responses: { 200: json(z.object({ devices: z.array(DeviceDocument), next: NextCursor }), 'A page'), ...problems() },
})
const edit = createRoute({
  method: 'patch',
  path: '/v1/groups/{name}',
  summary: 'Change its query or description; rollouts that have started keep the devices they have',
  ...scoped('operator'),
  request: { params, headers: IfMatch, ...jsonBody(GroupEdit) },
  responses: { 200: json(GroupDocument, 'The group afterwards'), ...problems() },
})
const remove = createRoute({
  method: 'delete',
  path: '/v1/groups/{name}',
  summary: 'Forget the name; devices and rollouts stay as they are',
  ...scoped('operator'),
  request: { params },
  responses: { 204: { description: 'It is gone' }, ...problems() },
})

export function groupRoutes(hub: Hub, fleet: Pick<Fleet, 'isConnected'>): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  const known = async (name: string): Promise<GroupRow> => {
    const row = await findGroup(database, name)
    if (row === undefined) throw notFound('group', name)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const group = c.req.valid('json')
      readQuery(group.query)
      const change = changeBy(c, 'group.create', `group:${group.name}`, { after: contentOf(group) })
      const by = actorOf(c.get('principal'))
      const [made] = await writeAuditedIfChanged(database, clock(), change, [insertGroup({ ...group, by }, clock())])
      if (made === 0) {
        throw new Problem(409, 'group-exists', 'There is such a group', `${group.name} is taken`, { field: 'name' })
      }
      const row = await known(group.name)
      c.header('location', `/v1/groups/${group.name}`)
      c.header('etag', etagOf(row))
      return c.json(showGroup(row), 201)
    })
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const rows = await listGroups(database, cursorKey(cursor, Name, ''), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ name }) => name)
      return c.json({ groups: items.map(showGroup), next }, 200)
    })
    .openapi(show, async (c) => {
      const row = await known(c.req.valid('param').name)
      c.header('etag', etagOf(row))
      return c.json(showGroup(row), 200)
    })
    .openapi(members, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const query = queryOf(await known(c.req.valid('param').name))
      const after = cursorKey(cursor, DeviceId, '')
      const rows = await listDevices(database, { query, revoked: false }, after, limit + 1)
      const { items, next } = cutPage(rows, limit, ({ id }) => id)
      return c.json({ devices: items.map((row) => showDevice(row, fleet.isConnected(row.id), clock())), next }, 200)
    })
    .openapi(edit, async (c) => {
      const wanted = c.req.valid('json')
      if (wanted.query !== undefined) readQuery(wanted.query)
      const before = await known(c.req.valid('param').name)
      assertUnchanged(before, c.req.valid('header')['if-match'])
      const after = {
        name: before.name,
        query: wanted.query ?? before.query,
        description: wanted.description ?? before.description,
        by: actorOf(c.get('principal')),
      }
      const values = { before: contentOf(before), after: contentOf(after) }
      const change = changeBy(c, 'group.edit', `group:${before.name}`, values)
      const [changed] = await writeAuditedIfChanged(database, clock(), change, [
        updateGroup(after, before.revision, clock()),
      ])
      const row = await known(before.name)
      if (changed === 0) throw changedSince(row)
      c.header('etag', etagOf(row))
      return c.json(showGroup(row), 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      await database.exclusively(async (tx) => {
        const row = await findGroup(tx, name)
        if (row === undefined) throw notFound('group', name)
        const change = changeBy(c, 'group.delete', `group:${name}`, { before: contentOf(row) })
        await tx.write([deleteGroup(name), ...(await auditStatements(tx, clock(), [change]))])
      })
      return c.body(null, 204)
    })
}

const contentOf = ({ query, description }: Pick<GroupRow, 'query' | 'description'>) => ({ query, description })
