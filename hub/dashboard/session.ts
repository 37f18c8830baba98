// Whom a request with the dashboard's cookie stands for: the token that signed in, for as long as session and token both
// hold. A cookie goes along with whatever a browser sends, so only what the hub's own page asks is taken for its holder's.

import { createHash } from 'node:crypto'
import { TokenRow } from '../governance/tokens.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'

export const sessionCookie = 'roost_session'
/** A working day, so that nobody is asked twice in one and nobody stays signed in over night. */
export const sessionMs = 12 * 3_600_000
/** The header that only a script of the same origin may send without being asked first (Fetch §4.8, CORS preflight). */
export const pageHeader = 'x-roost-page'

/** 256 random bits in base64url. */
const idPattern = new RegExp(`(?:^|;)[ \t]*${sessionCookie}=([\\w-]{43})[ \t]*(?:;|$)`)

/** The id in the cookie of a request, where it has a well-formed one. */
export const sessionId = (headers: Headers): string | undefined => idPattern.exec(headers.get('cookie') ?? '')?.[1]

/** What is stored of an id or a code. */
export const hashId = (id: string): Uint8Array => createHash('sha256').update(id).digest()

/** The token a session stands for, or undefined: there is none, it is over, or the token is revoked or expired. */
export function findSession(hub: Pick<Hub, 'database' | 'clock'>, id: string): Promise<TokenRow | undefined> {
  return hub.database.first(
    TokenRow,
    `SELECT tokens.* FROM sessions JOIN tokens ON tokens.id = sessions.token
     WHERE sessions.sha256 = ?1 AND sessions.expires_at > ?2
       AND tokens.revoked_at IS NULL AND (tokens.expires_at IS NULL OR tokens.expires_at > ?2)`,
    [hashId(id), hub.clock()],
  )
}

const safe = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether the page of this hub sent the request, as far as a browser tells: what changes something needs proof of it,
 *  what only looks must not come from elsewhere.
 *  @throws Problem 403 */
export function assertOwnPage(method: string, headers: Headers): void {
  const site = headers.get('sec-fetch-site')
  const isSafe = safe.has(method)
  if (isSafe && (site === null || site === 'same-origin' || site === 'none')) return
  if (!isSafe && headers.get(pageHeader) === '1' && isSameOrigin(site, headers)) return
  throw new Problem(
    403,
    'not-from-the-page',
    'Not from the page',
    `a session changes things only through this hub’s own page: with ${pageHeader}: 1, from the same origin; programs send Authorization: Bearer roost_…`,
  )
}

/** Browsers leave Sec-Fetch-Site out where the connection is not trustworthy (plain HTTP to another machine). */
function isSameOrigin(site: string | null, headers: Headers): boolean {
  if (site !== null) return site === 'same-origin'
  const origin = headers.get('origin')
  const host = headers.get('host')
  if (origin === null || host === null || !URL.canParse(origin)) return false
  return new URL(origin).host === host
}
