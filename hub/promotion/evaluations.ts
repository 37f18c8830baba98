// The latest evaluation of a version as evidence for its gates.

import { z } from 'zod'
import { findEvaluation } from '../evaluation/store.ts'
import type { FindEvaluation } from './gather.ts'

export const storedEvaluation: FindEvaluation = async (reader, model, version, { datasets, label }) => {
  const latest = await reader.first(
    z.object({ id: z.string() }),
    `SELECT id FROM evaluations WHERE model = ? AND version = ? AND state = 'succeeded'
       AND (json_array_length(?3) = 0 OR dataset IN (SELECT value FROM json_each(?3)))
       AND (?4 IS NULL OR (request ->> '$.label' = ?4 AND request ->> '$.task' IS NULL AND request ->> '$.columns' = '{}'))
     ORDER BY id DESC LIMIT 1`,
    [model, version, JSON.stringify(datasets), label],
  )
  const result = latest && (await findEvaluation(reader, latest.id))?.result
  if (latest === undefined || result == null) return null
  const { figures, champion, difference, slices } = result
  return { id: latest.id, figures, champion, difference, slices }
}
