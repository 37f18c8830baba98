// Tokens in sentences for people: by the name that somebody gave them, and the id that the audit log has.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'

/** Not where the name stands before it already. */
const mention = /(?<!\()\btoken:([0-9A-Za-z]{8})\b/g

/** The names of the tokens that the texts mention, by `token:Ab3dEf9h`. */
export async function namesOfTokens(reader: Reader, texts: readonly string[]): Promise<Map<string, string>> {
  const ids = new Set(texts.flatMap((text) => [...text.matchAll(mention)].map(([, id]) => id)))
  if (ids.size === 0) return new Map()
  const rows = await reader.all(
    z.object({ id: z.string(), name: z.string() }),
    'SELECT id, name FROM tokens WHERE id IN (SELECT value FROM json_each(?))',
    [JSON.stringify([...ids])],
  )
  return new Map(rows.map(({ id, name }) => [`token:${id}`, name]))
}

/** `ci (token:Ab3dEf9h)` for each `token:Ab3dEf9h` whose name is known. */
export const withNames = (text: string, names: ReadonlyMap<string, string>): string =>
  text.replace(mention, (actor) => {
    const name = names.get(actor)
    return name === undefined ? actor : `${name} (${actor})`
  })
