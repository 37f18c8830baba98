// Columns of a snapshot for an evaluation: what is wrong with the snapshot is a reason why it cannot be done.

import { type Columns, readColumns } from '../datasets/columns.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { EvaluationError } from './evaluation-error.ts'

/** @throws EvaluationError with the code of the Problem */
export async function readSnapshot(
  hub: Pick<Hub, 'database' | 'blobs'>,
  digest: string,
  wanted: readonly string[],
): Promise<Columns> {
  try {
    return await readColumns(hub, digest, wanted)
  } catch (error) {
    if (error instanceof Problem) throw new EvaluationError(error.code, error.detail, { cause: error })
    throw error
  }
}
