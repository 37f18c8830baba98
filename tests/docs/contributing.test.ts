// The files that docs/contributing.md sends a contributor to are those that know what is added there.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const filesUnder = (heading: string) =>
  (
    readSections(read('docs/contributing.md')).find((section) => section.heading === heading)?.tables[0]?.rows ?? []
  ).flatMap(([file]) => codeIn(file))

test.each([
  ['A gate metric', 5, ['error_rate', 'latency', 'accuracy', 'custom']],
  ['A figure of drift', 3, ['wasserstein']],
])('%s: each of the %i files of the table knows those there are', (heading, count, known) => {
  const files = filesUnder(heading)
  expect(files).toHaveLength(count)
  for (const file of files)
    for (const name of known) expect(read(file).toLowerCase(), `${name} in ${file}`).toContain(name)
})
