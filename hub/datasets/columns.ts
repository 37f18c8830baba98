// The columns of a snapshot, whole: for whoever runs a model over them. Read in a process of its own, in blocks of rows.

import assert from 'node:assert'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { charactersMax, valuesMax } from './limits.ts'
import type { Block } from './reader/messages.ts'
import { problemOf, readInProcess } from './reader-process.ts'
import type { SchemaColumn } from './schema.ts'
import { needSnapshot } from './snapshots.ts'

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
  const snapshot = await needSnapshot(hub.database, digest)
  const columns = chooseColumns(snapshot.columns, wanted)
  if (snapshot.rows * columns.length > valuesMax) {
    throw problemOf(
      'dataset-too-large',
      `${snapshot.rows} rows of ${columns.length} columns; ${valuesMax} values are read at once, take fewer columns`,
    )
  }
  const sinks = columns.map(({ type }) => (type === 'text' ? textSink() : numberSink(snapshot.rows)))
  const request = { kind: 'read' as const, path: hub.blobs.pathOf(snapshot.digest), format: snapshot.format }
  const asked = columns.map(({ name, type }) => ({ name, type }))
  const { rows } = await readInProcess({ ...request, columns: asked }, 'read', (block) => {
    for (const [i, values] of block.columns.entries()) sinks[i]?.take(values)
  })
  assert.equal(rows, snapshot.rows, 'a blob does not change')
  return { rows, columns: new Map(columns.map(({ name }, i) => [name, (sinks[i] ?? numberSink(0)).column])) }
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

type Sink = { column: Column; take(values: Block): void }

function numberSink(rows: number): Sink {
  const values = new Float64Array(rows)
  let filled = 0
  return {
    column: { kind: 'number', values },
    take: (block) => {
      assert(block instanceof Float64Array)
      values.set(block, filled)
      filled += block.length
    },
  }
}

/** Equal texts are kept once. */
function textSink(): Sink {
  const known = new Map<string, string>()
  const values: (string | null)[] = []
  let characters = 0
  const keep = (text: string): string => {
    const kept = known.get(text)
    if (kept !== undefined) return kept
    characters += text.length
    if (characters > charactersMax) {
      throw problemOf('dataset-too-large', `a column of texts is longer than ${charactersMax} characters`)
    }
    known.set(text, text)
    return text
  }
  return {
    column: { kind: 'text', values },
    take: (block) => {
      assert(!(block instanceof Float64Array))
      for (const text of block) values.push(text === null ? null : keep(text))
    },
  }
}
