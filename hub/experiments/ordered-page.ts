// A page of an ordered search. Its token holds the place of the last row, not a count of rows: what comes or goes
// meanwhile neither repeats nor hides anything else.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Order } from './filter.ts'
import { type Fragment, number } from './sql.ts'

/** An expression to order by; it is never NULL, so that a page can begin after any row. */
export type Term = { sql: string; descending: boolean }

/** The page token is none of ours, or of another search. */
export class PageTokenError extends Error {
  override readonly name = 'PageTokenError'
}

export const selected = (columns: string, terms: readonly Term[], from: string): Fragment => ({
  sql: `SELECT ${[columns, ...terms.map(({ sql }, i) => `${sql} AS t${i}`)].join(', ')} FROM ${from}`,
  args: [],
})

/** One row more than the page holds: it says that there is another page. */
export const ordered = (terms: readonly Term[], limit: number): Fragment => ({
  sql: `ORDER BY ${terms.map(({ sql, descending }) => `${sql} ${descending ? 'DESC' : 'ASC'}`).join(', ')} LIMIT ?`,
  args: [limit + 1],
})

export const allOf = (conditions: readonly Fragment[]): Fragment => ({
  sql: `WHERE ${conditions.map(({ sql }) => sql).join(' AND ')}`,
  args: conditions.flatMap(({ args }) => args),
})

export const joined = (...fragments: readonly Fragment[]): Fragment => ({
  sql: fragments.map(({ sql }) => sql).join(' '),
  args: fragments.flatMap(({ args }) => args),
})

/** The condition that a row comes after the page before; none on the first page.
 *  @throws PageTokenError */
export function beyond(token: string | undefined, orders: readonly Order[], terms: readonly Term[]): Fragment[] {
  return token === undefined ? [] : [after(terms, readToken(token, nameOf(orders), terms))]
}

/** The rows of the page, read with `selected` and `ordered`, and where the next one begins. */
export function cutRows<R extends Record<string, string | number>>(
  rows: readonly R[],
  limit: number,
  orders: readonly Order[],
  terms: readonly Term[],
): { page: R[]; nextPageToken: string | undefined } {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  if (rows.length <= limit || last === undefined) return { page, nextPageToken: undefined }
  const place = terms.map((_, i) => last[`t${i}`] ?? 0)
  return { page, nextPageToken: writeToken(nameOf(orders), place) }
}

/** A token serves the order it was made in. */
const nameOf = (orders: readonly Order[]): string =>
  createHash('sha256').update(JSON.stringify(orders)).digest('base64url').slice(0, 8)

/** The rows that come after `place` in the order of `terms`, one value of the place for each term. */
function after(terms: readonly Term[], place: readonly (string | number)[]): Fragment {
  const bound = place.map((value) => (typeof value === 'number' ? number(value) : { sql: '?', args: [value] }))
  const cases = terms.map((term, index) => {
    const pieces = terms.slice(0, index + 1).map(({ sql }, i) => {
      const comparison = i < index ? '=' : term.descending ? '<' : '>'
      return { sql: `${sql} ${comparison} ${bound[i]?.sql ?? 'NULL'}`, args: bound[i]?.args ?? [] }
    })
    return { sql: `(${pieces.map(({ sql }) => sql).join(' AND ')})`, args: pieces.flatMap(({ args }) => args) }
  })
  return { sql: `(${cases.map(({ sql }) => sql).join(' OR ')})`, args: cases.flatMap(({ args }) => args) }
}

/** Numbers that JSON has none for travel as objects. */
const Infinite = z.strictObject({ infinite: z.literal([1, -1]) }).transform(({ infinite }) => infinite * Infinity)
const Token = z.tuple([z.string()], z.union([z.number(), z.string(), Infinite]))

function writeToken(order: string, place: readonly (string | number)[]): string {
  const shown = place.map((value) =>
    value === Infinity || value === -Infinity ? { infinite: Math.sign(value) } : value,
  )
  return Buffer.from(JSON.stringify([order, ...shown])).toString('base64url')
}

function readToken(token: string, order: string, terms: readonly Term[]): (string | number)[] {
  const parsed = Token.safeParse(parseJson(Buffer.from(token, 'base64url').toString()))
  if (!parsed.success) throw new PageTokenError('Invalid page token: take it from the page before')
  const [of, ...place] = parsed.data
  if (of !== order || place.length !== terms.length) {
    throw new PageTokenError('Invalid page token: it belongs to a search in another order')
  }
  return place
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
