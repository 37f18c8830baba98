// Parquet, read in blocks of rows, a column at a time. Whatever the footer and the page headers announce is held against
// bounds before memory is taken for it; the process this runs in has limits of its own for what they do not catch.

import { open, stat } from 'node:fs/promises'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetScan,
  parquetSchema,
  snappyUncompress,
} from 'hyparquet'
import { z } from 'zod'
import type { Table } from './table.ts'
import { invalid, TableError, tooLarge } from './table-error.ts'
import { addName, assertRows } from './text-table.ts'

/** Of one page, unpacked. Writers make pages of about 1 MiB. */
const pageBytesMax = 64 * 1_048_576
/** Of one column of one row group, as it lies in the file. */
const chunkBytesMax = 128 * 1_048_576
const footerBytesMax = 16 * 1_048_576
/** Writers make groups of a million rows or less. A group's pages may be read again for every block of its rows. */
const groupRowsMax = 8_388_608
/** Values that are unpacked at once. */
const blockValuesMax = 1_048_576

/** Of what hyparquet reads in a footer, what is used here: it takes whatever a damaged one says for a field. */
const Footer = z.looseObject({
  num_rows: z.bigint(),
  schema: z.array(z.looseObject({ name: z.string() })),
  row_groups: z.array(
    z.looseObject({
      num_rows: z.bigint(),
      columns: z.array(
        z.looseObject({
          meta_data: z
            .looseObject({
              path_in_schema: z.array(z.string()),
              num_values: z.bigint(),
              total_compressed_size: z.bigint(),
            })
            .optional(),
        }),
      ),
    }),
  ),
})

/** @param wanted the columns to read, or all
 *  @throws TableError */
export async function parquetTable(path: string, wanted?: readonly string[]): Promise<Table> {
  const file = await fileBuffer(path)
  const metadata = await readFooter(file)
  const all = flatColumns(metadata)
  const names = wanted === undefined ? all : all.filter((name) => wanted.includes(name))
  assertBounded(metadata)
  let row = 0
  async function* rows(): AsyncGenerator<readonly unknown[], void, undefined> {
    const scan = await parquetScan({ file, metadata, compressors, parsers, geoparquet: false, useOffsetIndex: false })
    for (const { rowStart, rowEnd } of blocksOf(metadata, names.length)) {
      const columns: ArrayLike<unknown>[] = []
      for (const column of names) {
        const values = await unpack(column, rowStart, () => scan.readColumn({ column, rowStart, rowEnd }))
        if (values.length !== rowEnd - rowStart) {
          throw invalid(
            `column ${JSON.stringify(column)} has ${values.length} values for rows ${rowStart + 1} to ${rowEnd}`,
          )
        }
        columns.push(values)
      }
      for (let i = 0; i < rowEnd - rowStart; i++) {
        row += 1
        yield columns.map((values) => values[i])
      }
    }
  }
  return { names, rows: rows(), place: () => `row ${row}` }
}

async function fileBuffer(path: string): Promise<AsyncBuffer> {
  const { size } = await stat(path)
  return {
    byteLength: size,
    slice: async (start, end = size) => {
      if (!(start >= 0 && end >= start && end <= size))
        throw invalid(`it points to bytes ${start} to ${end} of ${size}`)
      if (end - start > chunkBytesMax)
        throw tooLarge(`${end - start} bytes of it belong together; write smaller row groups`)
      await using handle = await open(path, 'r')
      const bytes = new Uint8Array(end - start)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
      if (bytesRead !== bytes.length) throw invalid(`it ends at byte ${start + bytesRead}`)
      return bytes.buffer
    },
  }
}

async function readFooter(file: AsyncBuffer): Promise<FileMetaData> {
  if (file.byteLength < 12) throw invalid('it is too short to be Parquet')
  const view = new DataView(await file.slice(file.byteLength - 8))
  if (view.getUint32(4, true) !== 0x31524150)
    throw invalid('it does not end as a Parquet file ends (PAR1): is it whole?')
  const footerBytes = view.getUint32(0, true)
  if (footerBytes > footerBytesMax) throw tooLarge(`its footer has ${footerBytes} bytes; ${footerBytesMax} are read`)
  try {
    const metadata = await parquetMetadataAsync(file, { geoparquet: false })
    const [fault] = Footer.safeParse(metadata).error?.issues ?? []
    if (fault !== undefined) throw invalid(`its footer cannot be read: ${fault.path.join('.')} ${fault.message}`)
    return metadata
  } catch (cause) {
    if (cause instanceof TableError) throw cause
    throw invalid(`its footer cannot be read: ${reasonOf(cause)}`, cause)
  }
}

