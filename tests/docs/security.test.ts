// The threat table of docs/security.md: every row has a promise, a mechanism, and a test of that name in that file.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readSections } from './document.ts'

const docs = join(import.meta.dirname, '../../docs')
const tables = readSections(readFileSync(join(docs, 'security.md'), 'utf8'))
  .flatMap((section) => section.tables)
  .filter(({ header }) => header.includes('attack'))
const rows = tables.flatMap((table) => table.rows)

test('there are attacks, each with all that is to be said of it', () => {
  expect(rows.length).toBeGreaterThan(40)
  for (const row of rows) expect(row.filter((cell) => cell !== '')).toHaveLength(4)
})

describe('the test of an attack is there', () => {
  test.each(rows.map(([attack = '', , , named = '']): [string, string] => [attack, named]))('%s', (_, named) => {
    const [, path = '', title = ''] = /^\[[\w-]+\]\((\.\.\/tests\/[\w/-]+\.test\.ts)\): (.+)$/.exec(named) ?? []
    expect(title).not.toBe('')
    const source = readFileSync(join(docs, path), 'utf8')
    // as a title begins: within a call or a table of cases
    expect(
      ["'", '`'].some((quote) => source.includes(`${quote}${title}`)),
      `${path} has no test "${title}"`,
    ).toBe(true)
  })
})
