// Files that are no table, or made to break the reader: refused with the line or the column, and nothing kept.

import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readSchema } from '../../../hub/datasets/schema.ts'
import { type Format, openTable } from '../../../hub/datasets/table.ts'
import { TableError } from '../../../hub/datasets/table-error.ts'
import { aDatasetHub, csv, type DatasetHub, fixture, jsonLines, parquet } from './a-dataset-hub.ts'

let datasets: DatasetHub
beforeAll(async () => {
  datasets = await aDatasetHub({ ROOST_UPLOAD_BYTES_MAX: '4194304' })
})
afterAll(() => datasets[Symbol.asyncDispose]())

const ProblemDocument = z.object({ status: z.number(), code: z.string(), detail: z.string() })

async function refusal(type: string, body: string | Uint8Array<ArrayBuffer>) {
  const { status, code, detail } = ProblemDocument.parse(await (await datasets.push('bad', type, body)).json())
  return `${status} ${code}: ${detail}`
}

/** Read in this process: for files that are only wrong, not made to break what reads them. */
async function wrong(format: Format, body: string | Uint8Array): Promise<string> {
  const path = join(datasets.hub.folder, 'file')
  await writeFile(path, body)
  try {
    await readSchema(await openTable(path, format), { textual: format === 'csv' })
  } catch (error) {
    if (error instanceof TableError) return `${error.code}: ${error.message}`
    throw error
  }
  throw new Error('it was read')
}

const bytesOf = (...parts: (string | number[])[]) =>
  new Uint8Array(Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part)))))

describe('CSV', () => {
  test.each([
    ['nothing at all', '', /invalid-dataset: the file is empty/],
    ['only a header', 'a,b\n', /invalid-dataset: it has no row/],
    ['a line too long', 'a,b\n1,2\n1,2,3\n', /invalid-dataset: .*on line 3/],
    ['a line too short', 'a,b\n1,2\n\n3\n', /invalid-dataset: .*on line 4/],
    ['a quote that does not end', 'a,b\n"1,2\n', /invalid-dataset: .*line 2/],
    ['a column twice', 'a,b,a\n1,2,3\n', /invalid-dataset: the column "a" is there twice/],
    ['a column without a name', 'a,,c\n1,2,3\n', /invalid-dataset: column 2 has no name/],
    [
      'more columns than there may be',
      `${Array.from({ length: 1_001 }, (_, i) => `c${i}`).join(',')}\n`,
      /too-large: .*1000 columns/,
    ],
    ['a record that does not end', `a\n"${'x'.repeat(1_100_000)}"\n`, /invalid-dataset: .*Max Record Size/],
  ])('%s', async (_, body, expected) => {
    expect(await wrong('csv', body)).toMatch(expected)
  })

  test('bytes that are not UTF-8 are named by their line, also where a character is cut between two pieces', async () => {
    expect(await wrong('csv', bytesOf('a,b\n1,ü\n2,', [0xff], '\n'))).toMatch(/invalid-dataset: line 3 is not UTF-8/)
    expect(await wrong('csv', bytesOf('a\n', [0xe2, 0x82]))).toMatch(/line 2 is not UTF-8: it ends within/)
    // the first piece that is read ends within the € of line 40000
    const long = `a\n${'x€'.repeat(3)}\n`.padEnd(10, ' ') + 'x€€\n'.repeat(40_000)
    expect(await wrong('csv', bytesOf(long, [0xc0, 0x80], '\n'))).toMatch(/line 40003 is not UTF-8/)
  })
})

