// The map of docs/architecture.md is that of the tree: every folder it names is there, and every capability is named.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const rows = readSections(page).find(({ heading }) => heading === 'Where what is')?.tables[0]?.rows ?? []
const named = rows.flatMap(([folder]) => codeIn(folder))

test('every folder that is named is there', () => {
  expect(named.length).toBeGreaterThan(25)
  expect(named.filter((folder) => !existsSync(join(root, folder)))).toEqual([])
})

test('every capability is named', () => {
  const folders = ['shared', 'hub', 'agent'].flatMap((workspace) =>
    readdirSync(join(root, workspace), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !['node_modules', 'dist'].includes(entry.name))
      .map(({ name }) => `${workspace}/${name}`),
  )
  expect(folders.filter((folder) => !named.includes(folder))).toEqual([])
})
