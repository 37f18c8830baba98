// The first of two readings of a snapshot: how many rows it has, which columns, and of what type.

import { type ColumnType, type KindCounts, kindOf, noKinds, type Reading, typeOf } from './cells.ts'
import type { Table } from './table.ts'
import { invalid, TableError } from './table-error.ts'

export type SchemaColumn = { name: string; type: ColumnType; nullable: boolean }
export type Schema = { rows: number; columns: SchemaColumn[] }

/** @throws TableError where the file is no table, or has no column or no row */
export async function readSchema(table: Table, reading: Reading): Promise<Schema> {
  const kinds: KindCounts[] = []
  let rows = 0
  for await (const cells of table.rows) {
    while (kinds.length < table.names.length) kinds.push(noKinds())
    rows += 1
    for (const [i, cell] of cells.entries()) {
      const counts = kinds[i]
      // a cell that is missing is not counted: its column may be older than this row, or younger
      if (counts !== undefined) counts[kindAt(table, i, cell, reading)] += 1
    }
  }
  if (table.names.length === 0) throw invalid('it has no column')
  if (rows === 0) throw invalid('it has no row')
  const columns = table.names.map((name, i): SchemaColumn => {
    const counts = kinds[i] ?? noKinds()
    const type = typeOf(counts)
    const present = type === 'text' ? rows - missingTexts(counts, rows) : counts[type]
    return { name, type, nullable: present < rows }
  })
  return { rows, columns }
}

function missingTexts(counts: KindCounts, rows: number): number {
  const { number, boolean, text, timestamp, word } = counts
  return rows - number - boolean - text - timestamp - word
}

function kindAt(table: Table, column: number, cell: unknown, reading: Reading) {
  try {
    return kindOf(cell, reading)
  } catch (error) {
    if (!(error instanceof TableError)) throw error
    throw new TableError(
      error.code,
      `${table.place()}, column ${JSON.stringify(table.names[column])} ${error.message}`,
      { cause: error },
    )
  }
}
