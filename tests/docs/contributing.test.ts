// The files that docs/contributing.md sends a contributor to are those that know what is added there.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { gateMetrics } from '../../hub/rollouts/metrics/list.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const filesUnder = (heading: string) =>
  (
    readSections(read('docs/contributing.md')).find((section) => section.heading === heading)?.tables[0]?.rows ?? []
  ).flatMap(([file]) => codeIn(file))

test('A gate metric: each of the parts of the table is one of every metric there is', () => {
  const folder = 'hub/rollouts/metrics'
  const parts = filesUnder('A gate metric')
  expect(parts).toEqual(['name', 'schema', 'scale', 'told', 'usual'])
  const listed = [...read(`${folder}/list.ts`).matchAll(/^import \{ \w+ \} from '\.\/([\w-]+)\.ts'$/gm)].map(
    ([, name]) => name,
  )
  expect(listed).toHaveLength(gateMetrics.length)
  for (const name of listed.filter((name) => name !== 'installation'))
    for (const part of parts)
      expect(read(`${folder}/${name}.ts`), `${part} of ${name}`).toMatch(new RegExp(`^  ${part}:`, 'm'))
})

test.each([['A figure of drift', 3, ['wasserstein']]])(
  '%s: each of the %i files of the table knows those there are',
  (heading, count, known) => {
    const files = filesUnder(heading)
    expect(files).toHaveLength(count)
    for (const file of files)
      for (const name of known) expect(read(file).toLowerCase(), `${name} in ${file}`).toContain(name)
  },
)
