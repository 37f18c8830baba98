// What requests about runs have in common: lists in one parameter, experiments by name, what a filter that cannot be
// read is to the caller.

import { z } from '@hono/zod-openapi'
import { notFound, Problem } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import { FilterError } from './filter.ts'
import { PageTokenError } from './ordered-page.ts'

export const RunId = z.string().regex(/^[0-9a-f]{32}$/, 'a run id has 32 hexadecimal digits')

/** A list in one query parameter, separated by commas. */
export const commaList = (most: number) =>
  z
    .string()
    .max(10_000)
    .transform((text) => text.split(',').filter((part) => part !== ''))
    .refine((parts) => parts.length <= most, { message: `at most ${most}` })

/** Of experiments by id or name; of all that are there where none is wanted.
 *  @throws Problem not-found */
export async function experimentIds(reader: Reader, wanted: readonly string[] | undefined): Promise<number[]> {
  const names = JSON.stringify(wanted ?? [])
  const rows = await reader.all(
    z.object({ id: z.number(), name: z.string() }),
    `SELECT id, name FROM experiments WHERE CASE WHEN ? THEN deleted_at IS NULL
      ELSE name IN (SELECT value FROM json_each(?)) OR CAST(id AS TEXT) IN (SELECT value FROM json_each(?)) END`,
    [wanted === undefined, names, names],
  )
  const missing = wanted?.find((one) => !rows.some(({ id, name }) => one === name || one === String(id)))
  if (missing !== undefined) throw notFound('experiment', missing)
  return rows.map(({ id }) => id)
}

export function asProblem(error: unknown): unknown {
  if (error instanceof FilterError) {
    return new Problem(422, 'invalid-filter', 'The filter or order cannot be read', error.message)
  }
  if (error instanceof PageTokenError) {
    return new Problem(422, 'invalid-request', 'The request does not fit its schema', error.message, {
      field: 'cursor',
    })
  }
  return error
}
