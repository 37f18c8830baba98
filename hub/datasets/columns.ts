// The columns of a snapshot, whole: for whoever runs a model over them. Read in a process of its own, in blocks of rows.

import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { type ColumnType, numberOf, textOf } from './cells.ts'
import { type Growing, growing } from './growing.ts'
import { charactersMax, valuesMax } from './limits.ts'
import type { SchemaColumn } from './schema.ts'
import { findSnapshot } from './snapshots.ts'
import { openTable, type Table } from './table.ts'
import { tooLarge } from './table-error.ts'

/** Truth values are 0 and 1, times milliseconds since 1970; NaN and null are missing. */
export type Column = { kind: 'number'; values: Float64Array } | { kind: 'text'; values: (string | null)[] }
export type Columns = { rows: number; columns: Map<string, Column> }

/** The columns called `wanted`, or all, in the order of the snapshot.
 *  @throws Problem not-found, unknown-column, dataset-too-large where they are more than fits */
export async function readColumns(
  hub: Pick<Hub, 'database' | 'blobs'>,
  digest: string,
  wanted?: readonly string[],
): Promise<Columns> {
  const snapshot = await findSnapshot(hub.database, digest)
  if (snapshot === undefined) throw new Problem(404, 'not-found', 'Not found', `there is no snapshot ${digest}`)
  const columns = chooseColumns(snapshot.columns, wanted)
  const table = await openTable(hub.blobs.pathOf(snapshot.digest), snapshot.format)
  return collectColumns(table, columns)
}

/** @throws Problem unknown-column */
export function chooseColumns(columns: readonly SchemaColumn[], wanted?: readonly string[]): SchemaColumn[] {
  if (wanted === undefined) return [...columns]
  const unknown = wanted.find((name) => !columns.some((column) => column.name === name))
  if (unknown !== undefined) {
    const has = columns.map(({ name }) => name)
    const listed = has.length <= 20 ? has.join(', ') : `${has.slice(0, 20).join(', ')} and ${has.length - 20} more`
    throw new Problem(
      422,
      'unknown-column',
      'A column does not exist',
      `the snapshot has no column ${JSON.stringify(unknown)}; it has ${listed}`,
      { members: { column: unknown } },
    )
  }
  return columns.filter(({ name }) => wanted.includes(name))
}

/** Reads them off a table, bounded.
 *  @throws TableError */
export async function collectColumns(
  table: Table,
  wanted: readonly { name: string; type: ColumnType }[],
): Promise<Columns> {
  const sinks = wanted.map(({ name, type }) => ({ name, type, place: -1, numbers: growing(), texts: internedTexts() }))
  let rows = 0
  for await (const cells of table.rows) {
    rows += 1
    if (rows * sinks.length > valuesMax) {
      throw tooLarge(`${sinks.length} columns of it are more than ${valuesMax} values; take fewer columns or rows`)
    }
    for (const sink of sinks) {
      // JSON lines may bring a column late: before, it is missing
      if (sink.place < 0) sink.place = table.names.indexOf(sink.name)
      const cell = cells[sink.place]
      if (sink.type === 'text') sink.texts.push(textOf(cell))
      else sink.numbers.push(numberOf(cell, sink.type))
    }
  }
  return { rows, columns: new Map(sinks.map((sink) => [sink.name, finished(sink)])) }
}

type Texts = { push(text: string | null): void; values: (string | null)[] }

function finished({ type, numbers, texts }: { type: ColumnType; numbers: Growing; texts: Texts }): Column {
  return type === 'text' ? { kind: 'text', values: texts.values } : { kind: 'number', values: numbers.values() }
}

/** Equal texts are kept once. */
function internedTexts(): Texts {
  const known = new Map<string, string>()
  const values: (string | null)[] = []
  let characters = 0
  return {
    values,
    push: (text) => {
      if (text === null) return void values.push(null)
      let kept = known.get(text)
      if (kept === undefined) {
        characters += text.length
        if (characters > charactersMax) throw tooLarge(`a column of texts is longer than ${charactersMax} characters`)
        known.set(text, text)
        kept = text
      }
      values.push(kept)
    },
  }
}