describe('JSON lines', () => {
  test.each([
    ['an array', '[{"a":1}]', /it is a JSON array/],
    ['a line that is none', '{"a":1}\n{"a":\n', /line 2 is not JSON/],
    ['a number', '{"a":1}\n7\n', /line 2 is not a JSON object/],
    ['a list in a cell', '{"a":1}\n{"a":[1]}\n', /line 2, column "a" holds a list/],
    ['an object in a cell', '{"a":1}\n\n{"a":{"b":1}}\n', /line 3, column "a" holds an object/],
    ['an empty column name', '{"":1}\n', /column 1 has no name/],
    ['an unpaired surrogate in a name', '{"\\ud800":1}\n', /not valid Unicode/],
    ['a line without end', `{"a":"${'x'.repeat(1_100_000)}"}`, /line 1 is longer/],
  ])('%s', async (_, body, expected) => {
    expect(await wrong('json-lines', body)).toMatch(expected)
  })

  test('columns may come late, and be called anything', async () => {
    const push = await datasets.push('late', jsonLines, '{"a":1}\n{"__proto__":"x","a":2}\n{"constructor":true}\n')
    expect(await push.json()).toMatchObject({
      rows: 3,
      columns: [
        { name: 'a', type: 'number', nullable: true, statistics: { count: 2, missing: 1 } },
        { name: '__proto__', type: 'text', nullable: true, statistics: { count: 1, missing: 2 } },
        { name: 'constructor', type: 'boolean', nullable: true, statistics: { count: 1, missing: 2 } },
      ],
    })
  })
})

describe('Parquet', () => {
  test.each([
    ['nested.parquet', /invalid-dataset: column "tags" is nested/],
    ['bytes.parquet', /invalid-dataset: column "raw" .*not UTF-8/],
    ['readings-lz4.parquet', /invalid-dataset: column "time" .*LZ4/],
    ['wide-group.parquet', /dataset-too-large: row group 1 has 9000000 rows/],
    ['large-page.parquet', /dataset-too-large: column "x" .*a page of 300000010 bytes/],
  ])('%s', async (file, expected) => {
    expect(await wrong('parquet', await fixture(file))).toMatch(expected)
  })

  test('what fills memory ends the process that reads it, not the hub', async () => {
    expect(await refusal(parquet, await fixture('many-texts.parquet'))).toMatch(
      /413 dataset-too-large: reading it takes more than \d+ bytes of memory/,
    )
  })

  test('cut off anywhere, or damaged, it is refused or read, and the hub lives', async () => {
    const whole = await fixture('readings-snappy.parquet')
    expect(await wrong('parquet', whole.slice(0, whole.length - 1))).toMatch(/PAR1/)
    expect(await wrong('parquet', bytesOf('PAR1PAR1'))).toMatch(/too short/)
    const flipped = (at: number, bits: number) => whole.with(at, (whole[at] ?? 0) ^ bits)
    // a number, and a list, that are there no more
    expect(await wrong('parquet', flipped(12_493, 4))).toMatch(/invalid-dataset: its footer cannot be read/)
    expect(await wrong('parquet', flipped(12_508, 16))).toMatch(/invalid-dataset: its footer cannot be read/)
    // the footer is there, half of the pages are not
    const hollow = new Uint8Array([...whole.slice(0, 2_000), ...whole.slice(9_000)])
    expect(await refusal(parquet, hollow)).toMatch(/^422 /)
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const damaged = whole.slice()
          damaged[at] = (damaged[at] ?? 0) ^ flip
          const { status } = await datasets.push('damaged', parquet, damaged)
          expect([200, 201, 413, 422]).toContain(status)
        },
      ),
      { numRuns: 6, seed: 20261126 },
    )
  })
})

test('a body over the limit is cut there, an unknown type is told what to send, and nothing of either is kept', async () => {
  const before = await filesIn(join(datasets.hub.folder, 'blobs'))
  expect(await refusal(csv, `a\n${'1\n'.repeat(2_200_000)}`)).toMatch(
    /413 too-large: a snapshot may have 4194304 bytes/,
  )
  expect(await refusal('application/json', '{}')).toMatch(/415 unsupported-media-type: .*text\/csv/)
  expect(await refusal(csv, 'a,b\n1\n')).toMatch(/^422/)
  expect(await filesIn(join(datasets.hub.folder, 'blobs'))).toEqual(before)
  expect((await datasets.push('compare', csv, 'a\n1\n')).status).toBe(422)
  expect((await datasets.ask('/v1/datasets/bad')).status).toBe(404)
})

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}
