// What changed, who changed it, under which request: recorded in the transaction that makes the change, chained to
// the record before (audit-chain.ts). A change that is not recorded is not made, and none is recorded that is not made.

import assert from 'node:assert'
import type { Context } from 'hono'
import { z } from 'zod'
import { BytesColumn, type Database, type Reader, type Statement } from '../storage/database.ts'
import { actorOf, type HubEnv } from './access.ts'
import { chainStart, type Head, linkHash } from './audit-chain.ts'
import { recordedText, recordedValue } from './audit-values.ts'

/** `action` is '<noun>.<verb>' ('alias.set'), `subject` '<kind>:<name>' ('model:vibration', 'version:vibration/7').
 *  `before` and `after` are kept as JSON: secrets are blanked, long values cut (audit-values.ts). */
export type Change = {
  actor: string
  action: string
  subject: string
  before?: unknown
  after?: unknown
  requestId?: string | undefined
}

/** The records of `changes`, to be written beside the statements that make them, in the one `tx.write()` of a
 *  transaction that reads first. Once per transaction: a second call would chain to the same row, and is refused. */
export async function auditStatements(tx: Reader, nowMs: number, changes: readonly Change[]): Promise<Statement[]> {
  if (changes.length === 0) return []
  let head = await readHead(tx)
  return changes.map((change) => {
    const { statement, next } = chained(head, nowMs, change)
    head = next
    return statement
  })
}

/** Makes and records a change in one transaction; rows affected of each of `statements`. It is recorded even where they
 *  affect no row: where that may happen, read first in `exclusively` and use `auditStatements`. */
export function writeAudited(
  database: Database,
  nowMs: number,
  changes: readonly Change[],
  statements: readonly Statement[],
): Promise<number[]> {
  return database.exclusively(async (tx) => {
    const affected = await tx.write([...statements, ...(await auditStatements(tx, nowMs, changes))])
    return affected.slice(0, statements.length)
  })
}

/** As `writeAudited` for one change, recorded only where the first of `statements` changes a row: an edit of a revision
 *  that is gone, a revocation of what is revoked already, are none. */
export function writeAuditedIfChanged(
  database: Database,
  nowMs: number,
  change: Change,
  statements: readonly [Statement, ...Statement[]],
): Promise<number[]> {
  return database.exclusively(async (tx) => {
    const [first, ...others] = statements
    const records = (await auditStatements(tx, nowMs, [change])).map(onlyIfChanged)
    const affected = await tx.write([first, ...records, ...others])
    return affected.toSpliced(1, records.length)
  })
}

/** The record of the change that the statement right before it makes, if it makes one. */
export const onlyIfChanged = ({ args = [] }: Statement): Statement => ({
  sql: `INSERT INTO audit_log (${columns}) SELECT ${places} WHERE changes() > 0`,
  args,
})

/** A change by whoever asks: `changeBy(c, 'alias.set', 'model:x', { before, after })`. Behind `scoped` only. */
export function changeBy(
  c: Context<HubEnv>,
  action: string,
  subject: string,
  values: { before?: unknown; after?: unknown } = {},
): Change {
  return { actor: actorOf(c.get('principal')), action, subject, ...values, requestId: c.get('requestId') }
}

const columns = 'seq, at, actor, action, subject, before, after, request_id, hash'
const places = '?, ?, ?, ?, ?, ?, ?, ?, ?'

const HeadRow = z.object({ seq: z.number(), hash: BytesColumn })

/** The last row of the log, or the start of the chain. */
export async function readHead(reader: Reader): Promise<Head> {
  return (await reader.first(HeadRow, 'SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1')) ?? chainStart
}

function chained(head: Head, nowMs: number, change: Change): { statement: Statement; next: Head } {
  assert(/^[a-z][a-z_-]*\.[a-z][a-z_-]*$/.test(change.action), `${change.action} is not <noun>.<verb>`)
  const seq = head.seq + 1
  const at = Math.round(nowMs)
  const text = {
    actor: recordedText(change.actor),
    action: change.action,
    subject: recordedText(change.subject),
    before: recordedValue(change.before),
    after: recordedValue(change.after),
    requestId: change.requestId === undefined ? null : recordedText(change.requestId),
  }
  const hash = linkHash(head.hash, {
    seq: Buffer.from(String(seq)),
    at: Buffer.from(String(at)),
    actor: Buffer.from(text.actor),
    action: Buffer.from(text.action),
    subject: Buffer.from(text.subject),
    before: bytesOf(text.before),
    after: bytesOf(text.after),
    requestId: bytesOf(text.requestId),
  })
  noteWritten(hash)
  return {
    statement: {
      sql: `INSERT INTO audit_log (${columns}) VALUES (${places})`,
      args: [seq, at, text.actor, text.action, text.subject, text.before, text.after, text.requestId, hash],
    },
    next: { seq, hash },
  }
}

const bytesOf = (text: string | null): Uint8Array | null => (text === null ? null : Buffer.from(text))

/** Hashes of rows made in this process, the newest last. A head is signed every second: this is hours of changes. */
const writtenHere = new Set<string>()
const writtenKept = 50_000

function noteWritten(hash: Uint8Array): void {
  writtenHere.add(Buffer.from(hash).toString('base64'))
  if (writtenHere.size <= writtenKept) return
  const [oldest = ''] = writtenHere
  writtenHere.delete(oldest)
}

/** Whether this process made the row: another that appears in its log was put there behind its back. */
export const isWrittenHere = (hash: Uint8Array): boolean => writtenHere.has(Buffer.from(hash).toString('base64'))
