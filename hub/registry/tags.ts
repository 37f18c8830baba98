// Tags: short texts by name on a model or a version, to find it again by.

import { z } from 'zod'
import type { Statement } from '../storage/database.ts'

export const tagsMax = 100
/** As long as MLflow's tag keys. */
const keyLengthMax = 250
const valueLengthMax = 5_000

/** Text that every database and client reads alike: no half of a surrogate pair, no NUL. */
export const PlainText = z
  .string()
  .refine((text) => text.isWellFormed() && !text.includes('\0'), 'text in valid Unicode, without NUL')

export const TagKey = PlainText.min(1).max(keyLengthMax)
export const TagValue = PlainText.max(valueLengthMax)
export const Tags = z
  .record(TagKey, TagValue)
  .refine((tags) => Object.keys(tags).length <= tagsMax, `at most ${tagsMax} tags`)
export type Tags = z.infer<typeof Tags>
/** A value of null takes the tag away. */
export type TagEdit = Readonly<Record<string, string | null>>

/** Sets and takes away tags of a model, or of a version of it. */
export function setTags({ model, version }: { model: string; version?: number }, edit: TagEdit): Statement[] {
  const table = version === undefined ? 'model_tags' : 'version_tags'
  const owner = version === undefined ? [model] : [model, version]
  const columns = version === undefined ? 'model' : 'model, version'
  const marks = owner.map(() => '?').join(', ')
  return Object.entries(edit).map(([key, value]) =>
    value === null
      ? { sql: `DELETE FROM ${table} WHERE (${columns}, key) = (${marks}, ?)`, args: [...owner, key] }
      : {
          sql: `INSERT INTO ${table} (${columns}, key, value) VALUES (${marks}, ?, ?)
            ON CONFLICT (${columns}, key) DO UPDATE SET value = excluded.value`,
          args: [...owner, key, value],
        },
  )
}

/** What the tags are after an edit. */
export function editedTags(tags: Tags, edit: TagEdit): Tags {
  const merged = { ...tags, ...edit }
  return Object.fromEntries(Object.entries(merged).flatMap(([key, value]) => (value === null ? [] : [[key, value]])))
}
