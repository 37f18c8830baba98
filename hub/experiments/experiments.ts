// Experiments: named folders of runs. A deleted one keeps its name, and its runs count as deleted until it is restored;
// then all of them are there, also those that had been deleted on their own: as MLflow's server does it.

import { z } from 'zod'
import type { Reader, Statement } from '../storage/database.ts'

export const ExperimentRow = z.object({
  id: z.number(),
  name: z.string(),
  artifact_location: z.string(),
  created_at: z.number(),
  updated_at: z.number(),
  deleted_at: z.number().nullable(),
})
export type ExperimentRow = z.infer<typeof ExperimentRow>
export type Tag = { key: string; value: string }

export const findExperiment = (reader: Reader, id: number): Promise<ExperimentRow | undefined> =>
  reader.first(ExperimentRow, 'SELECT * FROM experiments WHERE id = ?', [id])

export const findExperimentByName = (reader: Reader, name: string): Promise<ExperimentRow | undefined> =>
  reader.first(ExperimentRow, 'SELECT * FROM experiments WHERE name = ?', [name])

/** The experiments of those ids, in that order. */
export async function readExperiments(reader: Reader, ids: readonly number[]): Promise<ExperimentRow[]> {
  const rows = await reader.all(
    ExperimentRow,
    'SELECT * FROM experiments WHERE id IN (SELECT value FROM json_each(?))',
    [JSON.stringify(ids)],
  )
  const rowOf = new Map(rows.map((row) => [row.id, row]))
  return ids.flatMap((id) => rowOf.get(id) ?? [])
}

/** The number a new experiment gets; take it within the transaction that inserts. */
export async function nextExperimentId(reader: Reader): Promise<number> {
  const row = await reader.first(z.object({ id: z.number() }), 'SELECT max(id) + 1 AS id FROM experiments')
  return row?.id ?? 0
}

export function insertExperiment(row: ExperimentRow, tags: readonly Tag[]): Statement[] {
  return [
    {
      sql: `INSERT INTO experiments (id, name, artifact_location, created_at, updated_at) VALUES (?, ?, ?, ?, ?)`,
      args: [row.id, row.name, row.artifact_location, row.created_at, row.updated_at],
    },
    ...tags.map((tag) => setExperimentTag(row.id, tag)),
  ]
}

export const renameExperiment = (id: number, name: string, nowMs: number): Statement => ({
  sql: 'UPDATE experiments SET name = ?, updated_at = ? WHERE id = ?',
  args: [name, nowMs, id],
})

/** Its runs are deleted with it, by what is read of them. */
export const deleteExperiment = (id: number, nowMs: number): Statement[] => [
  { sql: 'UPDATE experiments SET deleted_at = ?1, updated_at = ?1 WHERE id = ?2', args: [nowMs, id] },
]

export const restoreExperiment = (id: number, nowMs: number): Statement[] => [
  { sql: 'UPDATE experiments SET deleted_at = NULL, updated_at = ? WHERE id = ?', args: [nowMs, id] },
  { sql: 'UPDATE runs SET deleted_at = NULL WHERE experiment = ? AND deleted_at IS NOT NULL', args: [id] },
]

export const setExperimentTag = (id: number, { key, value }: Tag): Statement => ({
  sql: `INSERT INTO experiment_tags (experiment, key, value) VALUES (?, ?, ?)
    ON CONFLICT (experiment, key) DO UPDATE SET value = excluded.value`,
  args: [id, key, value],
})

export const deleteExperimentTag = (id: number, key: string): Statement => ({
  sql: 'DELETE FROM experiment_tags WHERE experiment = ? AND key = ?',
  args: [id, key],
})

const TagRow = z.object({ experiment: z.number(), key: z.string(), value: z.string() })

/** The tags of each of the experiments, by key. */
export async function experimentTags(reader: Reader, ids: readonly number[]): Promise<Map<number, Tag[]>> {
  const rows = await reader.all(
    TagRow,
    'SELECT experiment, key, value FROM experiment_tags WHERE experiment IN (SELECT value FROM json_each(?)) ORDER BY key',
    [JSON.stringify(ids)],
  )
  return Map.groupBy(rows, ({ experiment }) => experiment)
}
