// Who is the same person. The hub knows tokens, not people; what it can tell apart, it does: a token is its holder's,
// whoever made a token has seen it, and two tokens of one name are taken for one person's.
// What it cannot see: tokens of different names that one admin made for others and kept (the audit log has both).

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'

/** Tokens that made each other, as far as a chain is followed. */
const chainMax = 100

const Known = z.object({ actor: z.string(), name: z.string() })

/** Whether two actors (`token:Ab3dEf9h`) must be taken for one person. */
export async function samePerson(reader: Reader, one: string, other: string): Promise<boolean> {
  if (one === other) return true
  const [ofOne, ofOther] = [await makersOf(reader, one), await makersOf(reader, other)]
  if (ofOne.some(({ actor }) => actor === other) || ofOther.some(({ actor }) => actor === one)) return true
  const [name, otherName] = [ofOne[0]?.name, ofOther[0]?.name]
  return name !== undefined && otherName !== undefined && folded(name) === folded(otherName)
}

/** The token itself, the one that made it, and so on. */
const makersOf = (reader: Reader, actor: string): Promise<z.infer<typeof Known>[]> =>
  reader.all(
    Known,
    `WITH RECURSIVE makers (actor, name, made_by, depth) AS (
       SELECT 'token:' || id, name, created_by, 0 FROM tokens WHERE 'token:' || id = ?
       UNION ALL
       SELECT 'token:' || t.id, t.name, t.created_by, m.depth + 1
       FROM makers m JOIN tokens t ON t.id = substr(m.made_by, 7) AND m.made_by LIKE 'token:%'
       WHERE m.depth < ${chainMax}
     ) SELECT actor, name FROM makers ORDER BY depth`,
    [actor],
  )

const folded = (name: string): string => name.normalize('NFKC').trim().toLowerCase()

/** Whoever brought the version or a variant of it, by the audit log. */
export async function authorsOf(reader: Reader, model: string, version: number, createdBy: string): Promise<string[]> {
  const rows = await reader.all(
    z.object({ actor: z.string() }),
    `SELECT DISTINCT actor FROM audit_log WHERE subject = ? AND action IN ('version.register', 'version.add-variant')`,
    [`version:${model}/${version}`],
  )
  return [...new Set([createdBy, ...rows.map(({ actor }) => actor)])]
}

/** Those of the actors whose token was revoked. An expired one was good when it was used, a revoked one may not have been
 *  in the right hands. */
export async function revokedAmong(reader: Reader, actors: readonly string[]): Promise<Set<string>> {
  const rows = await reader.all(
    z.object({ actor: z.string() }),
    `SELECT 'token:' || id AS actor FROM tokens
     WHERE revoked_at IS NOT NULL AND id IN (SELECT substr(value, 7) FROM json_each(?))`,
    [JSON.stringify(actors)],
  )
  return new Set(rows.map(({ actor }) => actor))
}
