// CSV with a header, and JSON lines, read as a stream. What is not UTF-8 is refused with its line: a decoder that puts
// replacement characters would make two snapshots out of one and tell nobody.

import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'
import { pipeline, Readable } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { z } from 'zod'
import { columnNameMax, columnsMax, rowsMax, textBytesMax } from './limits.ts'
import type { Table } from './table.ts'
import { invalid, tooLarge } from './table-error.ts'

/** Records end at line ends, fields at commas; fields may be quoted. Every record has as many fields as the header. */
export function csvTable(path: string): Table {
  const names: string[] = []
  let row = 0
  async function* rows(): AsyncGenerator<readonly string[], void, undefined> {
    names.length = 0
    row = 0
    const options = { bom: true, max_record_size: textBytesMax, skip_empty_lines: true, trim: true }
    // an error of any of them comes out of the loop below
    const records: AsyncIterable<string[]> = pipeline(
      Readable.from(checkedUtf8(path), { objectMode: false }),
      parse(options),
      () => undefined,
    )
    try {
      for await (const record of records) {
        if (names.length === 0) {
          for (const name of record) addName(names, name)
          continue
        }
        row += 1
        assertRows(row)
        yield record
      }
    } catch (error) {
      throw error instanceof CsvError ? invalid(error.message, error) : error
    }
    if (names.length === 0) throw invalid('the file is empty: CSV begins with a line of column names')
  }
  return { names, rows: rows(), place: () => `row ${row}` }
}

const JsonRow = z.record(z.string(), z.unknown())

/** One JSON object a line. */
export function jsonLinesTable(path: string): Table {
  const names: string[] = []
  const places = new Map<string, number>()
  let line = 0
  async function* rows(): AsyncGenerator<readonly unknown[], void, undefined> {
    let row = 0
    for await (const bytes of boundedLines(path)) {
      line += 1
      if (!isUtf8(bytes)) throw invalid(`line ${line} is not UTF-8`)
      const text = (line === 1 ? bytes.toString().replace(/^\uFEFF/, '') : bytes.toString()).trim()
      if (text === '') continue
      if (row === 0 && text.startsWith('[')) throw invalid('it is a JSON array; send one JSON object a line, or CSV')
      row += 1
      assertRows(row)
      yield cellsOf(parseRow(text, line), names, places)
    }
  }
  return { names, rows: rows(), place: () => `line ${line}` }
}

function parseRow(text: string, line: number): Record<string, unknown> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw invalid(`line ${line} is not JSON`, cause)
  }
  const row = JsonRow.safeParse(json)
  if (!row.success || Array.isArray(json)) throw invalid(`line ${line} is not a JSON object`)
  // as parsed by JSON.parse: zod's copy would lose a column called __proto__
  return json as Record<string, unknown>
}

function cellsOf(row: Record<string, unknown>, names: string[], places: Map<string, number>): unknown[] {
  const cells: unknown[] = []
  for (const [name, cell] of Object.entries(row)) {
    let place = places.get(name)
    if (place === undefined) {
      place = names.length
      addName(names, name)
      places.set(name, place)
    }
    cells[place] = cell
  }
  return cells
}

/** @throws TableError where a column may not be called so, is there already, or is one too many */
export function addName(names: string[], name: string): void {
  const shown = JSON.stringify(name.slice(0, columnNameMax))
  if (name === '') throw invalid(`column ${names.length + 1} has no name`)
  if (name.length > columnNameMax) throw invalid(`the column name ${shown}… is longer than ${columnNameMax} characters`)
  if (!name.isWellFormed()) throw invalid(`the column name ${shown} is not valid Unicode`)
  if (names.includes(name)) throw invalid(`the column ${shown} is there twice`)
  if (names.length >= columnsMax) throw tooLarge(`there are more than ${columnsMax} columns`)
  names.push(name)
}

export function assertRows(rows: number): void {
  if (rows > rowsMax) throw tooLarge(`there are more than ${rowsMax} rows`)
}

const lineFeed = 0x0a

/** The file's bytes in pieces, once they have turned out to be UTF-8. */
async function* checkedUtf8(path: string): AsyncGenerator<Buffer, void, undefined> {
  let line = 1
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of bytesOf(path)) {
    const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    const whole = bytes.subarray(0, wholeCharacters(bytes))
    if (!isUtf8(whole)) throw invalid(`line ${line + linesBefore(whole)} is not UTF-8`)
    for (let at = whole.indexOf(lineFeed); at >= 0; at = whole.indexOf(lineFeed, at + 1)) line += 1
    rest = Buffer.from(bytes.subarray(whole.length))
    yield whole
  }
  if (rest.length > 0) throw invalid(`line ${line} is not UTF-8: it ends within a character`)
}

/** How many of the bytes are left without a character that is cut off at the end. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    // a leading byte: it announces 2, 3 or 4 bytes
    if (byte >= 0xc0) return (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** Line ends before the first line that is not UTF-8. */
function linesBefore(bytes: Buffer): number {
  let lines = 0
  let start = 0
  for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, start)) {
    if (!isUtf8(bytes.subarray(start, end))) return lines
    lines += 1
    start = end + 1
  }
  return lines
}

/** Lines of a file, none of them longer than a row may be (readline would hold one of any length). */
async function* boundedLines(path: string): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0)
  let line = 1
  for await (const piece of bytesOf(path)) {
    let start = 0
    for (let end = piece.indexOf(lineFeed); end >= 0; end = piece.indexOf(lineFeed, start)) {
      const tail = piece.subarray(start, end)
      yield rest.length === 0 ? tail : Buffer.concat([rest, tail])
      rest = Buffer.alloc(0)
      start = end + 1
      line += 1
    }
    rest = Buffer.concat([rest, piece.subarray(start)])
    if (rest.length > textBytesMax) throw invalid(`line ${line} is longer than ${textBytesMax} bytes`)
  }
  yield rest
}

async function* bytesOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of createReadStream(path, { highWaterMark: 262_144 })) {
    yield Buffer.isBuffer(piece) ? piece : Buffer.from(piece)
  }
}
