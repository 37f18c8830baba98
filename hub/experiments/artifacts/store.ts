// Files of runs and logged models: rows that name a blob.

import { z } from 'zod'
import type { Reader, Statement, Writer } from '../../storage/database.ts'
import type { Owner } from './path.ts'

/** Files one run or model may have; a folder of checkpoints has some hundreds. */
export const filesMax = 10_000

const ArtifactRow = z.object({ path: z.string(), sha256: z.string(), size_bytes: z.number() })
export type ArtifactRow = z.infer<typeof ArtifactRow>

/** A file or a folder in a listing; a folder has no size. */
export type Entry = { name: string; sizeBytes: number | undefined }

export type PutRefusal = 'too-many' | 'is-a-folder' | 'below-a-file'

/** Stores a file, in place of one that is there, or says why not. */
export async function putArtifact(
  tx: Reader & Writer,
  owner: Owner,
  file: ArtifactRow,
  nowMs: number,
): Promise<PutRefusal | undefined> {
  const refusal = await putRefusal(tx, owner, file.path)
  if (refusal !== undefined) return refusal
  await tx.write([insertArtifact(owner, file, nowMs)])
  return undefined
}

export const insertArtifact = (owner: Owner, file: ArtifactRow, nowMs: number): Statement => ({
  sql: `INSERT INTO artifacts (owner_kind, owner, path, sha256, size_bytes, created_at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (owner_kind, owner, path) DO UPDATE
    SET sha256 = excluded.sha256, size_bytes = excluded.size_bytes, created_at = excluded.created_at`,
  args: [owner.kind, owner.id, file.path, file.sha256, file.size_bytes, nowMs],
})

/** Why a file of this path cannot be stored: its name would be a file and a folder at once, or `filesMax` is reached. */
export async function putRefusal(reader: Reader, owner: Owner, path: string): Promise<PutRefusal | undefined> {
  const folders = foldersAbove(path)
  const marks = folders.map(() => '?').join(', ')
  const clash = await reader.first(
    z.object({ path: z.string() }),
    `SELECT path FROM artifacts WHERE owner_kind = ? AND owner = ? AND (path IN (${marks}) OR (path > ? AND path < ?)) LIMIT 1`,
    [owner.kind, owner.id, ...folders, ...below(path)],
  )
  if (clash !== undefined) return folders.includes(clash.path) ? 'below-a-file' : 'is-a-folder'
  const others = await reader.first(
    z.object({ files: z.number() }),
    'SELECT count(*) AS files FROM artifacts WHERE owner_kind = ? AND owner = ? AND path <> ?',
    [owner.kind, owner.id, path],
  )
  return (others?.files ?? 0) >= filesMax ? 'too-many' : undefined
}

export function findArtifact(reader: Reader, owner: Owner, path: string): Promise<ArtifactRow | undefined> {
  return reader.first(
    ArtifactRow,
    'SELECT path, sha256, size_bytes FROM artifacts WHERE owner_kind = ? AND owner = ? AND path = ?',
    [owner.kind, owner.id, path],
  )
}

/** All files below a folder, '' for all of the owner's; at most `filesMax`. */
export function artifactsBelow(reader: Reader, owner: Owner, folder: string): Promise<ArtifactRow[]> {
  const [after, before] = folder === '' ? ['', '\u{10ffff}'] : below(folder)
  return reader.all(
    ArtifactRow,
    `SELECT path, sha256, size_bytes FROM artifacts
      WHERE owner_kind = ? AND owner = ? AND path > ? AND path < ? ORDER BY path LIMIT ${filesMax}`,
    [owner.kind, owner.id, after, before],
  )
}

/** The file of that path and all files below it. */
export function removeArtifacts(owner: Owner, path: string): Statement {
  return {
    sql: 'DELETE FROM artifacts WHERE owner_kind = ? AND owner = ? AND (path = ? OR (path > ? AND path < ?))',
    args: [owner.kind, owner.id, path, ...below(path)],
  }
}

/** What lies directly in `folder`, by name. */
export function entriesOf(files: readonly ArtifactRow[], folder: string): Entry[] {
  const start = folder === '' ? 0 : folder.length + 1
  const entries = new Map<string, Entry>()
  for (const { path, size_bytes } of files) {
    const [name = '', deeper] = path.slice(start).split('/', 2)
    entries.set(name, { name, sizeBytes: deeper === undefined ? size_bytes : undefined })
  }
  return [...entries.values()]
}

/** Paths in a folder lie between these two: `0` follows `/`. */
const below = (folder: string): [string, string] => [`${folder}/`, `${folder}0`]

function foldersAbove(path: string): string[] {
  const names = path.split('/')
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'))
}
