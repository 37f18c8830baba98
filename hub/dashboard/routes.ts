// Signing in to the dashboard and out of it. The page itself is served by built-page.ts, what changes is told by live.ts.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { type HubEnv, scoped, unscoped } from '../governance/access.ts'
import { Role, scopesHeld } from '../governance/grants.ts'
import type { TokenRow } from '../governance/tokens.ts'
import type { Hub } from '../hub.ts'
import { Problem, problems } from '../problem.ts'
import { assertOwnPage, findSession, sessionCookie, sessionId, sessionMs } from './session.ts'
import { beginSession, endSession, makeCode } from './sign-in.ts'

const Secret = z.string().min(1).max(200)

const SessionDocument = z
  .object({
    token: z.string().openapi({ description: 'the id of the token that signed in' }),
    name: z.string(),
    role: Role,
    scopes: z.array(z.string()).openapi({
      description: 'what may be done, everywhere (operator) or in one area (operator:devices)',
    }),
    models: z.array(z.string()).nullable().openapi({ description: 'null: every model' }),
  })
  .openapi('Session')

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
const Current = json(z.object({ session: SessionDocument.nullable() }), 'Who is signed in, null: nobody')

const signIn = createRoute({
  method: 'post',
  path: '/v1/session',
  summary: 'Sign in to the dashboard, with a token or a one-time code: sets a cookie that stands for the token',
  ...unscoped(),
  request: {
    body: {
      required: true,
      content: {
        'application/json': { schema: z.union([z.strictObject({ token: Secret }), z.strictObject({ code: Secret })]) },
      },
    },
  },
  responses: { 201: Current, ...problems() },
})
const show = createRoute({
  method: 'get',
  path: '/v1/session',
  summary: 'Who is signed in, by the cookie',
  ...unscoped(),
  responses: { 200: Current, ...problems() },
})
const signOut = createRoute({
  method: 'delete',
  path: '/v1/session',
  summary: 'Sign out: the session ends, the token stays',
  ...unscoped(),
  responses: { 204: { description: 'Nobody is signed in' }, ...problems() },
})
const invite = createRoute({
  method: 'post',
  path: '/v1/session/codes',
  summary: 'A code that signs in once as the token that asks, within ten minutes, at /sign-in#<code>',
  ...scoped('viewer'),
  responses: { 201: json(z.object({ code: z.string(), expiresAt: z.iso.datetime() }), 'The code'), ...problems() },
})

export function sessionRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  // A proxy may be what speaks TLS: then the public address says so.
  const secure = hub.tls !== undefined || hub.config.publicUrl?.startsWith('https:') === true
  const attributes = { path: '/', httpOnly: true, sameSite: 'Strict', secure } as const

  return new OpenAPIHono<HubEnv>()
    .openapi(signIn, async (c) => {
      // or another site could sign somebody in as someone else
      assertOwnPage('POST', c.req.raw.headers)
      c.header('cache-control', 'no-store')
      const begun = await beginSession(hub, c.req.valid('json'), sessionId(c.req.raw.headers), c.get('requestId'))
      if (begun === undefined) {
        throw new Problem(
          422,
          'no-such-credential',
          'Not signed in',
          'the token or the code is unknown, expired, revoked or used already',
        )
      }
      setCookie(c, sessionCookie, begun.id, { ...attributes, maxAge: sessionMs / 1000 })
      return c.json({ session: shown(begun.token) }, 201)
    })
    .openapi(show, async (c) => {
      c.header('cache-control', 'no-store')
      assertOwnPage('GET', c.req.raw.headers)
      const token = await current(hub, c)
      return c.json({ session: token === undefined ? null : shown(token) }, 200)
    })
    .openapi(signOut, async (c) => {
      const id = sessionId(c.req.raw.headers)
      if (id === undefined) return c.body(null, 204)
      assertOwnPage('DELETE', c.req.raw.headers)
      await endSession(hub, id, c.get('requestId'))
      deleteCookie(c, sessionCookie, attributes)
      return c.body(null, 204)
    })
    .openapi(invite, async (c) => {
      const principal = c.get('principal')
      c.header('cache-control', 'no-store')
      if (principal.kind !== 'token') throw new Problem(403, 'forbidden', 'Not allowed', 'a device does not sign in')
      const { code, expiresAt } = await makeCode(hub, principal.id, c.get('requestId'))
      return c.json({ code, expiresAt: new Date(expiresAt).toISOString() }, 201)
    })
}

function current(hub: Hub, c: Context<HubEnv>): Promise<TokenRow | undefined> {
  const id = sessionId(c.req.raw.headers)
  return id === undefined ? Promise.resolve(undefined) : findSession(hub, id)
}

const shown = ({ id, name, role, scopes, models }: TokenRow): z.infer<typeof SessionDocument> => ({
  token: id,
  name,
  role,
  scopes: scopesHeld({ role, scopes, models }),
  models,
})
