// Verdicts in the database. One is named by what it was based on: the same evidence under the same policy is one row.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { answers, type Evidence, type GateVerdict, RuleVerdict } from './judge.ts'

export const VerdictRow = z.object({
  id: z.string(),
  model: z.string(),
  version: z.number(),
  to_stage: z.enum(['staging', 'production']),
  answer: z.enum(answers),
  policy_revision: z.number(),
  evaluation: z.string().nullable(),
  champion: z.number().nullable(),
  basis: z.string(),
  rules: jsonColumn(z.array(RuleVerdict)),
  first_at: z.number(),
  last_at: z.number(),
})
export type VerdictRow = z.infer<typeof VerdictRow>

export type NewVerdict = Pick<VerdictRow, 'model' | 'version' | 'to_stage' | 'policy_revision'> & {
  /** Digests of the version's manifests. */
  manifests: readonly string[]
  evidence: Pick<Evidence, 'variants' | 'champion'>
  verdict: GateVerdict
}

/** The row as it is, or will be when `keepVerdict` was written. */
export async function verdictRow(
  reader: Reader,
  made: NewVerdict,
  newId: () => string,
  nowMs: number,
): Promise<VerdictRow> {
  const { model, version, to_stage, policy_revision, manifests, evidence, verdict } = made
  const evaluations = evidence.variants.map((variant) => variant.evaluation?.id ?? null)
  // ids rise with time
  const evaluation =
    evaluations
      .filter((id) => id !== null)
      .sort()
      .at(-1) ?? null
  const champion = evidence.champion?.version ?? null
  // not the sentences: a hub that words them otherwise has judged the same
  const judged = { answer: verdict.answer, rules: verdict.rules.map(({ sentence, ...figures }) => figures) }
  const content = { policy_revision, manifests: [...manifests].sort(), evaluations, champion, verdict: judged }
  const basis = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  const known = await reader.first(
    VerdictRow,
    'SELECT * FROM promotion_verdicts WHERE model = ? AND version = ? AND to_stage = ? AND basis = ?',
    [model, version, to_stage, basis],
  )
  if (known !== undefined) return { ...known, last_at: nowMs }
  const { answer, rules } = verdict
  return {
    id: newId(),
    model,
    version,
    to_stage,
    answer,
    policy_revision,
    evaluation,
    champion,
    basis,
    rules,
    first_at: nowMs,
    last_at: nowMs,
  }
}

export const keepVerdict = (row: VerdictRow): Statement => ({
  sql: `INSERT INTO promotion_verdicts
          (id, model, version, to_stage, answer, policy_revision, evaluation, champion, basis, rules, first_at, last_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (model, version, to_stage, basis) DO UPDATE SET last_at = excluded.last_at`,
  args: [
    row.id,
    row.model,
    row.version,
    row.to_stage,
    row.answer,
    row.policy_revision,
    row.evaluation,
    row.champion,
    row.basis,
    JSON.stringify(row.rules),
    row.first_at,
    row.last_at,
  ],
})

/** Of a version, the last looked at first. */
export const verdictsOf = (reader: Reader, model: string, version: number, limit: number): Promise<VerdictRow[]> =>
  reader.all(
    VerdictRow,
    'SELECT * FROM promotion_verdicts WHERE model = ? AND version = ? ORDER BY last_at DESC, first_at DESC, id LIMIT ?',
    [model, version, limit],
  )

export const verdictById = (reader: Reader, id: string): Promise<VerdictRow | undefined> =>
  reader.first(VerdictRow, 'SELECT * FROM promotion_verdicts WHERE id = ?', [id])
