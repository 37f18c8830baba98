// The README's statements that code can answer: settings with their defaults, npm scripts, addresses, licences' page.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { settings as agentSettings } from '../../agent/config.ts'
import { defaultUrl } from '../../hub/cli/contexts/choose.ts'
import { publicUrl, readConfig, settings } from '../../hub/config.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'README.md'), 'utf8')

test('every setting of the hub is in the table, with its default', () => {
  const rows = readSections(page).find(({ heading }) => heading === 'Configuration')?.tables[0]?.rows ?? []
  const written = rows.flatMap(([names, , defaults = '']) => {
    const all = codeIn(names)
    const each = defaults.split(', ')
    return all.map((name, i): [string, string] => [name, each.length === all.length ? (each[i] ?? '') : defaults])
  })
  const inCode = Object.entries(settings).map(([name, { schema }]): [string, string] => {
    const value: unknown = schema.parse(undefined)
    const derived = name.startsWith('ROOST_PUBLIC_') ? 'from host and port' : 'none'
    return [name, value === undefined ? derived : codeOf(value)]
  })
  expect(Object.fromEntries(written.map(([name, text]) => [name, text.replaceAll('`', '')]))).toEqual(
    Object.fromEntries(inCode),
  )
})

const codeOf = (value: unknown): string => z.union([z.string(), z.number()]).transform(String).parse(value)

test('the command line looks for the hub where it listens', () => {
  const config = readConfig({})
  expect(defaultUrl).toBe(publicUrl(config, config.httpPort))
  expect(page).toContain(`\`ROOST_URL\` (${defaultUrl})`)
  const addresses = [...page.matchAll(/http:\/\/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port))
  const served = agentSettings['serve-port'].schema.parse(undefined)
  expect(addresses.filter((port) => port !== config.httpPort && port !== served)).toEqual([])
})

test('every npm script that is mentioned is there', () => {
  const { scripts } = z
    .object({ scripts: z.record(z.string(), z.string()) })
    .parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
  const mentioned = [...page.matchAll(/npm run (?:-s )?([\w:]+)/g)].map(([, name]) => name ?? '')
  expect(mentioned.length).toBeGreaterThan(1)
  for (const name of mentioned) expect(Object.keys(scripts)).toContain(name)
})
