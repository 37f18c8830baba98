// Recorded rows out of a file: CSV with a header line (RFC 4180) or JSON lines. CSV cells stay texts, an empty one is
// null; the feature pipeline reads numbers, times and truth values from either form with the same result.

import { readFile, stat } from 'node:fs/promises'
import { systemCode } from '../../durable-file.ts'

/** Rows are held in memory; a longer file is refused. */
export const rowsBytesMax = 8 * 1024 * 1024
export const rowsMax = 262_144
/** What the rows of such a file take as objects, while they are read. */
export const rowsMemoryBytes = 160 * 1024 * 1024

export type Row = Record<string, unknown>

/** `line`: where the file is wrong, counted from 1. */
export class RowsError extends Error {
  override readonly name = 'RowsError'
  readonly line: number | undefined
  constructor(message: string, line?: number, options?: ErrorOptions) {
    super(line === undefined ? message : `line ${line}: ${message}`, options)
    this.line = line
  }
}

/** Reads a whole file, .jsonl as JSON lines and anything else as CSV.
 *  @throws RowsError for a file that cannot be read, is too long, has no rows or is not in its form */
export async function readRows(path: string): Promise<Row[]> {
  const text = await readText(path)
  const rows = path.endsWith('.jsonl') ? parseJsonLines(text) : parseCsv(text)
  if (rows.length === 0) throw new RowsError(`${path} has no rows`)
  if (rows.length > rowsMax) throw new RowsError(`${path} has ${rows.length} rows, at most ${rowsMax} are read`)
  return rows
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > rowsBytesMax) throw new RowsError(`${path} has ${size} bytes, at most ${rowsBytesMax} are read`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof RowsError || systemCode(error) === undefined) throw error
    throw new RowsError(`${path} cannot be read (${systemCode(error)})`, undefined, { cause: error })
  }
}

/** One object a line; blank lines are skipped. */
export function parseJsonLines(text: string): Row[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return []
    return [parseObject(line, index + 1)]
  })
}

function parseObject(line: string, number: number): Row {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new RowsError('not JSON', number, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RowsError('not an object', number)
  return { ...value }
}

/** The first line names the fields. A row with more or fewer cells is an error, not a guess. */
export function parseCsv(text: string): Row[] {
  const rows: Row[] = []
  let header: readonly string[] | undefined
  for (const { cells, line } of csvLines(text)) {
    if (header === undefined) {
      header = cells
      continue
    }
    if (cells.length !== header.length) {
      throw new RowsError(`${cells.length} cells under a header of ${header.length}`, line)
    }
    rows.push(Object.fromEntries(header.map((name, i) => [name, cells[i] === '' ? null : cells[i]])))
  }
  return rows
}

type CsvLine = { cells: string[]; line: number }

/** Cells may be quoted; within quotes a comma and a line break are text, and a doubled quote is one quote. */
function* csvLines(text: string): Generator<CsvLine> {
  let line = 1
  let at = text.startsWith('\uFEFF') ? 1 : 0
  while (at < text.length) {
    const cells: string[] = []
    const startLine = line
    for (;;) {
      const cell = text[at] === '"' ? quotedCell(text, at, line) : plainCell(text, at)
      cells.push(cell.text)
      line += cell.lineBreaks
      at = cell.end
      if (text[at] !== ',') break
      at += 1
    }
    if (text[at] === '\r') at += 1
    if (at < text.length && text[at] !== '\n') throw new RowsError('text after a closing quote', line)
    at += 1
    line += 1
    if (cells.length > 1 || cells[0] !== '') yield { cells, line: startLine }
  }
}

type Cell = { text: string; end: number; lineBreaks: number }

function plainCell(text: string, start: number): Cell {
  let end = start
  while (end < text.length && text[end] !== ',' && text[end] !== '\n') end += 1
  const last = text[end - 1] === '\r' && text[end] !== ',' && end > start ? end - 1 : end
  return { text: text.slice(start, last), end: last, lineBreaks: 0 }
}

function quotedCell(text: string, start: number, line: number): Cell {
  let end = start + 1
  for (;;) {
    end = text.indexOf('"', end)
    if (end < 0) throw new RowsError('a quote is not closed', line)
    if (text[end + 1] !== '"') break
    end += 2
  }
  const quoted = text.slice(start + 1, end)
  return { text: quoted.replaceAll('""', '"'), end: end + 1, lineBreaks: quoted.split('\n').length - 1 }
}
