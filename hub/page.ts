// Pages of a list: `?limit=&cursor=`, where the cursor is the last key of the page before, opaque to the caller.

import { z } from '@hono/zod-openapi'
import { Problem } from './problem.ts'

const pageLimitMax = 200

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(pageLimitMax).default(50),
  cursor: z.string().max(400).optional(),
})

/** `next`: the cursor of the page after, null on the last. */
export const NextCursor = z.string().nullable()

/** Ask the database for `limit + 1` rows and cut here: the one too many says that there is a next page. */
export function cutPage<T>(
  rows: readonly T[],
  limit: number,
  keyOf: (row: T) => string,
): { items: T[]; next: string | null } {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  const more = rows.length > limit && last !== undefined
  return { items, next: more ? cursorOf(keyOf(last)) : null }
}

export const cursorOf = (key: string): string => Buffer.from(key).toString('base64url')

/** The key inside a cursor, or `start` without one.
 *  @throws Problem where it is none of ours */
export function cursorKey<S extends z.ZodType>(cursor: string | undefined, schema: S, start: z.output<S>): z.output<S> {
  if (cursor === undefined) return start
  const key = schema.safeParse(Buffer.from(cursor, 'base64url').toString())
  if (key.success) return key.data
  throw new Problem(
    422,
    'invalid-request',
    'The request does not fit its schema',
    'take the cursor from the page before',
    {
      field: 'cursor',
    },
  )
}
