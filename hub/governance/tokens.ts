// API tokens: `roost_` + 8 characters that name it + 43 of 256 random bits + 6 of CRC32 (as GitHub's), all base62.
// The prefix and the checksum let secret scanners find a leaked one for certain; the hub keeps only its sha256.

import { createHash, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { Hub, Random } from '../hub.ts'
import { BytesColumn, jsonColumn, type Statement } from '../storage/database.ts'
import { type Grants, Role } from './grants.ts'

export { Role, roles } from './grants.ts'

export const TokenRow = z.object({
  id: z.string(),
  name: z.string(),
  role: Role,
  created_by: z.string(),
  created_at: z.number(),
  expires_at: z.number().nullable(),
  revoked_at: z.number().nullable(),
  /** null: all that the role has. */
  scopes: jsonColumn(z.array(z.string())).nullable(),
  /** null: every model. */
  models: jsonColumn(z.array(z.string())).nullable(),
  last_used_at: z.number().nullable(),
})
export type TokenRow = z.infer<typeof TokenRow>

const prefix = 'roost_'
const idLength = 8
const secretLength = 43 // 62^43 > 2^256
const checksumLength = 6 // 62^6 > 2^32
const tokenPattern = new RegExp(`^${prefix}([0-9A-Za-z]{${idLength}})[0-9A-Za-z]{${secretLength + checksumLength}}$`)

/** A new token and its visible id. */
export function makeToken(random: Random): { token: string; id: string } {
  const id = base62(random(6), idLength).slice(-idLength)
  const body = prefix + id + base62(random(32), secretLength)
  return { token: body + checksum(body), id }
}

/** The id of a well-formed token, or undefined: a mistyped one is turned away without touching the database. */
export function tokenId(token: string): string | undefined {
  const id = tokenPattern.exec(token)?.[1]
  if (id === undefined) return undefined
  return checksum(token.slice(0, -checksumLength)) === token.slice(-checksumLength) ? id : undefined
}

/** The token's row where it is one of ours, not expired and not revoked. */
export async function findToken(hub: Pick<Hub, 'database' | 'clock'>, token: string): Promise<TokenRow | undefined> {
  const id = tokenId(token)
  if (id === undefined) return undefined
  const row = await hub.database.first(TokenRow.extend({ sha256: BytesColumn }), 'SELECT * FROM tokens WHERE id = ?', [
    id,
  ])
  if (row === undefined || !timingSafeEqual(hashToken(token), row.sha256)) return undefined
  if (row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= hub.clock())) return undefined
  return row
}

export type NewTokenRow = {
  name: string
  role: Role
  createdBy: string
  createdAt: number
  expiresAt: number | undefined
} & Partial<Omit<Grants, 'role'>>

export function insertToken(token: { token: string; id: string }, row: NewTokenRow): Statement {
  const { name, role, createdBy, createdAt, expiresAt, scopes, models } = row
  const list = (values: readonly string[] | null | undefined) => (values ? JSON.stringify(values) : null)
  return {
    sql: `INSERT INTO tokens (id, name, role, sha256, created_by, created_at, expires_at, scopes, models)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [
      token.id,
      name,
      role,
      hashToken(token.token),
      createdBy,
      createdAt,
      expiresAt ?? null,
      list(scopes),
      list(models),
    ],
  }
}

const hashToken = (token: string): Uint8Array => createHash('sha256').update(token).digest()

function checksum(text: string): string {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, crc32(text))
  return base62(bytes, checksumLength)
}

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The bytes as one big-endian number in base 62, padded with 0 to `length`. */
function base62(bytes: Uint8Array, length: number): string {
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 62n) text = digits.charAt(Number(number % 62n)) + text
  return text.padStart(length, '0')
}
