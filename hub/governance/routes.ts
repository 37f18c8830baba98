// The token routes: an admin makes, lists and revokes API tokens. A token is shown once, when it is made.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Hub } from '../hub.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { actorOf, type HubEnv, scoped } from './access.ts'
import { insertToken, makeToken, Role, TokenRow } from './tokens.ts'

const dayMs = 86_400_000
const tokenDaysMax = 3650
/** Tokens that are neither revoked nor expired; more are refused. */
const tokensMax = 10_000

const Token = z
  .object({
    id: z.string().openapi({ description: 'the characters after roost_ in the token', example: '4kXb9TqL' }),
    name: z.string(),
    role: Role,
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
  })
  .openapi('Token')
const NewToken = z.strictObject({
  name: z.string().min(1).max(100),
  role: Role,
  expiresInDays: z.number().positive().max(tokenDaysMax).optional(),
})
const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const create = createRoute({
  method: 'post',
  path: '/v1/tokens',
  summary: 'Make a token; it is shown in this answer and never again',
  ...scoped('admin'),
  request: { body: { required: true, content: { 'application/json': { schema: NewToken } } } },
  responses: { 201: json(Token.extend({ token: z.string() }), 'The token'), ...problems() },
})
const list = createRoute({
  method: 'get',
  path: '/v1/tokens',
  summary: 'All tokens, newest first, without their secrets',
  ...scoped('admin'),
  responses: { 200: json(z.object({ tokens: z.array(Token) }), 'The tokens'), ...problems() },
})
const revoke = createRoute({
  method: 'delete',
  path: '/v1/tokens/{id}',
  summary: 'Revoke a token at once',
  ...scoped('admin'),
  request: { params: z.object({ id: z.string().regex(/^[0-9A-Za-z]{8}$/) }) },
  responses: { 204: { description: 'It is revoked' }, ...problems() },
})

export function governanceRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const { database, clock, random } = hub
  return new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const { name, role, expiresInDays } = c.req.valid('json')
      const made = makeToken(random)
      const createdAt = clock()
      const expiresAt = expiresInDays === undefined ? undefined : Math.round(createdAt + expiresInDays * dayMs)
      const createdBy = actorOf(c.get('principal'))
      await database.exclusively(async (tx) => {
        const valid = await tx.first(
          z.object({ count: z.number() }),
          'SELECT count(*) AS count FROM tokens WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)',
          [createdAt],
        )
        if ((valid?.count ?? 0) >= tokensMax) {
          throw new Problem(409, 'too-many-tokens', 'Too many tokens', `${tokensMax} are valid already; revoke some`)
        }
        await tx.write([insertToken(made, { name, role, createdBy, createdAt, expiresAt })])
      })
      const row = {
        id: made.id,
        name,
        role,
        created_by: createdBy,
        created_at: createdAt,
        expires_at: expiresAt ?? null,
      }
      c.header('location', `/v1/tokens/${made.id}`)
      c.header('cache-control', 'no-store')
      return c.json({ ...shown({ ...row, revoked_at: null }), token: made.token }, 201)
    })
    .openapi(list, async (c) => {
      const rows = await database.all(TokenRow, 'SELECT * FROM tokens ORDER BY created_at DESC, id LIMIT ?', [
        tokensMax,
      ])
      return c.json({ tokens: rows.map(shown) }, 200)
    })
    .openapi(revoke, async (c) => {
      const { id } = c.req.valid('param')
      const [revoked] = await database.write([
        { sql: 'UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?', args: [clock(), id] },
      ])
      if (revoked === 0) throw notFound('token', id)
      return c.body(null, 204)
    })
}

function shown(row: TokenRow): z.infer<typeof Token> {
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: time(row.expires_at),
    revokedAt: time(row.revoked_at),
  }
}
