// Models and versions of the registry as MLflow's clients know them: the same rows, in their words.

import { z } from 'zod'
import { Stage } from '../../registry/stages.ts'
import { jsonColumn, type Reader, type Value } from '../../storage/database.ts'

const Tags = jsonColumn(z.record(z.string(), z.string()))

export const VersionFields = z.object({
  model: z.string(),
  version: z.number(),
  stage: Stage,
  description: z.string(),
  source: z.string().nullable(),
  run: z.string().nullable(),
  created_by: z.string(),
  created_at: z.number(),
  changed_at: z.number().nullable(),
  tags: Tags,
  aliases: jsonColumn(z.array(z.string())),
})
export type VersionFields = z.infer<typeof VersionFields>

export const ModelFields = z.object({
  name: z.string(),
  description: z.string(),
  created_at: z.number(),
  changed_at: z.number(),
  tags: Tags,
  aliases: jsonColumn(z.array(z.object({ alias: z.string(), version: z.number() }))),
  /** The newest version of each stage. */
  latest: jsonColumn(z.array(z.number())),
})
export type ModelFields = z.infer<typeof ModelFields>

/** When a model or one of its versions last changed. */
export const modelChangedAt = `max(m.created_at, coalesce(m.changed_at, 0),
  coalesce((SELECT max(max(v.created_at, coalesce(v.changed_at, 0))) FROM versions v WHERE v.model = m.name), 0))`

/** Of `models m`. */
export const modelFields = `m.name, m.description, m.created_at, ${modelChangedAt} AS changed_at,
  (SELECT json_group_object(key, value) FROM model_tags t WHERE t.model = m.name) AS tags,
  (SELECT json_group_array(json_object('alias', alias, 'version', version)) FROM aliases a WHERE a.model = m.name) AS aliases,
  (SELECT json_group_array(version) FROM (SELECT max(version) AS version FROM versions v
    WHERE v.model = m.name AND v.deleted_at IS NULL GROUP BY v.stage)) AS latest`

/** Of `versions v`. */
export const versionFields = `v.model, v.version, v.stage, v.description, v.source, v.run, v.created_by, v.created_at,
  v.changed_at,
  (SELECT json_group_object(key, value) FROM version_tags t WHERE t.model = v.model AND t.version = v.version) AS tags,
  (SELECT json_group_array(alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version) AS aliases`

/** Versions that are there, of models that are there. */
export function versionsWhere(reader: Reader, where: string, args: readonly Value[]): Promise<VersionFields[]> {
  return reader.all(
    VersionFields,
    `SELECT ${versionFields} FROM versions v JOIN models m ON m.name = v.model
      WHERE v.deleted_at IS NULL AND m.deleted_at IS NULL AND ${where}`,
    args,
  )
}

export function findModelFields(reader: Reader, name: string): Promise<ModelFields | undefined> {
  return reader.first(ModelFields, `SELECT ${modelFields} FROM models m WHERE m.name = ? AND m.deleted_at IS NULL`, [
    name,
  ])
}

/** MLflow's stages, in the order of its documentation. */
export const stageNames = {
  development: 'None',
  staging: 'Staging',
  production: 'Production',
  archived: 'Archived',
} as const

/** @returns undefined for what is no stage; case does not matter */
export function readStage(name: string): Stage | undefined {
  return Stage.options.find((stage) => stageNames[stage].toLowerCase() === name.toLowerCase())
}

export function showVersion(row: VersionFields): Record<string, unknown> {
  const { model, version, source, run, tags, aliases } = row
  return {
    name: model,
    version: String(version),
    creation_timestamp: row.created_at,
    last_updated_timestamp: Math.max(row.created_at, row.changed_at ?? 0),
    user_id: row.created_by,
    current_stage: stageNames[row.stage],
    description: row.description,
    source: source ?? `models:/${model}/${version}`,
    ...(run === null ? {} : { run_id: run }),
    status: 'READY',
    ...(Object.keys(tags).length === 0 ? {} : { tags: shownTags(tags) }),
    ...(aliases.length === 0 ? {} : { aliases }),
  }
}

/** Models with the newest version of each stage, read for all of them at once. */
export async function showModels(reader: Reader, rows: readonly ModelFields[]): Promise<Record<string, unknown>[]> {
  const wanted = rows.flatMap(({ name, latest }) => latest.map((version) => ({ name, version })))
  const versions = await versionsWhere(
    reader,
    `(v.model, v.version) IN (SELECT value ->> 'name', value ->> 'version' FROM json_each(?))`,
    [JSON.stringify(wanted)],
  )
  return rows.map((row) => {
    const latest = versions.filter(({ model }) => model === row.name)
    return {
      name: row.name,
      creation_timestamp: row.created_at,
      last_updated_timestamp: row.changed_at,
      description: row.description,
      ...(latest.length === 0 ? {} : { latest_versions: latest.map(showVersion) }),
      ...(Object.keys(row.tags).length === 0 ? {} : { tags: shownTags(row.tags) }),
      ...(row.aliases.length === 0
        ? {}
        : { aliases: row.aliases.map(({ alias, version }) => ({ alias, version: String(version) })) }),
    }
  })
}

const shownTags = (tags: Readonly<Record<string, string>>) =>
  Object.entries(tags).map(([key, value]) => ({ key, value }))
