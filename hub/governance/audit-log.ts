// The audit log as it is read: filtered, newest first in pages, or oldest first to its end.

import { z } from 'zod'
import type { Reader, Value } from '../storage/database.ts'

export type AuditFilter = {
  actor?: string | undefined
  /** What the action begins with: `token.` */
  action?: string | undefined
  subject?: string | undefined
  /** Milliseconds since 1970: from here, and before there. */
  from?: number | undefined
  to?: number | undefined
}

/** JSON as it was written; text that is none was tampered with, and is shown as it is. */
const Json = z
  .string()
  .nullable()
  .transform((text): unknown => {
    if (text === null) return null
    try {
      return JSON.parse(text)
    } catch {
      return { unreadable: text }
    }
  })

export const AuditRow = z.object({
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  before: Json,
  after: Json,
  request_id: z.string().nullable(),
  hash: z.string(),
})
export type AuditRow = z.infer<typeof AuditRow>

/** Rows before `before`, newest first. */
export const latestChanges = (
  reader: Reader,
  filter: AuditFilter,
  before: number,
  limit: number,
): Promise<AuditRow[]> => select(reader, filter, 'seq < ?', before, 'DESC', limit)

/** The rows that follow `after`, the next of them first. */
export const changesAfter = (reader: Reader, filter: AuditFilter, after: number, limit: number): Promise<AuditRow[]> =>
  select(reader, filter, 'seq > ?', after, 'ASC', limit)

const rowsPerRead = 500

/** All rows, oldest first, as many as there are when their turn comes. */
export async function* allChanges(reader: Reader, filter: AuditFilter): AsyncGenerator<AuditRow, void, undefined> {
  for (let after = 0; ; ) {
    const rows = await select(reader, filter, 'seq > ?', after, 'ASC', rowsPerRead)
    yield* rows
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsPerRead) return
    after = last.seq
  }
}

/** Rows of a stretch of time that are sought by it. Of a longer one the newest are met soon enough on the way back. */
const soughtMax = 10_000

/** Whether the index of times leads to the rows sooner than going through them in order of their numbers. A clock may have
 *  been set back, so times tell no number where to begin. */
async function isShort(reader: Reader, { from, to }: AuditFilter): Promise<boolean> {
  if (from === undefined && to === undefined) return false
  const row = await reader.first(
    z.object({ rows: z.number() }),
    `SELECT count(*) AS rows FROM (SELECT 1 FROM audit_log WHERE at >= ? AND at < ? LIMIT ${soughtMax + 1})`,
    [from ?? Number.MIN_SAFE_INTEGER, to ?? Number.MAX_SAFE_INTEGER],
  )
  return row !== undefined && row.rows <= soughtMax
}

async function select(
  reader: Reader,
  filter: AuditFilter,
  place: string,
  seq: number,
  order: 'ASC' | 'DESC',
  limit: number,
): Promise<AuditRow[]> {
  const { actor, action, subject, from, to } = filter
  // with a plus no index is taken for it: of a long stretch all would be sorted
  const [index, time] = (await isShort(reader, filter)) ? ['INDEXED BY audit_log_by_time', 'at'] : ['', '+at']
  const conditions: [string, Value][] = [[place, seq]]
  if (actor !== undefined) conditions.push(['actor = ?', actor])
  // the last code point there is: everything that begins with the action is below it
  if (action !== undefined) conditions.push(['action >= ?', action], ['action < ?', `${action}\u{10ffff}`])
  if (subject !== undefined) conditions.push(['subject = ?', subject])
  if (from !== undefined) conditions.push([`${time} >= ?`, from])
  if (to !== undefined) conditions.push([`${time} < ?`, to])
  return reader.all(
    AuditRow,
    `SELECT seq, CAST(at AS REAL) AS at, actor, action, subject, before, after, request_id, lower(hex(hash)) AS hash
     FROM audit_log WHERE seq IN
       -- which rows first: an index has the numbers of those of an action, and to sort them takes no whole rows
       (SELECT seq FROM audit_log ${index} WHERE ${conditions.map(([condition]) => condition).join(' AND ')}
        ORDER BY seq ${order} LIMIT ?)
     ORDER BY seq ${order}`,
    [...conditions.map(([, value]) => value), limit],
  )
}
