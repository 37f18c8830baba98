// Who is signed in: the sessions of whoever asks, of everybody for who may end tokens, and the end of one of them.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { actorOf, type HubEnv, type Principal, scoped } from '../governance/access.ts'
import { auditStatements } from '../governance/audit.ts'
import { holdsScope } from '../governance/grants.ts'
import type { Hub } from '../hub.ts'
import { notFound, problems } from '../problem.ts'
import { hashId, sessionId } from './session.ts'

/** Told of; there are fifty to a token at most. */
const sessionsMax = 500
/** Names a session: the begin of the sha256 of its id, of which nobody finds the id again. */
const nameLength = 16

const OpenSession = z
  .object({
    id: z.string(),
    token: z.string(),
    name: z.string().openapi({ description: 'of the token' }),
    startedAt: z.iso.datetime(),
    expiresAt: z.iso.datetime(),
    current: z.boolean().openapi({ description: 'whether it is the one that asks' }),
  })
  .openapi('OpenSession')

const list = createRoute({
  method: 'get',
  path: '/v1/sessions',
  summary: 'Who is signed in to the dashboard with the token that asks; an admin may ask for all',
  ...scoped('viewer'),
  request: { query: z.object({ of: z.enum(['me', 'all']).default('me') }) },
  responses: {
    200: {
      description: 'The newest sessions',
      content: { 'application/json': { schema: z.object({ sessions: z.array(OpenSession) }) } },
    },
    ...problems(),
  },
})
const end = createRoute({
  method: 'delete',
  path: '/v1/sessions/{id}',
  summary: 'Sign out a browser of one’s own; an admin any',
  ...scoped('viewer'),
  request: { params: z.object({ id: z.string().regex(new RegExp(`^[0-9a-f]{${nameLength}}$`)) }) },
  responses: { 204: { description: 'The session is over' }, ...problems() },
})

const Row = z.object({
  id: z.string(),
  token: z.string(),
  name: z.string(),
  created_at: z.number(),
  expires_at: z.number(),
})

export function openSessionRoutes({ database, clock }: Hub): OpenAPIHono<HubEnv> {
  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => {
      const principal = c.get('principal')
      const all = c.req.valid('query').of === 'all' && mayAll(principal)
      const rows = await database.all(
        Row,
        `SELECT lower(substr(hex(sessions.sha256), 1, ${nameLength})) AS id, sessions.token, tokens.name,
                sessions.created_at, sessions.expires_at
         FROM sessions JOIN tokens ON tokens.id = sessions.token
         WHERE sessions.expires_at > ?1 AND (?2 = 1 OR sessions.token = ?3)
           AND tokens.revoked_at IS NULL AND (tokens.expires_at IS NULL OR tokens.expires_at > ?1)
         ORDER BY sessions.created_at DESC LIMIT ${sessionsMax}`,
        [clock(), all, principal.id],
      )
      const own = sessionId(c.req.raw.headers)
      const current = own === undefined ? undefined : nameOf(own)
      const sessions = rows.map(({ id, token, name, created_at, expires_at }) => ({
        id,
        token,
        name,
        startedAt: new Date(created_at).toISOString(),
        expiresAt: new Date(expires_at).toISOString(),
        current: id === current,
      }))
      return c.json({ sessions }, 200)
    })
    .openapi(end, async (c) => {
      const principal = c.get('principal')
      const { id } = c.req.valid('param')
      await database.exclusively(async (tx) => {
        const row = await tx.first(
          z.object({ token: z.string() }),
          `SELECT token FROM sessions WHERE lower(substr(hex(sha256), 1, ${nameLength})) = ?1 AND (?2 = 1 OR token = ?3)`,
          [id, mayAll(principal), principal.id],
        )
        if (row === undefined) throw notFound('session', id)
        const actor = actorOf(principal)
        const change = { actor, action: 'session.end', subject: `token:${row.token}`, requestId: c.get('requestId') }
        await tx.write([
          { sql: `DELETE FROM sessions WHERE lower(substr(hex(sha256), 1, ${nameLength})) = ?`, args: [id] },
          ...(await auditStatements(tx, clock(), [change])),
        ])
      })
      return c.body(null, 204)
    })
}

const nameOf = (id: string): string => Buffer.from(hashId(id)).toString('hex').slice(0, nameLength)

/** Whoever revokes tokens ends sessions by it anyway. */
const mayAll = (principal: Principal): boolean =>
  principal.kind === 'token' && principal.models === null && holdsScope(principal, 'admin', 'tokens')
