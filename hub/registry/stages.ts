// Stages: how far a version has come. What moves it from one to the next is promotion's.

import { z } from 'zod'
import type { Statement } from '../storage/database.ts'

export const stages = ['development', 'staging', 'production', 'archived'] as const
export const Stage = z.enum(stages)
export type Stage = z.infer<typeof Stage>

/** Puts a version into a stage. Rows affected 0: there is no such version, or it is there already. */
export const stageStatements = (model: string, version: number, stage: Stage, nowMs: number): Statement[] => [
  {
    sql: `UPDATE versions SET stage = ?, revision = revision + 1, changed_at = ?
      WHERE model = ? AND version = ? AND stage <> ? AND deleted_at IS NULL`,
    args: [stage, nowMs, model, version, stage],
  },
]
