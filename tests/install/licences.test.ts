// What ships may only have the licences of docs/decisions/dependencies.md. The tree is walked twice over: by the lock
// file, which also names what other platforms install, and by what lies in node_modules, which is what it really says.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { codeIn, readSections } from '../docs/document.ts'

const root = join(import.meta.dirname, '../..')
const Names = z.record(z.string(), z.string()).default({})
const Locked = z.object({
  license: z.string().optional(),
  link: z.boolean().optional(),
  resolved: z.string().optional(),
  dependencies: Names,
  optionalDependencies: Names,
  peerDependencies: Names,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).default({}),
  devDependencies: Names,
})
const lock = z
  .object({ packages: z.record(z.string(), Locked) })
  .parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')))

const page = readFileSync(join(root, 'docs/decisions/dependencies.md'), 'utf8')
const tables = readSections(page).flatMap(({ tables }) => tables)
const allowed = new Set(tables[0]?.rows.flatMap(([licence]) => codeIn(licence)))
const forDevelopment = new Set([...allowed, 'MPL-2.0'])

/** Where Node finds `name` from the package at `from`: the nearest node_modules upwards. */
function resolve(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/')))) {
    const path = `${folder === '' ? '' : `${folder}/`}node_modules/${name}`
    if (lock.packages[path] !== undefined) return path
    if (folder === '') return undefined
  }
}

/** Everything that is installed for a workspace (or the root, with its development dependencies), workspaces left out. */
function treeOf(start: string, kinds: readonly ('dependencies' | 'devDependencies')[]): string[] {
  const seen = new Set<string>()
  const visit = (path: string, needs: readonly ('dependencies' | 'devDependencies')[]) => {
    const entry = lock.packages[path]
    if (entry === undefined) throw new Error(`${path} is not in the lock file`)
    const optional = { ...entry.optionalDependencies, ...entry.peerDependencies }
    for (const name of [...needs.flatMap((kind) => Object.keys(entry[kind])), ...Object.keys(optional)]) {
      const found = resolve(name, path)
      // An optional one that npm did not take at all cannot ship.
      if (found === undefined && name in optional) continue
      if (found === undefined) throw new Error(`${path} needs ${name}, which is not in the lock file`)
      if (seen.has(found)) continue
      seen.add(found)
      const target = lock.packages[found]?.link === true ? lock.packages[found]?.resolved : found
      visit(target ?? found, ['dependencies'])
    }
  }
  visit(start, kinds)
  return [...seen].filter((path) => lock.packages[path]?.link !== true).sort()
}

/** SPDX: OR asks for one, AND for all; parentheses only around the whole. */
function isAllowed(expression: string | undefined, licences: ReadonlySet<string>): boolean {
  if (expression === undefined) return false
  const text = expression.replace(/^\((.*)\)$/, '$1')
  if (/[()]/.test(text)) return false
  return text.split(' OR ').some((part) => part.split(' AND ').every((licence) => licences.has(licence)))
}

const Installed = z.object({ license: z.string().optional() })
function installedLicence(path: string): string | undefined {
  const file = join(root, path, 'package.json')
  return existsSync(file) ? Installed.parse(JSON.parse(readFileSync(file, 'utf8'))).license : undefined
}

describe('licences', () => {
  test('the list is what was decided', () => {
    expect([...allowed].sort()).toEqual([
      '0BSD',
      'Apache-2.0',
      'BSD-2-Clause',
      'BSD-3-Clause',
      'ISC',
      'MIT',
      'Unlicense',
    ])
    expect(isAllowed('MIT', allowed)).toBe(true)
    expect(isAllowed('(MIT OR GPL-3.0-only)', allowed)).toBe(true)
    for (const bad of ['MIT AND GPL-3.0-only', 'GPL-2.0', 'SEE LICENSE IN LICENSE', 'UNLICENSED', '', undefined]) {
      expect(isAllowed(bad, allowed)).toBe(false)
    }
  })

  test.each(['hub', 'agent'])('of everything that %s ships', (workspace) => {
    const tree = treeOf(workspace, ['dependencies'])
    // a walk that found nothing would pass
    expect(tree.length).toBeGreaterThan(40)
    expect(tree).toContain('node_modules/onnxruntime-node')
    expect(tree).toContain('node_modules/cbor-x')
    const wrong = tree.filter((path) => !isAllowed(lock.packages[path]?.license, allowed))
    expect(wrong.map((path) => `${path}: ${lock.packages[path]?.license}`)).toEqual([])
  })

  test('of everything that is used to develop', () => {
    const tree = treeOf('', ['dependencies', 'devDependencies'])
    expect(tree.length).toBeGreaterThan(200)
    const wrong = tree.filter((path) => !isAllowed(lock.packages[path]?.license, forDevelopment))
    expect(wrong.map((path) => `${path}: ${lock.packages[path]?.license}`)).toEqual([])
  })

  test('as installed are those of the lock file', () => {
    const differing = Object.entries(lock.packages)
      .filter(([path, { link }]) => path.includes('node_modules/') && link !== true && existsSync(join(root, path)))
      .filter(([path, { license }]) => installedLicence(path) !== license)
    expect(differing.map(([path]) => path)).toEqual([])
  })
})

describe('the page on dependencies', () => {
  const workspaces: [name: string, table: number, kind: 'dependencies' | 'devDependencies'][] = [
    ['hub', 1, 'dependencies'],
    ['agent', 2, 'dependencies'],
    ['shared', 3, 'dependencies'],
    ['', 4, 'devDependencies'],
  ]

  test.each(workspaces)('names every package of "%s" with its licence, and no other', (workspace, table, kind) => {
    const needed = Object.keys(lock.packages[workspace]?.[kind] ?? {}).filter((name) => !name.startsWith('@roost/'))
    const written = tables[table]?.rows.map(([name, licence]) => [codeIn(name)[0], licence])
    expect(written).toEqual(needed.sort().map((name) => [name, lock.packages[`node_modules/${name}`]?.license]))
  })

  test.each(['hub', 'agent', 'shared'])('and %s imports each of them', (workspace) => {
    const sources = readdirSync(join(root, workspace), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
      .map((name) => readFileSync(join(root, workspace, name), 'utf8'))
    const needed = Object.keys(lock.packages[workspace]?.dependencies ?? {})
    const unused = needed.filter((name) => !sources.some((source) => source.includes(`from '${name}`)))
    expect(unused).toEqual([])
  })
})
