// The names of metrics, parameters and tags, each stored once and referred to by number.

import { z } from 'zod'
import type { Reader, Statement } from '../storage/database.ts'

const KeyRow = z.object({ id: z.number(), key: z.string() })

/** The number of each name, and the statements that make the new ones: write them in the same transaction, first. */
export async function numberKeys(
  tx: Reader,
  names: ReadonlySet<string>,
): Promise<{ numbers: Map<string, number>; statements: Statement[] }> {
  const numbers = await findKeys(tx, [...names])
  const missing = [...names].filter((name) => !numbers.has(name))
  if (missing.length === 0) return { numbers, statements: [] }
  const last = await tx.first(z.object({ last: z.number() }), 'SELECT coalesce(max(id), 0) AS last FROM run_keys')
  const statements = missing.map((name, i) => {
    const id = (last?.last ?? 0) + 1 + i
    numbers.set(name, id)
    return { sql: 'INSERT INTO run_keys (id, key) VALUES (?, ?)', args: [id, name] }
  })
  return { numbers, statements }
}

/** The numbers of those names that are known. */
export async function findKeys(reader: Reader, names: readonly string[]): Promise<Map<string, number>> {
  if (names.length === 0) return new Map()
  const rows = await reader.all(KeyRow, 'SELECT id, key FROM run_keys WHERE key IN (SELECT value FROM json_each(?))', [
    JSON.stringify(names),
  ])
  return new Map(rows.map(({ id, key }) => [key, id]))
}
