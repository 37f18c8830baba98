// Counts the values of a table on given scales: what two snapshots are compared by.

import type { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { createColumnRecorders } from '@roost/shared/sketch/recorder.ts'
import { type ColumnType, numberOf, textOf } from '../cells.ts'
import { shortText } from '../statistics/describe.ts'
import type { Table } from '../table.ts'

export async function countColumns(
  table: Table,
  columns: readonly { name: string; type: ColumnType; scale: ColumnScale }[],
): Promise<{ rows: number; counts: ColumnCounts[] }> {
  const recorders = createColumnRecorders(columns.map(({ scale }) => scale))
  const counted = columns.map((column, i) => ({ ...column, recorder: recorders[i], place: -1 }))
  let rows = 0
  for await (const cells of table.rows) {
    rows += 1
    for (const column of counted) {
      // JSON lines may bring a column late: before, it is missing
      if (column.place < 0) column.place = table.names.indexOf(column.name)
      const cell = cells[column.place]
      if (column.type === 'text') {
        const text = textOf(cell)
        column.recorder?.recordCategory(text === null ? null : shortText(text))
      } else column.recorder?.record(numberOf(cell, column.type))
    }
  }
  return { rows, counts: recorders.map((recorder) => recorder.snapshot()) }
}
