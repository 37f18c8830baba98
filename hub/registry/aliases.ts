// Aliases: names that point at one version of a model and can be moved, such as `champion`.

import { z } from 'zod'
import type { Reader, Statement } from '../storage/database.ts'

/** What evaluation compares a new version with. */
export const championAlias = 'champion'

/** As MLflow has them (mlflow/utils/validation.py): letters, digits, `_` and `-`; not `latest`, and nothing that reads
 *  like a version (`v3`). */
export const Alias = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[\p{L}\p{N}_-]+$/u, 'an alias is made of letters, digits, _ and -')
  .refine((alias) => alias.toLowerCase() !== 'latest', 'latest is reserved: it would be taken for the newest version')
  .refine((alias) => !/^v\d+$/i.test(alias), 'v and a number would be taken for a version')

/** The version an alias points at; undefined where there is no such alias, or its model is deleted. */
export async function resolveAlias(reader: Reader, model: string, alias: string): Promise<number | undefined> {
  const row = await reader.first(
    z.object({ version: z.number() }),
    `SELECT a.version FROM aliases a JOIN models m ON m.name = a.model
      WHERE a.model = ? AND a.alias = ? AND m.deleted_at IS NULL`,
    [model, alias],
  )
  return row?.version
}

export type AliasRow = { alias: string; version: number; changed_by: string; changed_at: number }

const AliasRow = z.object({ alias: z.string(), version: z.number(), changed_by: z.string(), changed_at: z.number() })

export const aliasesOf = (reader: Reader, model: string): Promise<AliasRow[]> =>
  reader.all(AliasRow, 'SELECT alias, version, changed_by, changed_at FROM aliases WHERE model = ? ORDER BY alias', [
    model,
  ])

/** Points the alias at a version, from wherever it pointed. */
export const setAlias = (model: string, alias: string, version: number, by: string, nowMs: number): Statement => ({
  sql: `INSERT INTO aliases (model, alias, version, changed_by, changed_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version, changed_by = excluded.changed_by,
      changed_at = excluded.changed_at`,
  args: [model, alias, version, by, nowMs],
})

export const removeAlias = (model: string, alias: string): Statement => ({
  sql: 'DELETE FROM aliases WHERE model = ? AND alias = ?',
  args: [model, alias],
})
