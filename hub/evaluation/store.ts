// Evaluations in the database: the queue and what was found.

import { Digest, ModelName } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { jsonColumn, type Reader, type Statement } from '../storage/database.ts'
import { NewEvaluation } from './request.ts'
import { EvaluationResult, Figures } from './result.ts'

export const evaluationStates = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type EvaluationState = (typeof evaluationStates)[number]

const plain = {
  id: z.string(),
  model: ModelName,
  version: z.number(),
  state: z.enum(evaluationStates),
  code: z.string().nullable(),
  reason: z.string().nullable(),
  request: jsonColumn(NewEvaluation),
  dataset: Digest,
  manifest: Digest,
  champion_version: z.number().nullable(),
  champion_manifest: Digest.nullable(),
  no_champion: z.string().nullable(),
  code_version: z.string(),
  created_by: z.string(),
  created_at: z.number(),
  started_at: z.number().nullable(),
  ended_at: z.number().nullable(),
}
const EvaluationRow = z.object({ ...plain, result: jsonColumn(EvaluationResult).nullable() })
export type EvaluationRow = z.infer<typeof EvaluationRow>
const ListedRow = z.object({ ...plain, figures: jsonColumn(Figures).nullable() })
export type ListedRow = z.infer<typeof ListedRow>
/** One that succeeded. */
export type StoredEvaluation = EvaluationRow & { result: EvaluationResult }

const columns = `id, model, version, state, code, reason, request, dataset, manifest, champion_version,
  champion_manifest, no_champion, code_version, created_by, created_at, started_at, ended_at`

export function findEvaluation(reader: Reader, id: string): Promise<EvaluationRow | undefined> {
  return reader.first(EvaluationRow, `SELECT ${columns}, result FROM evaluations WHERE id = ?`, [id])
}

/** The newest of a version that succeeded, over one of these snapshots (digests), or over any where none is named. */
export async function latestEvaluation(
  reader: Reader,
  model: string,
  version: number,
  datasets: readonly string[] = [],
): Promise<StoredEvaluation | undefined> {
  const row = await reader.first(
    EvaluationRow,
    `SELECT ${columns}, result FROM evaluations WHERE model = ? AND version = ? AND state = 'succeeded'
      AND (? = '[]' OR dataset IN (SELECT value FROM json_each(?))) ORDER BY id DESC LIMIT 1`,
    [model, version, JSON.stringify(datasets), JSON.stringify(datasets)],
  )
  return row === undefined || row.result === null ? undefined : { ...row, result: row.result }
}

/** Newest first, those before `before`. */
export function listEvaluations(
  reader: Reader,
  model: string,
  version: number,
  before: string,
  limit: number,
): Promise<ListedRow[]> {
  return reader.all(
    ListedRow,
    `SELECT ${columns}, json_extract(result, '$.figures') AS figures FROM evaluations
      WHERE model = ? AND version = ? AND id < ? ORDER BY id DESC LIMIT ?`,
    [model, version, before, limit],
  )
}

/** The one that has waited longest. */
export function nextQueued(reader: Reader): Promise<EvaluationRow | undefined> {
  return reader.first(
    EvaluationRow,
    `SELECT ${columns}, result FROM evaluations WHERE state = 'queued' ORDER BY id LIMIT 1`,
  )
}

export async function countQueued(reader: Reader): Promise<number> {
  const row = await reader.first(
    z.object({ count: z.number() }),
    "SELECT count(*) AS count FROM evaluations WHERE state = 'queued'",
  )
  return row?.count ?? 0
}

export function runningEvaluations(reader: Reader): Promise<{ id: string; model: string; version: number }[]> {
  return reader.all(
    z.object({ id: z.string(), model: z.string(), version: z.number() }),
    "SELECT id, model, version FROM evaluations WHERE state = 'running'",
  )
}

export const insertEvaluation = (row: EvaluationRow): Statement => ({
  sql: `INSERT INTO evaluations (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  args: [
    row.id,
    row.model,
    row.version,
    row.state,
    row.code,
    row.reason,
    JSON.stringify(row.request),
    row.dataset,
    row.manifest,
    row.champion_version,
    row.champion_manifest,
    row.no_champion,
    row.code_version,
    row.created_by,
    row.created_at,
    row.started_at,
    row.ended_at,
  ],
})

export const startStatement = (id: string, nowMs: number): Statement => ({
  sql: "UPDATE evaluations SET state = 'running', started_at = ? WHERE id = ? AND state = 'queued'",
  args: [nowMs, id],
})

/** Back into the queue, at its old place. */
export const requeueStatement = (id: string): Statement => ({
  sql: "UPDATE evaluations SET state = 'queued', started_at = NULL WHERE id = ? AND state = 'running'",
  args: [id],
})

export type Outcome =
  | { state: 'succeeded'; result: EvaluationResult }
  | { state: 'failed' | 'cancelled'; code: string; reason: string }

export const endStatement = (id: string, outcome: Outcome, nowMs: number): Statement => ({
  sql: `UPDATE evaluations SET state = ?, code = ?, reason = ?, result = ?, ended_at = ?
    WHERE id = ? AND state IN ('queued', 'running')`,
  args: [
    outcome.state,
    outcome.state === 'succeeded' ? null : outcome.code,
    outcome.state === 'succeeded' ? null : outcome.reason,
    outcome.state === 'succeeded' ? JSON.stringify(outcome.result) : null,
    nowMs,
    id,
  ],
})
