// Versions that a person took back: nothing moves them forward by itself, and one whose approval was revoked is rolled
// out no further.

import { z } from 'zod'
import { type Stage, stages } from '../registry/stages.ts'
import type { Reader, Statement } from '../storage/database.ts'

const HoldRow = z.object({
  model: z.string(),
  version: z.number(),
  kind: z.enum(['revoked', 'moved-back']),
  /** Where `revoked`: the stage it must reach anew. */
  stage: z.enum(stages),
  actor: z.string(),
  reason: z.string(),
  at: z.number(),
})
export type HoldRow = z.infer<typeof HoldRow>

export const holdOf = (reader: Reader, model: string, version: number): Promise<HoldRow | undefined> =>
  reader.first(HoldRow, 'SELECT * FROM promotion_holds WHERE model = ? AND version = ?', [model, version])

export async function revokedHold(reader: Reader, model: string, version: number): Promise<HoldRow | undefined> {
  const hold = await holdOf(reader, model, version)
  return hold?.kind === 'revoked' ? hold : undefined
}

/** A revoked approval weighs more than a version that was moved back. */
export const putHold = (hold: HoldRow): Statement => ({
  sql: `INSERT INTO promotion_holds (model, version, kind, stage, actor, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (model, version) DO UPDATE SET kind = excluded.kind, stage = excluded.stage, actor = excluded.actor,
          reason = excluded.reason, at = excluded.at WHERE kind <> 'revoked' OR excluded.kind = 'revoked'`,
  args: [hold.model, hold.version, hold.kind, hold.stage, hold.actor, hold.reason, hold.at],
})

/** The version came forward to `stage`: what held it below ends. */
export const liftHold = (model: string, version: number, stage: Stage): Statement => ({
  sql: `DELETE FROM promotion_holds WHERE model = ? AND version = ? AND NOT
          (kind = 'revoked' AND stage = 'production' AND ? <> 'production')`,
  args: [model, version, stage],
})
