// Policies in the database: each change is a new revision, none is ever overwritten.

import { z } from 'zod'
import { jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { defaultPolicy, PromotionPolicy } from './policy.ts'

const PolicyRow = z.object({
  model: z.string(),
  revision: z.number(),
  policy: jsonColumn(PromotionPolicy),
  created_by: z.string(),
  created_at: z.number(),
})
export type PolicyRow = z.infer<typeof PolicyRow>

/** Revisions of one model's policy; more are refused. */
export const revisionsMax = 10_000

/** The policy that holds now; revision 0 is the one that holds where none was put. */
export async function policyOf(reader: Reader, model: string): Promise<PolicyRow> {
  const row = await reader.first(
    PolicyRow,
    'SELECT * FROM promotion_policies WHERE model = ? ORDER BY revision DESC LIMIT 1',
    [model],
  )
  return row ?? { model, revision: 0, policy: defaultPolicy, created_by: 'hub', created_at: 0 }
}

/** Newest first, those before `before`. */
export const policyRevisions = (reader: Reader, model: string, before: number, limit: number): Promise<PolicyRow[]> =>
  reader.all(
    PolicyRow,
    'SELECT * FROM promotion_policies WHERE model = ? AND revision < ? ORDER BY revision DESC LIMIT ?',
    [model, before, limit],
  )

export const insertPolicy = ({ model, revision, policy, created_by, created_at }: PolicyRow): Statement => ({
  sql: 'INSERT INTO promotion_policies (model, revision, policy, created_by, created_at) VALUES (?, ?, ?, ?, ?)',
  args: [model, revision, JSON.stringify(policy), created_by, created_at],
})
