// The audit log over HTTP: a page of it, all of it as JSON lines, whether it is whole, and its signed head to keep
// elsewhere. For admins, and for auditors: a token of role admin narrowed to `admin:audit`.

import { join } from 'node:path'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Hub } from '../hub.ts'
import { cursorKey, cursorOf, NextCursor, PageQuery } from '../page.ts'
import { notFound, problems } from '../problem.ts'
import { assertUnrestricted, type HubEnv, scoped } from './access.ts'
import { chainStart, type Head } from './audit-chain.ts'
import { readHeadFile, SignedHead } from './audit-head.ts'
import { type AuditRow, allChanges, changesAfter, latestChanges } from './audit-log.ts'
import { verifyAudit } from './audit-verify.ts'

export const AuditEntry = z
  .object({
    seq: z.number().int(),
    at: z.iso.datetime(),
    actor: z.string().openapi({ example: 'token:4kXb9TqL' }),
    action: z.string().openapi({ example: 'rollout.start' }),
    subject: z.string().openapi({ example: 'rollout:r-0mf2…' }),
    before: z.unknown(),
    after: z.unknown(),
    requestId: z.string().nullable(),
    hash: z.string(),
  })
  .openapi('AuditEntry')
export type AuditEntry = z.infer<typeof AuditEntry>

const Time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))
const Filter = z.object({
  actor: z.string().max(512).optional(),
  /** What the action begins with. */
  action: z.string().max(100).optional(),
  subject: z.string().max(512).optional(),
  from: Time.optional(),
  to: Time.optional(),
})
/** Rows that are verified in one answer, where it is piece by piece. */
const stretchMax = 100_000

const Row = z.coerce.number().int().nonnegative()
const Place = z.object({
  before: Row.optional().openapi({ description: 'only rows with a smaller number' }),
  after: Row.optional().openapi({
    description:
      'only rows with a greater number, and of these the ones that follow it, the way back to newer ones; `before` counts nothing then',
  }),
})
const AuditPage = z.object({
  changes: z.array(AuditEntry),
  next: NextCursor,
  newer: z.boolean().openapi({ description: 'whether the filter has rows that are newer than these' }),
})
/** What `roost audit verify` was told to find: the number of a row and its hash. */
export const KeptHead = z
  .string()
  .regex(/^[1-9][0-9]{0,14}:[0-9a-f]{64}$/, 'is <row>:<hash>')
  .transform((text): Head => {
    const [seq = '', hash = ''] = text.split(':')
    return { seq: Number(seq), hash: Buffer.from(hash, 'hex') }
  })
export const VerificationDocument = z
  .object({
    ok: z.boolean(),
    rows: z.number().int(),
    head: z.object({ seq: z.number().int(), hash: z.string() }),
    unsigned: z.number().int().nullable(),
    faults: z.array(z.object({ kind: z.string(), seq: z.number().nullable(), detail: z.string() })),
    faultsFound: z.number().int(),
    signed: SignedHead.nullable(),
    next: z.string().nullable().openapi({
      description:
        'where `limit` was given and there are further rows: what `after` goes on with. Null: the end was seen',
    }),
  })
  .openapi('AuditVerification')

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const list = createRoute({
  method: 'get',
  path: '/v1/audit',
  summary: 'What was changed, by whom, newest first',
  ...scoped('admin'),
  request: { query: PageQuery.extend(Filter.shape).extend(Place.shape) },
  responses: { 200: json(AuditPage, 'A page'), ...problems() },
})
const exported = createRoute({
  method: 'get',
  path: '/v1/audit/export',
  summary: 'The same as JSON lines, oldest first and to the end',
  ...scoped('admin'),
  request: { query: Filter },
  responses: {
    200: { description: 'An AuditEntry a line (application/jsonl)' },
    ...problems(),
  },
})
const verification = createRoute({
  method: 'get',
  path: '/v1/audit/verification',
  summary: 'Whether a row was altered, removed, inserted or moved, or the end cut off',
  ...scoped('admin'),
  request: {
    query: z.object({
      head: KeptHead.optional(),
      after: KeptHead.optional().openapi({
        description: 'only the rows that follow this one: the `next` of the stretch before',
      }),
      limit: z.coerce.number().int().min(1).max(stretchMax).optional().openapi({
        description: 'rows of a stretch, so that a long log is verified piece by piece; without it all of them',
      }),
    }),
  },
  responses: { 200: json(VerificationDocument, 'What was found'), ...problems() },
})
const head = createRoute({
  method: 'get',
  path: '/v1/audit/head',
  summary: 'The signed head, to keep where nobody of this machine can change it',
  ...scoped('admin'),
  responses: { 200: json(SignedHead, 'The head'), ...problems() },
})

export function auditRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const { database } = hub
  const keys = join(hub.config.dataDir, 'keys')
  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => {
      assertUnrestricted(c, tellsOfAll)
      const { limit, cursor, before = Number.MAX_SAFE_INTEGER, after, ...filter } = c.req.valid('query')
      const end = cursorKey(cursor, z.coerce.number().int().positive(), before)
      const items =
        after === undefined || cursor !== undefined
          ? await latestChanges(database, filter, end, limit)
          : (await changesAfter(database, filter, after, limit)).reverse()
      const [newest, oldest] = [items[0]?.seq, items.at(-1)?.seq]
      const newer = newest !== undefined && (await changesAfter(database, filter, newest, 1)).length > 0
      const older = oldest !== undefined && (await latestChanges(database, filter, oldest, 1)).length > 0
      const next = older ? cursorOf(String(oldest)) : null
      return c.json({ changes: items.map(showChange), next, newer }, 200)
    })
    .openapi(exported, (c) => {
      assertUnrestricted(c, tellsOfAll)
      const lines = jsonLines(allChanges(database, c.req.valid('query')))
      return c.body(ReadableStream.from(lines), 200, { 'content-type': 'application/jsonl' })
    })
    .openapi(verification, async (c) => {
      assertUnrestricted(c, tellsOfAll)
      const { head, after = chainStart, limit: rowsMax = Number.POSITIVE_INFINITY } = c.req.valid('query')
      const found = await readHeadFile(keys)
      const stretch = { after, rowsMax }
      const { isEnd, ...verified } = await verifyAudit(database, found, head === undefined ? [] : [head], stretch)
      const next = isEnd ? null : `${verified.head.seq}:${verified.head.hash}`
      return c.json({ ...verified, signed: typeof found === 'string' ? null : found, next }, 200)
    })
    .openapi(head, async (c) => {
      assertUnrestricted(c, tellsOfAll)
      const found = await readHeadFile(keys)
      if (typeof found === 'string') throw notFound('signed', 'head')
      return c.json(found, 200)
    })
}

const tellsOfAll = 'the log tells of all'

async function* jsonLines(rows: AsyncIterable<AuditRow>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const row of rows) yield Buffer.from(`${JSON.stringify(showChange(row))}\n`)
}

function showChange({ request_id, at, ...row }: AuditRow): AuditEntry {
  return { ...row, at: new Date(Math.abs(at) <= dateMsMax ? at : 0).toISOString(), requestId: request_id }
}

/** As far as a Date reaches; a row beyond was tampered with. */
const dateMsMax = 8_640_000_000_000_000
