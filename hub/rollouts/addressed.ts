// The rollout that a request names in its path: what routes about one rollout have in common.

import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type HubEnv, mayTouchModel } from '../governance/access.ts'
import { notFound } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import { rolloutById, type StoredRollout } from './store.ts'

export const rolloutParams = z.object({ id: z.string().regex(/^r-[0-9a-z-]{1,40}$/, 'a rollout is called r-…') })

export const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** @throws Problem not-found, or 403 where the caller may not touch its model */
export async function addressedRollout(c: Context<HubEnv>, reader: Reader, id: string): Promise<StoredRollout> {
  const row = await rolloutById(reader, id)
  if (row === undefined) throw notFound('rollout', id)
  mayTouchModel(c, row.model)
  return row
}
