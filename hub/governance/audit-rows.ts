// The audit log read as the bytes that are stored, for those who check them: a value that was tampered with may not
// even be one that the client can read as what it should be.

import { z } from 'zod'
import { BytesColumn, type Reader } from '../storage/database.ts'
import type { StoredLink } from './audit-chain.ts'

const rowsPerRead = 500

const Bytes = BytesColumn.nullable()
const Row = z.object({
  seq: z.string(),
  at: Bytes,
  actor: Bytes,
  action: Bytes,
  subject: Bytes,
  before: Bytes,
  after: Bytes,
  request_id: Bytes,
  hash: Bytes,
})
const columns = `CAST(seq AS TEXT) AS seq, ${[
  'at',
  'actor',
  'action',
  'subject',
  'before',
  'after',
  'request_id',
  'hash',
]
  .map((name) => `CAST(${name} AS BLOB) AS ${name}`)
  .join(', ')}`

/** The rows after `seq` in order of their numbers; without it also those that should not be, with numbers below 1. */
export async function* storedLinks(reader: Reader, seq?: number): AsyncGenerator<StoredLink, void, undefined> {
  for (let after = seq === undefined ? undefined : BigInt(seq); ; ) {
    const where = after === undefined ? '' : 'WHERE audit_log.seq > CAST(? AS INTEGER)'
    const rows = await reader.all(
      Row,
      `SELECT ${columns} FROM audit_log ${where} ORDER BY audit_log.seq LIMIT ${rowsPerRead}`,
      after === undefined ? [] : [String(after)],
    )
    for (const { request_id, seq, ...row } of rows) yield { ...row, seq: Buffer.from(seq), requestId: request_id }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsPerRead) return
    after = BigInt(last.seq)
  }
}

/** The hash of row `seq` as stored; undefined where it is not there. */
export async function storedHash(reader: Reader, seq: number): Promise<Uint8Array | undefined> {
  const row = await reader.first(
    z.object({ hash: Bytes }),
    'SELECT CAST(hash AS BLOB) AS hash FROM audit_log WHERE seq = ?',
    [seq],
  )
  return row?.hash ?? undefined
}

/** Which of the triggers that keep the log append-only are not there as the migration made them. */
export async function missingGuards(reader: Reader): Promise<string[]> {
  const rows = await reader.all(
    z.object({ name: z.string(), sql: z.string() }),
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'",
  )
  const guards = [
    ['audit_log_is_not_updated', /BEFORE UPDATE ON audit_log\s+BEGIN SELECT raise\(ABORT/],
    ['audit_log_is_not_deleted', /BEFORE DELETE ON audit_log\s+BEGIN SELECT raise\(ABORT/],
    ['audit_log_has_no_gap', /BEFORE INSERT ON audit_log\s+WHEN NEW.seq <> [^\n]+\s+BEGIN SELECT raise\(ABORT/],
  ] as const
  return guards
    .filter(([name, shape]) => !rows.some((row) => row.name === name && shape.test(row.sql)))
    .map(([name]) => name)
}
