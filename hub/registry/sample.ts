// The sample of training rows: CSV with a header, or one JSON object a line, read as a stream.

import { TableError } from '../datasets/table-error.ts'
import { csvTable, jsonLinesTable } from '../datasets/text-table.ts'
import { Problem } from '../problem.ts'
import type { StagedBlob } from '../storage/blobs.ts'

export type Row = Record<string, unknown>

/** The rows in their order.
 *  @throws Problem invalid-sample, naming the line; sample-too-large */
export async function* readRows(sample: StagedBlob): AsyncGenerator<Row, void, undefined> {
  const first = new TextDecoder()
    .decode(await sample.read(0, 64))
    .replace(/^\uFEFF/, '')
    .trimStart()[0]
  if (first === undefined) throw invalid('the sample is empty')
  const table = first === '{' || first === '[' ? jsonLinesTable(sample.path) : csvTable(sample.path)
  try {
    for await (const cells of table.rows) yield rowOf(table.names, cells)
  } catch (error) {
    if (!(error instanceof TableError)) throw error
    if (error.code === 'dataset-too-large') {
      throw new Problem(413, 'sample-too-large', 'Too large', error.message, { field: 'sample', cause: error })
    }
    throw invalid(error.message, error)
  }
}

/** A column that the row does not bring is left out, as a JSON line leaves it out. Without a prototype, so that a column
 *  may be called __proto__. */
function rowOf(names: readonly string[], cells: readonly unknown[]): Row {
  const row: Row = Object.create(null)
  for (const [i, name] of names.entries()) if (cells[i] !== undefined) row[name] = cells[i]
  return row
}

const invalid = (detail: string, cause?: unknown) =>
  new Problem(422, 'invalid-sample', 'The sample cannot be read', detail, { field: 'sample', cause })
