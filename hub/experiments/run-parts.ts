// What belongs to one run beside what it said of itself: its experiment's name, what it was fed with, the models and
// versions that came of it, its files.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { artifactsBelow } from './artifacts/store.ts'
import { artifactUri } from './mlflow/artifact-owner.ts'
import type { Run } from './run-data.ts'
import type { RunRow } from './runs.ts'

const namedMax = 200

export type RunParts = {
  experimentName: string
  datasets: { name: string; digest: string; context: string | null }[]
  loggedModels: { id: string; name: string }[]
  versions: { model: string; version: number }[]
}

/** Versions that are there, of models that `isGranted`. */
export async function readRunParts(reader: Reader, run: Run, isGranted: (model: string) => boolean): Promise<RunParts> {
  const experiment = await reader.first(z.object({ name: z.string() }), 'SELECT name FROM experiments WHERE id = ?', [
    run.experiment,
  ])
  const versions = await reader.all(
    z.object({ model: z.string(), version: z.number() }),
    `SELECT v.model, v.version FROM versions v JOIN models m ON m.name = v.model
      WHERE v.run = ? AND v.deleted_at IS NULL AND m.deleted_at IS NULL ORDER BY v.model, v.version LIMIT ${namedMax}`,
    [run.id],
  )
  return {
    experimentName: experiment?.name ?? '',
    datasets: run.datasets.slice(0, namedMax).map(({ name, digest, tags }) => ({
      name,
      digest,
      context: tags['mlflow.data.context'] ?? null,
    })),
    loggedModels: (await loggedModelsOf(reader, run.id)).map(({ id, name }) => ({ id, name })),
    versions: versions.filter(({ model }) => isGranted(model)),
  }
}

const LoggedModel = z.object({ id: z.string(), name: z.string(), location: z.string() })

const loggedModelsOf = (reader: Reader, run: string): Promise<z.infer<typeof LoggedModel>[]> =>
  reader.all(
    LoggedModel,
    `SELECT m.id, m.name, e.artifact_location AS location FROM logged_models m JOIN experiments e ON e.id = m.experiment
      WHERE m.source_run = ? AND m.deleted_at IS NULL ORDER BY m.created_at, m.id LIMIT ${namedMax}`,
    [run],
  )

/** `model`: the logged model that the file is of, null where it is the run's own. `download`: where it is on this hub. */
export type RunFile = { path: string; sizeBytes: number; sha256: string; model: string | null; download: string }

/** The files of the run, then those of its logged models; `more`: there are others beyond `countMax`. */
export async function readRunFiles(
  reader: Reader,
  run: Pick<RunRow, 'id' | 'artifact_location'>,
  countMax: number,
): Promise<{ files: RunFile[]; more: boolean }> {
  const files: RunFile[] = []
  const models = await loggedModelsOf(reader, run.id)
  const owners = [
    { owner: { kind: 'run' as const, id: run.id }, location: run.artifact_location },
    ...models.map(({ id, location }) => ({ owner: { kind: 'model' as const, id }, location })),
  ]
  for (const { owner, location } of owners) {
    const folder = artifactUri(location, owner).replace(/^mlflow-artifacts:\/+/, '')
    for (const { path, sha256, size_bytes } of await artifactsBelow(reader, owner, '')) {
      const download = `/api/2.0/mlflow-artifacts/artifacts/${escaped(`${folder}/${path}`)}`
      files.push({ path, sizeBytes: size_bytes, sha256, model: owner.kind === 'model' ? owner.id : null, download })
    }
    if (files.length > countMax) break
  }
  return { files: files.slice(0, countMax), more: files.length > countMax }
}

const escaped = (path: string): string => path.split('/').map(encodeURIComponent).join('/')
