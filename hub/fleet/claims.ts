// Claim tokens: what a new device shows at enrolment. A claim has a number of uses, an end and the labels its devices
// get; the token is shown once and kept as its sha256.

import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Random } from '../hub.ts'
import { BytesColumn, jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { Labels } from './labels.ts'

export const claimUsesMax = 100_000

export const ClaimRow = z.object({
  id: z.string(),
  token_sha256: BytesColumn,
  labels: jsonColumn(Labels),
  uses_max: z.number().int(),
  uses: z.number().int(),
  created_by: z.string(),
  created_at: z.number().int(),
  expires_at: z.number().int(),
  revoked_at: z.number().int().nullable(),
})
export type ClaimRow = z.infer<typeof ClaimRow>

export type NewClaim = { labels: Labels; usesMax: number; expiresAt: number; by: string }

/** `roostclaim_<id>_<256 random bits>`; only the id can be read in lists and logs. */
export type ClaimToken = { id: string; token: string }

export function makeClaimToken(random: Random): ClaimToken {
  const id = Buffer.from(random(6)).toString('hex')
  return { id, token: `roostclaim_${id}_${Buffer.from(random(32)).toString('base64url')}` }
}

export function insertClaim({ id, token }: ClaimToken, claim: NewClaim, nowMs: number): Statement {
  return {
    sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
    args: [id, hashToken(token), JSON.stringify(claim.labels), claim.usesMax, claim.by, nowMs, claim.expiresAt],
  }
}

/** The claim of a token that is one of ours, whatever became of it since. */
export async function findClaim(reader: Reader, token: string): Promise<ClaimRow | undefined> {
  const id = /^roostclaim_([0-9a-f]{12})_[\w-]{43}$/.exec(token)?.[1]
  if (id === undefined) return undefined
  const row = await reader.first(ClaimRow, 'SELECT * FROM claims WHERE id = ?', [id])
  return row !== undefined && timingSafeEqual(hashToken(token), row.token_sha256) ? row : undefined
}

/** Newest first. */
export function listClaims(reader: Reader, before: string, limit: number): Promise<ClaimRow[]> {
  return reader.all(
    ClaimRow,
    `SELECT * FROM claims WHERE printf('%015d %s', created_at, id) < ? ORDER BY created_at DESC, id DESC LIMIT ?`,
    [before, limit],
  )
}

/** Sorts as `listClaims` does: the cursor of its pages. */
export const claimKey = ({ created_at, id }: ClaimRow): string => `${String(created_at).padStart(15, '0')} ${id}`
/** Above every key. */
export const claimKeyEnd = '~'

/** Counts one use. Only where the claim is held exclusively: check `claimFault` before. */
export const useClaim = (id: string): Statement => ({
  sql: 'UPDATE claims SET uses = uses + 1 WHERE id = ?',
  args: [id],
})

/** @returns rows affected 0 where there is no such claim */
export const revokeClaim = (id: string, nowMs: number): Statement => ({
  sql: 'UPDATE claims SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?',
  args: [nowMs, id],
})

export type ClaimFault = 'revoked' | 'expired' | 'used-up'

/** Why no further device may enrol with the claim; undefined where one may. */
export function claimFault(claim: ClaimRow, nowMs: number): ClaimFault | undefined {
  if (claim.revoked_at !== null) return 'revoked'
  if (claim.expires_at <= nowMs) return 'expired'
  return claim.uses >= claim.uses_max ? 'used-up' : undefined
}

const hashToken = (token: string): Uint8Array => createHash('sha256').update(token).digest()
