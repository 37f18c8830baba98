// The first admin token: made at first start and told once, for only its hash is kept.

import { z } from 'zod'
import type { Hub } from '../hub.ts'
import { auditStatements } from './audit.ts'
import { insertToken, makeToken } from './tokens.ts'

/** Makes an admin token where there is no token at all, or where `asked`; undefined otherwise. */
export async function makeFirstToken(
  { database, random, clock }: Pick<Hub, 'database' | 'random' | 'clock'>,
  asked: boolean,
): Promise<string | undefined> {
  return database.exclusively(async (tx) => {
    const any = await tx.first(z.object({ id: z.string() }), 'SELECT id FROM tokens LIMIT 1')
    if (any !== undefined && !asked) return undefined
    const made = makeToken(random)
    const name = any === undefined ? 'first admin' : 'admin, made at the hub'
    await tx.write([
      insertToken(made, { name, role: 'admin', createdBy: 'hub', createdAt: clock(), expiresAt: undefined }),
      ...(await auditStatements(tx, clock(), [
        { actor: 'hub', action: 'token.create', subject: `token:${made.id}`, after: { name, role: 'admin' } },
      ])),
    ])
    return made.token
  })
}
