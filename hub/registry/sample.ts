// The sample of training rows: CSV with a header, or one JSON object a line, read as a stream.

import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream'
import { CsvError, parse } from 'csv-parse'
import { Problem } from '../problem.ts'
import type { StagedBlob } from '../storage/blobs.ts'

export type Row = Record<string, unknown>

/** Longest line or CSV record. */
const rowBytesMax = 1_048_576

/** The rows in their order.
 *  @throws Problem invalid-sample, naming the line */
export async function* readRows(sample: StagedBlob): AsyncGenerator<Row, void, undefined> {
  const first = new TextDecoder()
    .decode(await sample.read(0, 64))
    .replace(/^\uFEFF/, '')
    .trimStart()[0]
  if (first === undefined) throw invalid('the sample is empty')
  if (first === '[') throw invalid('the sample is a JSON array; send one JSON object a line, or CSV')
  yield* first === '{' ? readJsonLines(sample.path) : readCsv(sample.path)
}

async function* readCsv(path: string): AsyncGenerator<Row, void, undefined> {
  const options = {
    bom: true,
    columns: checkHeader,
    max_record_size: rowBytesMax,
    skip_empty_lines: true,
    trim: true,
  }
  // an error of either end comes out of the loop below
  const records = pipeline(createReadStream(path), parse(options), () => undefined)
  try {
    for await (const record of records) yield record
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw invalid(error.message, error)
  }
}

function checkHeader(header: string[]): string[] {
  const repeated = header.find((name, i) => header.indexOf(name) !== i)
  if (repeated !== undefined) throw invalid(`the column ${JSON.stringify(repeated)} is there twice`)
  return header
}

async function* readJsonLines(path: string): AsyncGenerator<Row, void, undefined> {
  let number = 0
  for await (const line of boundedLines(path)) {
    number += 1
    const text = line.trim()
    if (text !== '') yield parseRow(text, number)
  }
}

function parseRow(text: string, number: number): Row {
  let row: unknown
  try {
    row = JSON.parse(text)
  } catch (cause) {
    throw invalid(`line ${number} is not JSON`, cause)
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row))
    throw invalid(`line ${number} is not a JSON object`)
  return { ...row }
}

/** Lines of a file, none of them longer than a row may be (readline would hold one of any length). */
async function* boundedLines(path: string): AsyncGenerator<string, void, undefined> {
  let rest = ''
  for await (const piece of createReadStream(path, { encoding: 'utf8' })) {
    const lines = `${rest}${piece}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > rowBytesMax) throw invalid(`a line is longer than ${rowBytesMax} characters`)
    yield* lines
  }
  yield rest
}

const invalid = (detail: string, cause?: unknown) =>
  new Problem(422, 'invalid-sample', 'The sample cannot be read', detail, { field: 'sample', cause })
