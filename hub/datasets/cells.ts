// What a column's cells are: how a type is found out from all of them, and how one is read as that type.

import { z } from 'zod'
import { textBytesMax } from './limits.ts'
import { invalid } from './table-error.ts'

export const ColumnType = z.enum(['number', 'boolean', 'text', 'timestamp'])
export type ColumnType = z.infer<typeof ColumnType>

/** Whether texts may be numbers and truth values, as in CSV, where all cells are texts. */
export type Reading = { textual: boolean }

/** What one cell could be. `word`: missing in a column of numbers, truth values or times, and a text among texts. */
type CellKind = ColumnType | 'missing' | 'word'

const words: ReadonlySet<string> = new Set(['NaN', 'nan', 'NA', 'null', 'NULL', 'inf', '-inf', 'Infinity', '-Infinity'])
const truths: ReadonlyMap<string, number> = new Map([
  ['true', 1],
  ['True', 1],
  ['TRUE', 1],
  ['false', 0],
  ['False', 0],
  ['FALSE', 0],
])
const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
/** Longest text that is tried as a number or a time. */
const scalarLengthMax = 64

/** @throws TableError for what is neither a number, a truth value, a text nor a time, and for a text that is too long */
export function kindOf(cell: unknown, { textual }: Reading): CellKind {
  if (cell === null || cell === undefined || cell === '') return 'missing'
  if (typeof cell === 'string') return kindOfText(cell, textual)
  if (typeof cell === 'number') return Number.isFinite(cell) ? 'number' : 'word'
  if (typeof cell === 'boolean') return 'boolean'
  if (typeof cell === 'bigint') return 'number'
  if (cell instanceof Date) return 'timestamp'
  throw invalid(
    `holds ${Array.isArray(cell) ? 'a list' : cell instanceof Uint8Array ? 'bytes' : 'an object'}, which is no single value`,
  )
}

function kindOfText(text: string, textual: boolean): CellKind {
  if (text.length > scalarLengthMax) {
    if (text.length > textBytesMax) throw invalid(`holds a text of more than ${textBytesMax} characters`)
    return 'text'
  }
  if (words.has(text)) return 'word'
  if (textual && decimal.test(text)) return Number.isFinite(Number(text)) ? 'number' : 'word'
  if (textual && truths.has(text)) return 'boolean'
  return Number.isNaN(timeOf(text)) ? 'text' : 'timestamp'
}

/** Which kinds a column has had: its type is the one kind they all are, else text. */
export type KindCounts = Record<CellKind, number>
export const noKinds = (): KindCounts => ({ number: 0, boolean: 0, text: 0, timestamp: 0, missing: 0, word: 0 })

/** A column without a value is text. */
export function typeOf(kinds: KindCounts): ColumnType {
  const seen = ColumnType.options.filter((type) => kinds[type] > 0)
  return seen.length === 1 && seen[0] !== undefined ? seen[0] : 'text'
}

/** The cell in a column of numbers (truth values: 0 and 1; times: milliseconds since 1970); NaN is missing. Whole numbers
 *  beyond 2^53 come as the nearest double. */
export function numberOf(cell: unknown, type: Exclude<ColumnType, 'text'>): number {
  if (typeof cell === 'number') return Number.isFinite(cell) ? cell : Number.NaN
  if (typeof cell === 'string') return numberOfText(cell, type)
  if (typeof cell === 'boolean' || typeof cell === 'bigint') return Number(cell)
  return cell instanceof Date ? cell.getTime() : Number.NaN
}

function numberOfText(text: string, type: Exclude<ColumnType, 'text'>): number {
  if (type === 'timestamp') return timeOf(text)
  if (type === 'boolean') return truths.get(text) ?? Number.NaN
  const number = decimal.test(text) ? Number(text) : Number.NaN
  return Number.isFinite(number) ? number : Number.NaN
}

/** The cell in a column of texts; null is missing. */
export function textOf(cell: unknown): string | null {
  if (cell === null || cell === undefined || cell === '') return null
  if (typeof cell === 'string') return cell
  // an Invalid Date has no ISO text
  if (cell instanceof Date) return Number.isNaN(cell.getTime()) ? null : cell.toISOString()
  return typeof cell === 'number' || typeof cell === 'boolean' || typeof cell === 'bigint' ? String(cell) : null
}

const isoTime =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ]((?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?)([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)?)?$/

/** Milliseconds since 1970 of a day or a time as ISO 8601 and RFC 3339 write them; UTC where no offset is given. NaN
 *  for all else. */
function timeOf(text: string): number {
  const [, day, clock = '00:00', offset = 'Z'] = isoTime.exec(text) ?? []
  if (day === undefined) return Number.NaN
  // Date rolls 30 February over into March
  const midnight = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return Number.NaN
  return Date.parse(`${day}T${clock}${offset.toUpperCase()}`)
}