/** @throws TableError for columns that hold lists or structures */
function flatColumns(metadata: FileMetaData): string[] {
  const names: string[] = []
  let tree: ReturnType<typeof parquetSchema>
  try {
    tree = parquetSchema(metadata)
  } catch (cause) {
    throw invalid(`its schema cannot be read: ${reasonOf(cause)}`, cause)
  }
  for (const { element, children } of tree.children) {
    if (children.length > 0 || element.repetition_type === 'REPEATED') {
      throw invalid(`column ${JSON.stringify(element.name)} is nested; a table has one value in each cell`)
    }
    addName(names, element.name)
  }
  if (names.length === 0) throw invalid('it has no column')
  return names
}

function assertBounded({ num_rows, row_groups }: FileMetaData): void {
  if (num_rows < 0n) throw invalid(`it says that it has ${num_rows} rows`)
  assertRows(Number(num_rows))
  let rows = 0n
  for (const [i, group] of row_groups.entries()) {
    if (group.num_rows < 0n) throw invalid(`row group ${i + 1} says that it has ${group.num_rows} rows`)
    if (group.num_rows > BigInt(groupRowsMax)) {
      throw tooLarge(`row group ${i + 1} has ${group.num_rows} rows; write row groups of at most ${groupRowsMax}`)
    }
    rows += group.num_rows
    for (const { meta_data: chunk } of group.columns) {
      const column = JSON.stringify(chunk?.path_in_schema.join('.'))
      if (chunk === undefined) throw invalid(`row group ${i + 1} does not say where its columns are`)
      if (chunk.num_values !== group.num_rows) {
        throw invalid(
          `row group ${i + 1} has ${group.num_rows} rows, and column ${column} ${chunk.num_values} values there`,
        )
      }
      if (chunk.total_compressed_size > BigInt(chunkBytesMax)) {
        throw tooLarge(
          `column ${column} has ${chunk.total_compressed_size} bytes in row group ${i + 1}; write smaller row groups`,
        )
      }
    }
  }
  if (rows !== num_rows) throw invalid(`it says that it has ${num_rows} rows, and its row groups have ${rows}`)
}

/** Stretches of rows, each within one row group. */
function* blocksOf({ row_groups }: FileMetaData, columns: number): Generator<{ rowStart: number; rowEnd: number }> {
  const blockRows = Math.max(1, Math.floor(blockValuesMax / Math.max(1, columns)))
  let groupStart = 0
  for (const group of row_groups) {
    const groupEnd = groupStart + Number(group.num_rows)
    for (let rowStart = groupStart; rowStart < groupEnd; rowStart += blockRows) {
      yield { rowStart, rowEnd: Math.min(groupEnd, rowStart + blockRows) }
    }
    groupStart = groupEnd
  }
}

async function unpack<T>(column: string, row: number, read: () => Promise<T>): Promise<T> {
  const where = `column ${JSON.stringify(column)} cannot be read from row ${row + 1}`
  try {
    return await read()
  } catch (cause) {
    if (cause instanceof TableError) throw new TableError(cause.code, `${where}: ${cause.message}`, { cause })
    throw invalid(`${where}: ${reasonOf(cause)}`, cause)
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** The way a page is packed, bounded by what its header says it unpacks to. */
const compressors: Compressors = {
  SNAPPY: (packed, length) => {
    const page = new Uint8Array(bounded(length))
    snappyUncompress(packed, page)
    return page
  },
  GZIP: (packed, length) => gunzipSync(packed, { maxOutputLength: bounded(length) }),
  BROTLI: (packed, length) => brotliDecompressSync(packed, { maxOutputLength: bounded(length) }),
  ZSTD: (packed, length) => zstdDecompressSync(packed, { maxOutputLength: bounded(length) }),
}

function bounded(pageBytes: number): number {
  if (!(pageBytes >= 0)) throw invalid(`a page of ${pageBytes} bytes`)
  if (pageBytes > pageBytesMax) throw tooLarge(`a page of ${pageBytes} bytes; ${pageBytesMax} are unpacked at most`)
  // no length at all is an option of its own to zlib
  return Math.max(1, pageBytes)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function textOfBytes(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw invalid('it holds a text that is not UTF-8', cause)
  }
}

const parsers: Partial<ParquetParsers> = { stringFromBytes: textOfBytes, jsonFromBytes: textOfBytes }
