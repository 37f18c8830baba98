// Who is measured against whom: the versions of a request, looked up and held against the snapshot before anything runs.

import { findSnapshot, type Snapshot } from '../datasets/snapshots.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { championAlias, resolveAlias } from '../registry/aliases.ts'
import { findVersion, type VersionRow } from '../registry/store.ts'
import type { Contest } from './evaluate.ts'
import { wantedColumns } from './evaluate.ts'
import { EvaluationError } from './evaluation-error.ts'
import { assertFits } from './input-table.ts'
import { type EvaluatedModel, openModel } from './model.ts'
import type { NewEvaluation } from './request.ts'
import { resolveTask } from './task.ts'

type Source = Pick<Hub, 'database' | 'blobs' | 'keys' | 'config' | 'random'>

/** The champion's variant is the one of the candidate's name, else its first.
 *  @throws Problem not-found */
export async function openContest(
  hub: Source,
  model: string,
  version: number,
  request: NewEvaluation,
): Promise<Contest> {
  const candidate = await openVersion(hub, model, version, request.variant)
  const { champion } = request
  const number = champion === undefined ? await resolveAlias(hub.database, model, championAlias) : champion
  if (number === null) return { candidate, champion: undefined, noChampion: 'none was wanted' }
  if (number === undefined) {
    return { candidate, champion: undefined, noChampion: `no version of ${model} is its champion` }
  }
  if (number === version) return { candidate, champion: undefined, noChampion: 'this version is the champion' }
  return { candidate, champion: await openVersion(hub, model, number, candidate.variant, true), noChampion: null }
}

/** @param anyVariant takes the first where there is none of this name
 *  @throws Problem not-found */
export async function openVersion(
  hub: Source,
  model: string,
  version: number,
  variant: string | undefined,
  anyVariant = false,
): Promise<EvaluatedModel> {
  const row = await findVersion(hub.database, model, version)
  if (row === undefined) throw notFound('version', `${model}/${version}`)
  const found = variantOf(row, variant) ?? (anyVariant ? row.variants[0] : undefined)
  if (found === undefined) throw notFound('variant', `${model}/${version}/${variant}`)
  return openModel(hub, row, found)
}

const variantOf = ({ variants }: VersionRow, variant: string | undefined) =>
  variant === undefined ? variants[0] : variants.find((one) => one.variant === variant)

/** What is known to fail is refused before it queues.
 *  @throws Problem not-found, unknown-column, or the code of the EvaluationError */
export async function checkContest(hub: Source, { candidate }: Contest, request: NewEvaluation): Promise<Snapshot> {
  const snapshot = await needSnapshot(hub, request.dataset)
  refusing(() => {
    const task = resolveTask(request.task, candidate.manifest)
    if (request.fairness.length > 0 && task.kind !== 'binary-classification') {
      throw new EvaluationError('fairness-misfit', `fairness is between two classes; the task is ${task.kind}`)
    }
    const wanted = wantedColumns(candidate, request)
    assertColumns(snapshot, wanted)
    assertFits(snapshot.rows, wanted.size)
  })
  return snapshot
}

/** @throws Problem not-found */
export async function needSnapshot({ database }: Pick<Hub, 'database'>, reference: string): Promise<Snapshot> {
  const snapshot = await findSnapshot(database, reference)
  if (snapshot === undefined) throw notFound('snapshot', reference)
  return snapshot
}

/** @throws EvaluationError unknown-column */
export function assertColumns({ columns }: Snapshot, wanted: Iterable<string>): void {
  const names = columns.map(({ name }) => name)
  const known = new Set(names)
  for (const name of wanted) {
    if (known.has(name)) continue
    const some =
      names.length <= 20 ? names.join(', ') : `${names.slice(0, 20).join(', ')} and ${names.length - 20} more`
    throw new EvaluationError(
      'unknown-column',
      `the snapshot has no column ${JSON.stringify(name)}; it has ${some}. \`columns\` says where inputs come from`,
    )
  }
}

/** An EvaluationError while the caller still waits is the caller's to mend. */
export function refusing<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw asProblem(error)
  }
}

/** The problem document of an EvaluationError; anything else as it is. */
export function asProblem(error: unknown): unknown {
  if (!(error instanceof EvaluationError)) return error
  if (error.code === 'busy') {
    const headers = { 'retry-after': '30' }
    return new Problem(503, 'overloaded', 'Try again later', error.message, { headers, cause: error })
  }
  const status = error.code === 'dataset-too-large' ? 413 : 422
  return new Problem(status, error.code, 'The evaluation cannot be done', error.message, { cause: error })
}
