// Who may call a route. Every route is declared with `...scoped('operator')` (or `...unscoped()`), which puts the
// check before everything else and the requirement into the OpenAPI document; nothing is open by omission.

import type { Context, MiddlewareHandler } from 'hono'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { answerOnce } from './idempotency.ts'
import { findToken, type Role } from './tokens.ts'

/** What a route may ask for. `device` is a gateway with its own secret (HTTP Basic, device id and secret). */
export type Scope = 'viewer' | 'ci' | 'operator' | 'approver' | 'admin' | 'device'

/** Everyone who is let in may look; beyond that each role does one thing, so that who ships cannot also approve. */
const scopesOf: Readonly<Record<Role, ReadonlySet<Scope>>> = {
  viewer: new Set<Scope>(['viewer']),
  ci: new Set<Scope>(['viewer', 'ci']),
  operator: new Set<Scope>(['viewer', 'operator']),
  approver: new Set<Scope>(['viewer', 'approver']),
  admin: new Set<Scope>(['viewer', 'ci', 'operator', 'approver', 'admin']),
}

export type Principal = { kind: 'token'; id: string; name: string; role: Role } | { kind: 'device'; id: string }

/** How a principal is written down where it did something: `token:Ab3dEf9h`, `device:d-42`. */
export const actorOf = (principal: Principal): string => `${principal.kind}:${principal.id}`

/** What every handler finds in its context. `principal` is set by `scoped`; open routes must not read it. */
export type HubEnv = { Variables: { hub: Hub; requestId: string; principal: Principal } }

export type Access = { middleware: MiddlewareHandler<HubEnv>[]; security: Record<string, string[]>[] }

/** Lets in whoever holds one of `scopes`. POSTs behind it honour `Idempotency-Key`.
 *  Spread it into createRoute: `createRoute({ method, path, ...scoped('operator'), responses })`. */
export function scoped(...scopes: [Scope, ...Scope[]]): Access {
  const check: MiddlewareHandler<HubEnv> = async (c, next) => {
    const principal = await authenticate(c)
    const held: ReadonlySet<Scope> = principal.kind === 'device' ? new Set(['device']) : scopesOf[principal.role]
    if (!scopes.some((scope) => held.has(scope))) {
      const who = principal.kind === 'device' ? 'a device' : `a token of role ${principal.role}`
      throw new Problem(403, 'forbidden', 'Not allowed', `${who} may not do this; it needs ${scopes.join(' or ')}`)
    }
    c.set('principal', principal)
    await next()
  }
  const security = scopes.map((scope) => (scope === 'device' ? { device: [] } : { token: [scope] }))
  return { middleware: [check, answerOnce], security }
}

/** A route that asks for nothing: health, and enrolment, which carries its own claim token. */
export const unscoped = (): Access => ({ middleware: [], security: [] })

/** @throws Problem 401 */
async function authenticate(c: Context<HubEnv>): Promise<Principal> {
  const hub = c.get('hub')
  const header = c.req.header('authorization')
  if (header === undefined) throw unauthorized('send Authorization: Bearer roost_…')
  const [scheme = '', credentials = ''] = header.trim().split(/ +/)
  if (scheme.toLowerCase() === 'bearer') {
    const token = await findToken(hub, credentials)
    if (token === undefined) throw unauthorized('the token is unknown, expired or revoked')
    return { kind: 'token', id: token.id, name: token.name, role: token.role }
  }
  if (scheme.toLowerCase() === 'basic') {
    const [device = '', secret = ''] = splitOnce(Buffer.from(credentials, 'base64').toString('utf8'), ':')
    if (await hub.authenticateDevice(device, secret)) return { kind: 'device', id: device }
    throw unauthorized('the device is unknown or revoked, or its secret is another')
  }
  throw unauthorized('send Authorization: Bearer roost_…, or Basic with device id and secret')
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

const unauthorized = (detail: string): Problem =>
  new Problem(401, 'unauthorized', 'Not authenticated', detail, {
    headers: { 'www-authenticate': 'Bearer realm="roost", Basic realm="roost"' },
  })
