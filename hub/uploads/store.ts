// Uploads in the database: made, advanced, finished, gone.

import { z } from 'zod'
import { auditStatements, type Change, writeAuditedIfChanged } from '../governance/audit.ts'
import { Problem } from '../problem.ts'
import type { Database, Reader, Statement } from '../storage/database.ts'

/** An upload that nobody goes on with is removed after a day. */
export const uploadKeptMs = 86_400_000
/** Uploads of one token that are not finished; each may take ROOST_UPLOAD_BYTES_MAX of disk. */
export const openUploadsMax = 16

const UploadRow = z
  .object({
    id: z.string(),
    principal: z.string(),
    size_bytes: z.number(),
    offset_bytes: z.number(),
    metadata: z.string(),
    digest: z.string().nullable(),
    expires_at: z.number(),
  })
  .transform(({ size_bytes, offset_bytes, expires_at, ...row }) => ({
    ...row,
    length: size_bytes,
    offset: offset_bytes,
    expiresAt: expires_at,
  }))
export type UploadRow = z.output<typeof UploadRow>

const columns = 'id, principal, size_bytes, offset_bytes, metadata, digest, expires_at'

/** Undefined also for one that is somebody else's. */
export function findUpload(reader: Reader, id: string, principal: string): Promise<UploadRow | undefined> {
  return reader.first(UploadRow, `SELECT ${columns} FROM uploads WHERE id = ? AND principal = ?`, [id, principal])
}

type By = Pick<Change, 'actor' | 'requestId'>

/** @throws Problem too-many-uploads */
export function insertUpload(
  database: Database,
  nowMs: number,
  by: By,
  upload: { id: string; length: number; metadata: string },
): Promise<void> {
  return database.exclusively(async (tx) => {
    const open = await tx.first(
      z.object({ n: z.number() }),
      'SELECT count(*) AS n FROM uploads WHERE principal = ? AND digest IS NULL',
      [by.actor],
    )
    if ((open?.n ?? 0) >= openUploadsMax) {
      throw new Problem(
        429,
        'too-many-uploads',
        'Too many uploads',
        `${openUploadsMax} of yours are not finished: finish or delete one, or wait a day`,
      )
    }
    const { id, length, metadata } = upload
    await tx.write([
      {
        sql: `INSERT INTO uploads (id, principal, size_bytes, metadata, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)`,
        args: [id, by.actor, length, metadata, nowMs, nowMs + uploadKeptMs],
      },
      ...(await auditStatements(tx, nowMs, [
        { ...by, action: 'upload.create', subject: `upload:${id}`, after: { length } },
      ])),
    ])
  })
}

export const advanceStatement = (id: string, offset: number, nowMs: number): Statement => ({
  sql: 'UPDATE uploads SET offset_bytes = ?, expires_at = ? WHERE id = ?',
  args: [offset, nowMs + uploadKeptMs, id],
})

/** It has become a blob; recorded once, however often it is found out. */
export async function finishUpload(
  database: Database,
  nowMs: number,
  by: By,
  id: string,
  digest: string,
): Promise<void> {
  const change = { ...by, action: 'upload.finish', subject: `upload:${id}`, after: { digest } }
  await writeAuditedIfChanged(database, nowMs, change, [
    {
      sql: 'UPDATE uploads SET digest = ?, expires_at = ? WHERE id = ? AND digest IS NULL',
      args: [digest, nowMs + uploadKeptMs, id],
    },
  ])
}

export function deleteUpload(database: Database, nowMs: number, by: By, id: string): Promise<void> {
  return database.exclusively(async (tx) => {
    await tx.write([
      { sql: 'DELETE FROM uploads WHERE id = ?', args: [id] },
      ...(await auditStatements(tx, nowMs, [{ ...by, action: 'upload.delete', subject: `upload:${id}` }])),
    ])
  })
}

const IdRow = z.object({ id: z.string() })

export async function listUploads(reader: Reader): Promise<string[]> {
  return (await reader.all(IdRow, 'SELECT id FROM uploads')).map(({ id }) => id)
}

/** Those that nobody went on with, at most `limit` of them. */
export async function listExpired(reader: Reader, nowMs: number, limit: number): Promise<string[]> {
  const rows = await reader.all(IdRow, 'SELECT id FROM uploads WHERE expires_at < ? LIMIT ?', [nowMs, limit])
  return rows.map(({ id }) => id)
}
