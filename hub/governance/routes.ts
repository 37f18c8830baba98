// The token routes: an admin makes, lists and revokes API tokens. A token is shown once, when it is made.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Hub } from '../hub.ts'
import { notFound, Problem, problems } from '../problem.ts'
import { actorOf, assertUnrestricted, type HubEnv, type Principal, scoped } from './access.ts'
import { actorRoutes } from './actor-routes.ts'
import { auditStatements, changeBy } from './audit.ts'
import { auditRoutes } from './audit-routes.ts'
import { beyondRole, ModelGrant, Role, ScopeGrant } from './grants.ts'
import { insertToken, makeToken, TokenRow } from './tokens.ts'

const dayMs = 86_400_000
const tokenDaysMax = 3650
/** Tokens that are neither revoked nor expired; more are refused. */
const tokensMax = 10_000
/** Scopes, and models, that one token may name. */
const grantsMax = 50

const Token = z
  .object({
    id: z.string().openapi({ description: 'the characters after roost_ in the token', example: '4kXb9TqL' }),
    name: z.string(),
    role: Role,
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
    scopes: z.array(z.string()).nullable().openapi({ description: 'null: all that the role has' }),
    models: z.array(z.string()).nullable().openapi({ description: 'null: every model' }),
    lastUsedAt: z.iso.datetime().nullable().openapi({ description: 'to the minute' }),
  })
  .openapi('Token')
const NewToken = z.strictObject({
  name: z.string().min(1).max(100),
  role: Role,
  expiresInDays: z.number().positive().max(tokenDaysMax).optional(),
  scopes: z
    .array(ScopeGrant)
    .min(1)
    .max(grantsMax)
    .optional()
    .openapi({
      description: 'narrow the role: a scope, or one in an area (ci:datasets)',
      example: ['viewer', 'ci:models'],
    }),
  models: z
    .array(ModelGrant)
    .min(1)
    .max(grantsMax)
    .optional()
    .openapi({ description: 'the only models it is for; a * at the end stands for any rest', example: ['press-*'] }),
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
  const routes = new OpenAPIHono<HubEnv>()
    .openapi(create, async (c) => {
      const wanted = c.req.valid('json')
      assertMayGive(c.get('principal'), wanted)
      const { name, role, expiresInDays, scopes = null, models = null } = wanted
      const made = makeToken(random)
      const createdAt = clock()
      const expiresAt = expiresInDays === undefined ? undefined : Math.round(createdAt + expiresInDays * dayMs)
      const createdBy = actorOf(c.get('principal'))
      const row: TokenRow = {
        id: made.id,
        name,
        role,
        scopes: scopes === null ? null : [...new Set(scopes)],
        models: models === null ? null : [...new Set(models)],
        created_by: createdBy,
        created_at: createdAt,
        expires_at: expiresAt ?? null,
        revoked_at: null,
        last_used_at: null,
      }
      await database.exclusively(async (tx) => {
        const valid = await tx.first(
          z.object({ count: z.number() }),
          'SELECT count(*) AS count FROM tokens WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)',
          [createdAt],
        )
        if ((valid?.count ?? 0) >= tokensMax) {
          throw new Problem(409, 'too-many-tokens', 'Too many tokens', `${tokensMax} are valid already; revoke some`)
        }
        await tx.write([
          insertToken(made, { ...row, createdBy, createdAt, expiresAt }),
          ...(await auditStatements(tx, createdAt, [
            changeBy(c, 'token.create', `token:${made.id}`, { after: grantsOf(row) }),
          ])),
        ])
      })
      c.header('location', `/v1/tokens/${made.id}`)
      c.header('cache-control', 'no-store')
      return c.json({ ...shown(row), token: made.token }, 201)
    })
    .openapi(list, async (c) => {
      assertUnrestricted(c, 'tokens are for all')
      const rows = await database.all(TokenRow, 'SELECT * FROM tokens ORDER BY created_at DESC, id LIMIT ?', [
        tokensMax,
      ])
      return c.json({ tokens: rows.map(shown) }, 200)
    })
    .openapi(revoke, async (c) => {
      assertUnrestricted(c, 'tokens are for all')
      const { id } = c.req.valid('param')
      await database.exclusively(async (tx) => {
        const row = await tx.first(TokenRow, 'SELECT * FROM tokens WHERE id = ?', [id])
        if (row === undefined) throw notFound('token', id)
        if (row.revoked_at !== null) return
        const change = changeBy(c, 'token.revoke', `token:${id}`, { before: grantsOf(row) })
        await tx.write([
          { sql: 'UPDATE tokens SET revoked_at = ? WHERE id = ?', args: [clock(), id] },
          ...(await auditStatements(tx, clock(), [change])),
        ])
      })
      return c.body(null, 204)
    })
  routes.route('/', auditRoutes(hub))
  routes.route('/', actorRoutes(hub))
  return routes
}

/** @throws Problem where a scope is beyond the role, or the giver has not everything to give */
function assertMayGive(giver: Principal, { role, scopes }: z.infer<typeof NewToken>): void {
  const beyond = beyondRole(role, scopes ?? [])
  if (beyond !== undefined) {
    const detail = `scopes narrow what a role has, and ${role} has no ${beyond}`
    throw new Problem(422, 'invalid-request', 'The request does not fit its schema', detail, { field: 'scopes' })
  }
  if (giver.kind === 'token' && giver.scopes === null && giver.models === null) return
  throw new Problem(403, 'forbidden', 'Not allowed', 'a token that is narrowed makes no others: they would not be')
}

const grantsOf = ({ name, role, scopes, models, expires_at }: TokenRow) => ({
  name,
  role,
  scopes,
  models,
  expiresAt: expires_at === null ? null : new Date(expires_at).toISOString(),
})

function shown(row: TokenRow): z.infer<typeof Token> {
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    scopes: row.scopes,
    models: row.models,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    expiresAt: time(row.expires_at),
    revokedAt: time(row.revoked_at),
    lastUsedAt: time(row.last_used_at),
  }
}
