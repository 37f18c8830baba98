// Recorded rows out of CSV and JSON lines: what they mean is what the file says, and a file that says nothing clear is refused.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  parseCsv,
  parseJsonLines,
  RowsError,
  readRows,
  rowsBytesMax,
  rowsMax,
} from '../../../agent/runtime/serve/rows.ts'

const seed = 20_261_125

describe('CSV', () => {
  test('any texts come back, however they are quoted and whichever line breaks they have', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '1', '"', ',', '\n', '\r\n', ' ', 'é', ';'), maxLength: 6 })
    const table = fc
      .integer({ min: 2, max: 4 })
      .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { maxLength: 5 }))
    const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
    const property = fc.property(table, fc.constantFrom('\n', '\r\n'), fc.boolean(), (rows, lineBreak, isLastEnded) => {
      const names = Array.from({ length: rows[0]?.length ?? 2 }, (_, i) => `c${i}`)
      const lines = [names, ...rows].map((row) => row.map(quote).join(','))
      const text = lines.join(lineBreak) + (isLastEnded ? lineBreak : '')
      expect(parseCsv(text)).toEqual(
        rows.map((row) => Object.fromEntries(row.map((value, i) => [`c${i}`, value === '' ? null : value]))),
      )
    })
    fc.assert(property, { seed, numRuns: 500 })
  })

  test.each<[string, string, object[]]>([
    ['plain cells, an empty one', 'a,b\n1,\n', [{ a: '1', b: null }]],
    ['a byte order mark', '\uFEFFa,b\n1,2', [{ a: '1', b: '2' }]],
    [
      'blank lines',
      'a,b\n\n1,2\n\r\n\n3,4\n\n',
      [
        { a: '1', b: '2' },
        { a: '3', b: '4' },
      ],
    ],
    ['a header alone', 'a,b\n', []],
    ['nothing', '', []],
    [
      'names of every object',
      '__proto__,constructor\n1,2',
      [
        Object.fromEntries([
          ['__proto__', '1'],
          ['constructor', '2'],
        ]),
      ],
    ],
  ])('%s', (_, text, rows) => {
    expect(parseCsv(text)).toEqual(rows)
  })

  test.each([
    ['a,b\n1\n', 2],
    ['a,b\n1,2\n1,2,3\n', 3],
    ['a,b\n"1,2\n', 2],
    ['a,b\n"1"x,2\n', 2],
    ['a,b\n"1\n\n",2\n3\n', 5],
  ])('%j is refused, and the line is named', (text, line) => {
    expect(() => parseCsv(text)).toThrow(
      expect.objectContaining({ line, message: expect.stringContaining(`line ${line}`) }),
    )
  })
})

describe('JSON lines', () => {
  test('are objects, one a line', () => {
    expect(parseJsonLines('{"a":1}\n\n{"b":null}\r\n')).toEqual([{ a: 1 }, { b: null }])
  })

  test.each([
    ['{"a":1}\n{"a":', 2],
    ['[1]', 1],
    ['{}\nnull', 2],
    ['5', 1],
  ])('%j is refused, and the line is named', (text, line) => {
    expect(() => parseJsonLines(text)).toThrow(expect.objectContaining({ line }))
  })
})

test('a file that is too long, has too many rows or none, or cannot be read, is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-rows-'))
  const refused = async (name: string, text: string | Uint8Array) => {
    await writeFile(join(folder, name), text)
    await expect(readRows(join(folder, name))).rejects.toBeInstanceOf(RowsError)
  }
  await refused('long.csv', Buffer.alloc(rowsBytesMax + 1, 'a,'))
  await refused('many.csv', `a\n${'1\n'.repeat(rowsMax + 1)}`)
  await refused('none.csv', 'a\n')
  await refused('none.jsonl', '\n')
  await expect(readRows(join(folder, 'missing.csv'))).rejects.toBeInstanceOf(RowsError)
  await expect(readRows(folder)).rejects.toBeInstanceOf(RowsError)
  await writeFile(join(folder, 'well.csv'), `a\n${'1\n'.repeat(rowsMax)}`)
  expect(await readRows(join(folder, 'well.csv'))).toHaveLength(rowsMax)
  await rm(folder, { recursive: true })
})
