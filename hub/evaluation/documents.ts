// Evaluations as the API shows them.

import { z } from '@hono/zod-openapi'
import { Digest, ModelName } from '@roost/shared/protocol/names.ts'
import { NewEvaluation } from './request.ts'
import { EvaluationResult, Figures } from './result.ts'
import { type EvaluationRow, evaluationStates, type ListedRow } from './store.ts'

const time = z.iso.datetime()

export const ListedEvaluation = z
  .object({
    id: z.string(),
    model: ModelName,
    version: z.number().int().positive(),
    state: z.enum(evaluationStates),
    /** Why it failed or was cancelled. */
    code: z.string().nullable(),
    reason: z.string().nullable(),
    request: NewEvaluation,
    /** sha256 of the snapshot's bytes. */
    dataset: Digest,
    /** sha256 of the manifests of the version and of the champion. */
    manifest: Digest,
    champion: z.object({ version: z.number(), manifest: Digest }).nullable(),
    seed: z.number(),
    /** Of the hub that ran it. */
    codeVersion: z.string(),
    createdBy: z.string(),
    createdAt: time,
    startedAt: time.nullable(),
    endedAt: time.nullable(),
    figures: Figures.nullable(),
  })
  .openapi('ListedEvaluation')
export type ListedEvaluation = z.infer<typeof ListedEvaluation>

export const Evaluation = ListedEvaluation.omit({ figures: true })
  .extend({ result: EvaluationResult.nullable() })
  .openapi('Evaluation')
export type Evaluation = z.infer<typeof Evaluation>

export function showListed({ figures, ...row }: ListedRow): ListedEvaluation {
  return { ...showPlain(row), figures }
}

export function showEvaluation({ result, ...row }: EvaluationRow): Evaluation {
  return { ...showPlain(row), result }
}

function showPlain(row: Omit<EvaluationRow, 'result'>): Omit<ListedEvaluation, 'figures'> {
  return {
    id: row.id,
    model: row.model,
    version: row.version,
    state: row.state,
    code: row.code,
    reason: row.reason,
    request: row.request,
    dataset: row.dataset,
    manifest: row.manifest,
    champion:
      row.champion_version === null || row.champion_manifest === null
        ? null
        : { version: row.champion_version, manifest: row.champion_manifest },
    seed: row.request.seed,
    codeVersion: row.code_version,
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    startedAt: timeOf(row.started_at),
    endedAt: timeOf(row.ended_at),
  }
}

const timeOf = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString())
