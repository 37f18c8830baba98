// Sessions begin and end here: with a token, or with a code that a token made, which signs in once.

import { z } from 'zod'
import { auditStatements } from '../governance/audit.ts'
import { findToken, TokenRow } from '../governance/tokens.ts'
import type { Hub } from '../hub.ts'
import { BytesColumn } from '../storage/database.ts'
import { hashId, sessionMs } from './session.ts'

type Parts = Pick<Hub, 'database' | 'clock' | 'random'>

/** The oldest ends when one more begins. */
const sessionsPerTokenMax = 50
/** Long enough to start a browser. */
const codeMs = 600_000
const codesPerTokenMax = 20

export type Credential = { token: string } | { code: string }
export type Begun = { id: string; token: TokenRow; expiresAt: number }

/** Begins a session under a new id; `previous`, the one the browser had, ends. Undefined where the credential is none. */
export async function beginSession(
  hub: Parts,
  credential: Credential,
  previous: string | undefined,
  requestId: string,
): Promise<Begun | undefined> {
  const { database, clock, random } = hub
  const given = 'token' in credential ? await findToken(hub, credential.token) : undefined
  if ('token' in credential && given === undefined) return undefined
  const id = Buffer.from(random(32)).toString('base64url')
  const nowMs = clock()
  return database.exclusively(async (tx) => {
    const code = 'code' in credential ? hashId(credential.code) : undefined
    const token = code === undefined ? given : await tx.first(TokenRow, tokenOfCode, [code, nowMs])
    if (token === undefined) return undefined
    const expiresAt = nowMs + sessionMs
    const actor = `token:${token.id}`
    await tx.write([
      ...(code === undefined ? [] : [{ sql: 'DELETE FROM sign_in_codes WHERE sha256 = ?', args: [code] }]),
      ...(previous === undefined ? [] : [{ sql: 'DELETE FROM sessions WHERE sha256 = ?', args: [hashId(previous)] }]),
      { sql: 'DELETE FROM sessions WHERE expires_at <= ?', args: [nowMs] },
      {
        sql: `DELETE FROM sessions WHERE sha256 IN
                (SELECT sha256 FROM sessions WHERE token = ? ORDER BY created_at DESC LIMIT -1 OFFSET ?)`,
        args: [token.id, sessionsPerTokenMax - 1],
      },
      {
        sql: 'INSERT INTO sessions (sha256, token, created_at, expires_at) VALUES (?, ?, ?, ?)',
        args: [hashId(id), token.id, nowMs, expiresAt],
      },
      ...(await auditStatements(tx, nowMs, [{ actor, action: 'session.begin', subject: actor, requestId }])),
    ])
    return { id, token, expiresAt }
  })
}

/** The token of a code that was not used yet; a code ends with the token that made it. */
const tokenOfCode = `SELECT tokens.* FROM sign_in_codes JOIN tokens ON tokens.id = sign_in_codes.token
  WHERE sign_in_codes.sha256 = ?1 AND sign_in_codes.expires_at > ?2
    AND tokens.revoked_at IS NULL AND (tokens.expires_at IS NULL OR tokens.expires_at > ?2)`

/** Ends a session, if there is one. */
export async function endSession({ database, clock }: Parts, id: string, requestId: string): Promise<void> {
  const sha256 = hashId(id)
  await database.exclusively(async (tx) => {
    const row = await tx.first(z.object({ token: z.string() }), 'SELECT token FROM sessions WHERE sha256 = ?', [sha256])
    if (row === undefined) return
    const actor = `token:${row.token}`
    await tx.write([
      { sql: 'DELETE FROM sessions WHERE sha256 = ?', args: [sha256] },
      ...(await auditStatements(tx, clock(), [{ actor, action: 'session.end', subject: actor, requestId }])),
    ])
  })
}

/** A code that signs in once as the token, within ten minutes. */
export async function makeCode(
  { database, clock, random }: Parts,
  token: string,
  requestId: string,
): Promise<{ code: string; expiresAt: number }> {
  const code = Buffer.from(random(32)).toString('base64url')
  const nowMs = clock()
  const expiresAt = nowMs + codeMs
  const actor = `token:${token}`
  await database.exclusively(async (tx) => {
    const codes = await tx.all(
      z.object({ sha256: BytesColumn }),
      'SELECT sha256 FROM sign_in_codes WHERE token = ? ORDER BY expires_at DESC LIMIT -1 OFFSET ?',
      [token, codesPerTokenMax - 1],
    )
    await tx.write([
      { sql: 'DELETE FROM sign_in_codes WHERE expires_at <= ?', args: [nowMs] },
      ...codes.map(({ sha256 }) => ({ sql: 'DELETE FROM sign_in_codes WHERE sha256 = ?', args: [sha256] })),
      {
        sql: 'INSERT INTO sign_in_codes (sha256, token, expires_at) VALUES (?, ?, ?)',
        args: [hashId(code), token, expiresAt],
      },
      ...(await auditStatements(tx, nowMs, [{ actor, action: 'session.invite', subject: actor, requestId }])),
    ])
  })
  return { code, expiresAt }
}
