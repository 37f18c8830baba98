// The latest evaluation of a variant as evidence for the gates of its version.

import { z } from 'zod'
import { findEvaluation } from '../evaluation/store.ts'
import type { FindEvaluation } from './gather.ts'

export const storedEvaluation: FindEvaluation = async (reader, model, version, manifest, { datasets, label, task }) => {
  const latest = await reader.first(
    z.object({ id: z.string() }),
    `SELECT id FROM evaluations WHERE model = ?1 AND version = ?2 AND manifest = ?3 AND state = 'succeeded'
       AND (json_array_length(?4) = 0 OR dataset IN (SELECT value FROM json_each(?4)))
       AND (?5 IS NULL OR (request ->> '$.label' = ?5 AND request ->> '$.columns' = '{}'))
       AND CASE WHEN ?6 IS NULL THEN ?5 IS NULL OR request ->> '$.task' IS NULL ELSE json(request -> '$.task') = json(?6) END
     ORDER BY id DESC LIMIT 1`,
    [model, version, manifest, JSON.stringify(datasets), label, task === null ? null : JSON.stringify(task)],
  )
  const result = latest && (await findEvaluation(reader, latest.id))?.result
  if (latest === undefined || result == null) return null
  const { figures, champion, difference, slices } = result
  return { id: latest.id, figures, champion, difference, slices }
}
