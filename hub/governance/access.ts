// Who may call a route. Every route is declared with `...scoped('operator')` (or `...unscoped()`), which puts the
// check before everything else and the requirement into the OpenAPI document; nothing is open by omission.

import type { Context, MiddlewareHandler } from 'hono'
import { assertOwnPage, findSession, pageHeader, sessionId } from '../dashboard/session.ts'
import type { Hub } from '../hub.ts'
import hubPackage from '../package.json' with { type: 'json' }
import { Problem } from '../problem.ts'
import { areaOf, type Grants, grantsModel, holdsScope, modelOf, type Scope } from './grants.ts'
import { answerOnce } from './idempotency.ts'
import { noteUse } from './token-use.ts'
import { findToken, type TokenRow, tokenId } from './tokens.ts'

export type { Scope } from './grants.ts'

export type Principal = ({ kind: 'token'; id: string; name: string } & Grants) | { kind: 'device'; id: string }

/** How a principal is written down where it did something: `token:Ab3dEf9h`, `device:d-42`. */
export const actorOf = (principal: Principal): string => `${principal.kind}:${principal.id}`

/** What every handler finds in its context. `principal` is set by `scoped`; open routes must not read it. */
export type HubEnv = { Variables: { hub: Hub; requestId: string; principal: Principal } }

/** Says which version of the hub answered. */
export const versionHeader = 'roost-version'

export type Access = { middleware: MiddlewareHandler<HubEnv>[]; security: Record<string, string[]>[] }

/** Lets in whoever holds one of `scopes`. POSTs behind it honour `Idempotency-Key`.
 *  Spread it into createRoute: `createRoute({ method, path, ...scoped('operator'), responses })`. */
export function scoped(...scopes: [Scope, ...Scope[]]): Access {
  const check: MiddlewareHandler<HubEnv> = async (c, next) => {
    const principal = await authenticate(c)
    assertScope(principal, scopes, areaOf(c.req.path))
    c.set('principal', principal)
    const model = modelOf(c.req.path)
    if (model !== undefined) mayTouchModel(c, model)
    await next()
    // for those that are known only: what a hub's faults are follows from its version
    c.res.headers.set(versionHeader, hubPackage.version)
  }
  const security = scopes.map((scope) => (scope === 'device' ? { device: [] } : { token: [scope] }))
  return { middleware: [check, answerOnce], security }
}

/** A route that asks for nothing: health, and enrolment, which carries its own claim token. */
export const unscoped = (): Access => ({ middleware: [], security: [] })

/** Call it where a route is about a model that its path does not name as /v1/models/… does (there `scoped` has done it).
 *  @throws Problem 403 where the token is restricted to other models */
export function mayTouchModel(c: Context<HubEnv>, model: string): void {
  if (modelsGranted(c)(model)) return
  throw new Problem(403, 'model-not-granted', 'Not allowed', `this token is not for model ${JSON.stringify(model)}`)
}

/** Which models the caller may touch: for lists, which leave the others out. */
export function modelsGranted(c: Context<HubEnv>): (model: string) => boolean {
  const principal = c.get('principal')
  return (model) => principal.kind === 'device' || grantsModel(principal.models, model)
}

/** Call it where a route is about every model, or about who may touch which.
 *  @throws Problem 403 where the token is restricted to some */
export function assertUnrestricted(c: Context<HubEnv>, what: string): void {
  const principal = c.get('principal')
  if (principal.kind === 'token' && principal.models === null) return
  throw new Problem(403, 'model-not-granted', 'Not allowed', `this token is for some models, and ${what}`)
}

/** @throws Problem 403 */
function assertScope(principal: Principal, scopes: readonly Scope[], area: string): void {
  if (principal.kind === 'device') {
    if (scopes.includes('device')) return
  } else if (scopes.some((scope) => holdsScope(principal, scope, area))) return
  const narrowed =
    principal.kind === 'token' && principal.scopes !== null ? ` narrowed to ${principal.scopes.join(', ')}` : ''
  const who = principal.kind === 'device' ? 'a device' : `a token of role ${principal.role}${narrowed}`
  throw new Problem(
    403,
    'forbidden',
    'Not allowed',
    `${who} may not do this; it needs ${scopes.join(' or ')} (${area})`,
  )
}

/** Who asks.
 *  @throws Problem 401 */
export async function authenticate(c: Context<HubEnv>): Promise<Principal> {
  const hub = c.get('hub')
  const header = c.req.header('authorization')
  if (header === undefined) return sessionPrincipal(c)
  const [scheme = '', credentials = ''] = header.trim().split(/ +/)
  if (scheme.toLowerCase() === 'bearer') return tokenPrincipal(hub, credentials)
  if (scheme.toLowerCase() === 'basic') {
    const [device = '', secret = ''] = splitOnce(Buffer.from(credentials, 'base64').toString('utf8'), ':')
    // MLflow's clients prefer user name and password: for their routes a token is a password of any user name
    if (areaOf(c.req.path) === 'mlflow' && tokenId(secret) !== undefined) return tokenPrincipal(hub, secret)
    if (await hub.authenticateDevice(device, secret)) return { kind: 'device', id: device }
    throw unauthorized('the device is unknown or revoked, or its secret is another')
  }
  throw unauthorized('send Authorization: Bearer roost_…, or Basic with device id and secret')
}

/** What the dashboard's cookie stands for. */
async function sessionPrincipal(c: Context<HubEnv>): Promise<Principal> {
  const hub = c.get('hub')
  const { headers } = c.req.raw
  const id = sessionId(headers)
  const token = id === undefined ? undefined : await findSession(hub, id)
  if (token === undefined) {
    // a browser that is told of Basic asks for a password, in a window of its own
    if (headers.has(pageHeader))
      throw unauthorized('sign in: there is no session, or it is over', 'Bearer realm="roost"')
    throw unauthorized('send Authorization: Bearer roost_…')
  }
  assertOwnPage(c.req.method, headers)
  noteUse(hub, token.id)
  return principalOf(token)
}

async function tokenPrincipal(hub: Hub, credentials: string): Promise<Principal> {
  const token = await findToken(hub, credentials)
  if (token === undefined) throw unauthorized('the token is unknown, expired or revoked')
  noteUse(hub, token.id)
  return principalOf(token)
}

const principalOf = ({ id, name, role, scopes, models }: TokenRow): Principal => ({
  kind: 'token',
  id,
  name,
  role,
  scopes,
  models,
})

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

const unauthorized = (detail: string, ways = 'Bearer realm="roost", Basic realm="roost"'): Problem =>
  new Problem(401, 'unauthorized', 'Not authenticated', detail, { headers: { 'www-authenticate': ways } })
