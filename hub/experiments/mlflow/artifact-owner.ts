// The runs and logged models whose files lie in the hub, and where each says its files are.

import { z } from 'zod'
import type { Reader } from '../../storage/database.ts'
import { artifactUriPath, type Owner } from '../artifacts/path.ts'

export type FoundOwner = {
  /** Of its experiment, relative to `mlflow-artifacts:/`; undefined where the experiment keeps its files elsewhere. */
  root: string | undefined
  /** Its `artifact_uri`. */
  uri: string
  isDeleted: boolean
}

const Row = z.object({ artifact_location: z.string(), deleted_at: z.number().nullable() })

export const versionUri = (id: string): string => `mlflow-artifacts:/versions/${id}`

/** Where the files of a run or a logged model lie. */
export const artifactUri = (location: string, { kind, id }: Owner): string =>
  `${location.replace(/\/+$/, '')}/${kind === 'model' ? 'models/' : ''}${id}/artifacts`

/** Undefined where there is none; a deleted logged model is none. */
export async function findOwner(reader: Reader, owner: Owner): Promise<FoundOwner | undefined> {
  if (owner.kind === 'version') return findVersionOwner(reader, owner.id)
  const row = await reader.first(
    Row,
    owner.kind === 'run'
      ? `SELECT e.artifact_location, coalesce(r.deleted_at, e.deleted_at) AS deleted_at
          FROM runs r JOIN experiments e ON e.id = r.experiment WHERE r.id = ?`
      : `SELECT e.artifact_location, e.deleted_at
          FROM logged_models m JOIN experiments e ON e.id = m.experiment WHERE m.id = ? AND m.deleted_at IS NULL`,
    [owner.id],
  )
  if (row === undefined) return undefined
  return {
    root: artifactUriPath(row.artifact_location),
    uri: artifactUri(row.artifact_location, owner),
    isDeleted: row.deleted_at !== null,
  }
}

async function findVersionOwner(reader: Reader, id: string): Promise<FoundOwner | undefined> {
  const [model = '', version = ''] = id.split('/')
  const row = await reader.first(
    z.object({ version: z.number() }),
    `SELECT v.version FROM versions v JOIN models m ON m.name = v.model
      WHERE v.model = ? AND v.version = ? AND v.deleted_at IS NULL AND m.deleted_at IS NULL`,
    [model, Number(version)],
  )
  return row && { root: '', uri: versionUri(id), isDeleted: false }
}
