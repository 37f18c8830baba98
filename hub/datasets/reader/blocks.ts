// The values of some columns of a table, in blocks that are worth a message each.

import { numberOf, textOf } from '../cells.ts'
import type { SchemaColumn } from '../schema.ts'
import type { Table } from '../table.ts'
import type { Block } from './messages.ts'

/** Values of a block, and characters of its texts: half a megabyte and up to two. */
const blockValuesMax = 65_536
const blockCharactersMax = 1_048_576

type Wanted = Pick<SchemaColumn, 'name' | 'type'>

export async function* readBlocks(
  table: Table,
  wanted: readonly Wanted[],
): AsyncGenerator<{ rows: number; columns: Block[] }, void, undefined> {
  const blockRows = Math.max(1, Math.floor(blockValuesMax / Math.max(1, wanted.length)))
  const places = wanted.map(() => -1)
  let block = emptyBlock(wanted, blockRows)
  for await (const cells of table.rows) {
    for (const [i, { name, type }] of wanted.entries()) {
      // JSON lines may bring a column late: before, it is missing
      const place = places[i] !== -1 ? (places[i] ?? -1) : table.names.indexOf(name)
      places[i] = place
      const column = block.columns[i]
      if (column instanceof Float64Array) {
        column[block.rows] = type === 'text' ? Number.NaN : numberOf(cells[place], type)
      } else {
        const text = textOf(cells[place])
        block.characters += text?.length ?? 0
        column?.push(text)
      }
    }
    block.rows += 1
    if (block.rows === blockRows || block.characters > blockCharactersMax) {
      yield cut(block)
      block = emptyBlock(wanted, blockRows)
    }
  }
  if (block.rows > 0) yield cut(block)
}

type Filling = { rows: number; characters: number; columns: Block[] }

const emptyBlock = (wanted: readonly Wanted[], rows: number): Filling => ({
  rows: 0,
  characters: 0,
  columns: wanted.map(({ type }) => (type === 'text' ? [] : new Float64Array(rows))),
})

/** Copied, because a view would be sent with all of its buffer. */
const cut = ({ rows, columns }: Filling) => ({
  rows,
  columns: columns.map((column) => (column instanceof Float64Array ? column.slice(0, rows) : column)),
})
