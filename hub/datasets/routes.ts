// The routes of datasets: bring a snapshot, look at it, take it out, compare two, describe, delete.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { Name } from '@roost/shared/protocol/names.ts'
import type { Context } from 'hono'
import { etagOf, IfMatch } from '../etag.ts'
import { actorOf, type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { cursorKey, cutPage, NextCursor, PageQuery } from '../page.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { adoptSnapshot, receiveSnapshot } from './arrival.ts'
import { deleteDataset, deleteSnapshot, descriptionMax, Edit, editDataset, editSnapshot } from './changes.ts'
import { ColumnComparison, compareSnapshots, SchemaChanges } from './compare.ts'
import {
  DatasetDocument,
  SnapshotDocument,
  SnapshotSummary,
  showDataset,
  showSnapshot,
  summariseSnapshot,
} from './documents.ts'
import { mediaTypes, sendSnapshot } from './download.ts'
import {
  findDataset,
  findNumbered,
  listDatasets,
  listSnapshots,
  needSnapshot,
  type Snapshot,
  SnapshotReference,
} from './snapshots.ts'
import { type Format, formats } from './table.ts'

/** A name as any other, except where a route stands in its place. */
const DatasetName = Name.refine((name) => name !== 'compare', 'a dataset cannot be called compare')
const DatasetParams = z.object({ name: DatasetName })
const SnapshotParams = z.object({ name: DatasetName, version: z.coerce.number().int().positive().max(1_000_000_000) })
const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const binary = { type: 'string', format: 'binary' } as const
const bytes = Object.fromEntries(
  Object.values(mediaTypes).map((type) => [type, { schema: z.custom<ReadableStream>().openapi(binary) }]),
)
const editBody = { required: true, content: { 'application/json': { schema: Edit } } }

const push = createRoute({
  method: 'post',
  path: '/v1/datasets/{name}/snapshots',
  summary: 'Bring a snapshot: its file as the body',
  description:
    'CSV with a header, JSON lines, or Parquet; docs/datasets.md has the bounds. The same bytes again are the snapshot there is.',
  ...scoped('ci'),
  request: {
    params: DatasetParams,
    query: z.object({
      /** In place of the Content-Type. */
      format: z.enum(formats).optional(),
      /** The resumable upload that holds the file, in place of a body; with `format`. */
      upload: z
        .string()
        .regex(/^[0-9a-f]{32}$/, 'the id of an upload')
        .optional(),
      description: z.string().max(descriptionMax).default(''),
    }),
    body: { content: Object.fromEntries(Object.values(mediaTypes).map((type) => [type, { schema: binary }])) },
  },
  responses: {
    200: json(SnapshotDocument, 'These bytes were there already'),
    201: json(SnapshotDocument, 'The snapshot'),
    ...problems(),
  },
})
const compare = createRoute({
  method: 'get',
  path: '/v1/datasets/compare',
  summary: 'Two snapshots against each other: schema and drift',
  ...scoped('viewer'),
  request: { query: z.object({ from: SnapshotReference, to: SnapshotReference }) },
  responses: {
    200: json(
      z.object({
        from: SnapshotSummary,
        to: SnapshotSummary,
        schema: SchemaChanges,
        /** Those of the same name and type. */
        columns: z.array(ColumnComparison),
      }),
      'The comparison',
    ),
    ...problems(),
  },
})
const list = createRoute({
  method: 'get',
  path: '/v1/datasets',
  summary: 'Datasets by name',
  ...scoped('viewer'),
  request: { query: PageQuery },
  responses: { 200: json(z.object({ datasets: z.array(DatasetDocument), next: NextCursor }), 'A page'), ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/datasets/{name}',
  summary: 'One dataset',
  ...scoped('viewer'),
  request: { params: DatasetParams },
  responses: { 200: json(DatasetDocument, 'The dataset'), ...problems() },
})
const edit = createRoute({
  method: 'patch',
  path: '/v1/datasets/{name}',
  summary: 'Describe and tag a dataset',
  ...scoped('ci'),
  request: { params: DatasetParams, headers: IfMatch, body: editBody },
  responses: { 200: json(DatasetDocument, 'The dataset'), ...problems() },
})
const remove = createRoute({
  method: 'delete',
  path: '/v1/datasets/{name}',
  summary: 'Delete a dataset without snapshots',
  ...scoped('ci'),
  request: { params: DatasetParams, headers: IfMatch },
  responses: { 204: { description: 'Deleted' }, ...problems() },
})
const snapshots = createRoute({
  method: 'get',
  path: '/v1/datasets/{name}/snapshots',
  summary: 'Snapshots of a dataset, newest first',
  ...scoped('viewer'),
  request: { params: DatasetParams, query: PageQuery },
  responses: {
    200: json(z.object({ snapshots: z.array(SnapshotSummary), next: NextCursor }), 'A page'),
    ...problems(),
  },
})
const snapshot = createRoute({
  method: 'get',
  path: '/v1/datasets/{name}/snapshots/{version}',
  summary: 'One snapshot: schema and statistics',
  ...scoped('viewer'),
  request: { params: SnapshotParams },
  responses: { 200: json(SnapshotDocument, 'The snapshot'), ...problems() },
})
const content = createRoute({
  method: 'get',
  path: '/v1/datasets/{name}/snapshots/{version}/content',
  summary: 'Its bytes, or one range of them',
  ...scoped('viewer'),
  request: { params: SnapshotParams },
  responses: {
    200: { description: 'The file', content: bytes },
    206: { description: 'The range', content: bytes },
    304: { description: 'You have it' },
    ...problems(),
  },
})
const editOne = createRoute({
  method: 'patch',
  path: '/v1/datasets/{name}/snapshots/{version}',
  summary: 'Describe and tag a snapshot',
  ...scoped('ci'),
  request: { params: SnapshotParams, headers: IfMatch, body: editBody },
  responses: { 200: json(SnapshotDocument, 'The snapshot'), ...problems() },
})
const removeOne = createRoute({
  method: 'delete',
  path: '/v1/datasets/{name}/snapshots/{version}',
  summary: 'Delete a snapshot that no version, run or evaluation uses',
  ...scoped('ci'),
  request: { params: SnapshotParams, headers: IfMatch },
  responses: { 204: { description: 'Deleted' }, ...problems() },
})

/** The blob that a resumable upload of this actor has become.
 *  @throws Problem not-found, unfinished-upload */
export type TakeUpload = (actor: string, id: string) => Promise<string>

export function datasetRoutes(
  hub: Hub,
  takeUpload: TakeUpload = (_, id) => Promise.reject(notFound('upload', id)),
): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  const need = async (name: string) => {
    const row = await findDataset(database, name)
    if (row === undefined) throw notFound('dataset', name)
    return row
  }
  const needOne = async (name: string, version: number): Promise<Snapshot> => {
    const row = await findNumbered(database, name, version)
    if (row === undefined) throw notFound('snapshot', `${name}/${version}`)
    return row
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(push, async (c) => {
      const { name } = c.req.valid('param')
      const { format, upload, description } = c.req.valid('query')
      const type = c.req.header('content-type')
      const arrival = { dataset: name, format: format ?? formatOf(type), description, by: byOf(c) }
      const { snapshot, isNew } = await (upload === undefined
        ? receiveSnapshot(hub, arrival, c.req.raw.body)
        : adoptSnapshot(hub, arrival, await takeUpload(arrival.by.actor, upload)))
      c.header('location', `/v1/datasets/${name}/snapshots/${snapshot.version}`)
      c.header('etag', etagOf(snapshot))
      return c.json(showSnapshot(snapshot), isNew ? 201 : 200)
    })
    .openapi(compare, async (c) => {
      const query = c.req.valid('query')
      const from = await needSnapshot(database, query.from)
      const to = await needSnapshot(database, query.to)
      const comparison = await compareSnapshots(hub, from, to)
      return c.json({ from: summariseSnapshot(from), to: summariseSnapshot(to), ...comparison }, 200)
    })
    .openapi(list, async (c) => {
      const { limit, cursor } = c.req.valid('query')
      const rows = await listDatasets(database, cursorKey(cursor, Name, ''), limit + 1)
      const { items, next } = cutPage(rows, limit, ({ name }) => name)
      return c.json({ datasets: items.map(showDataset), next }, 200)
    })
    .openapi(show, async (c) => {
      const row = await need(c.req.valid('param').name)
      c.header('etag', etagOf(row))
      return c.json(showDataset(row), 200)
    })
    .openapi(edit, async (c) => {
      const { name } = c.req.valid('param')
      await editDataset(database, clock(), byOf(c), name, c.req.valid('json'), c.req.valid('header')['if-match'])
      const row = await need(name)
      c.header('etag', etagOf(row))
      return c.json(showDataset(row), 200)
    })
    .openapi(remove, async (c) => {
      await deleteDataset(database, clock(), byOf(c), c.req.valid('param').name, c.req.valid('header')['if-match'])
      return c.body(null, 204)
    })
    .openapi(snapshots, async (c) => {
      const { name } = c.req.valid('param')
      const { limit, cursor } = c.req.valid('query')
      await need(name)
      const before = cursorKey(cursor, z.coerce.number().int().positive(), Number.MAX_SAFE_INTEGER)
      const rows = await listSnapshots(database, name, before, limit + 1)
      const { items, next } = cutPage(rows, limit, ({ version }) => String(version))
      return c.json({ snapshots: items.map(summariseSnapshot), next }, 200)
    })
    .openapi(snapshot, async (c) => {
      const { name, version } = c.req.valid('param')
      const row = await needOne(name, version)
      c.header('etag', etagOf(row))
      return c.json(showSnapshot(row), 200)
    })
    .openapi(content, async (c) => {
      const { name, version } = c.req.valid('param')
      return sendSnapshot(c, hub, await needOne(name, version))
    })
    .openapi(editOne, async (c) => {
      const { name, version } = c.req.valid('param')
      const ifMatch = c.req.valid('header')['if-match']
      await editSnapshot(database, clock(), byOf(c), name, version, c.req.valid('json'), ifMatch)
      const row = await needOne(name, version)
      c.header('etag', etagOf(row))
      return c.json(showSnapshot(row), 200)
    })
    .openapi(removeOne, async (c) => {
      const { name, version } = c.req.valid('param')
      await deleteSnapshot(database, clock(), byOf(c), name, version, c.req.valid('header')['if-match'])
      return c.body(null, 204)
    })
}

const byOf = (c: Context<HubEnv>) => ({ actor: actorOf(c.get('principal')), requestId: c.get('requestId') })

/** @throws Problem unsupported-media-type */
function formatOf(contentType: string | undefined): Format {
  const type = contentType?.split(';')[0]?.trim().toLowerCase()
  const format = formats.find((known) => mediaTypes[known] === type)
  if (format !== undefined) return format
  throw new Problem(
    415,
    'unsupported-media-type',
    'The request cannot be read',
    `send the file as ${Object.values(mediaTypes).join(', ')}, or name its format (?format=${formats.join('|')})`,
    { field: 'Content-Type' },
  )
}
