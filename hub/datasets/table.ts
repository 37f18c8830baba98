// A dataset's file as a table: names of columns, and one row of cells after the other, whatever the format.

import { parquetTable } from './parquet-table.ts'
import { csvTable, jsonLinesTable } from './text-table.ts'

export const formats = ['csv', 'json-lines', 'parquet'] as const
export type Format = (typeof formats)[number]

export type Table = {
  /** In the order of the cells. Of JSON lines it grows while rows are read: a line may bring a column of its own. */
  names: readonly string[]
  /** Cells as they stand in the file: texts of CSV, JSON values, values of Parquet (timestamps as Date). A cell that is
   *  null, undefined or beyond the end of the row is missing.
   *  @throws TableError */
  rows: AsyncIterable<readonly unknown[]>
  /** Where the row read last stands in the file: `line 17`, `row 17`. */
  place(): string
}

/** @param wanted only these columns are needed: a format that can leaves out the others
 *  @throws TableError, here or while its rows are read */
export function openTable(path: string, format: Format, wanted?: readonly string[]): Promise<Table> {
  if (format === 'parquet') return parquetTable(path, wanted)
  return Promise.resolve(format === 'csv' ? csvTable(path) : jsonLinesTable(path))
}
