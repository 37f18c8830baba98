// A gateway installs the agent's workspace alone: few packages, none of the hub's, nothing to build, and it starts.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'

const root = join(import.meta.dirname, '../..')
const Package = z.object({ dependencies: z.record(z.string(), z.string()) })
const dependenciesOf = (workspace: string) =>
  Object.keys(Package.parse(JSON.parse(readFileSync(join(root, workspace, 'package.json'), 'utf8'))).dependencies)

let folder: string
let installed: string[]

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-agent-install-'))
  for (const file of ['package.json', 'package-lock.json', '.npmrc', 'agent', 'shared', 'hub/package.json']) {
    cpSync(join(root, file), join(folder, file), { recursive: true })
  }
  execFileSync('npm', ['ci', '--workspace', 'agent', '--omit', 'dev'], { cwd: folder, stdio: 'pipe' })
  installed = readdirSync(join(folder, 'node_modules')).flatMap((name) =>
    name.startsWith('@') ? readdirSync(join(folder, 'node_modules', name)).map((inner) => `${name}/${inner}`) : [name],
  )
}, 300_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('the agent names few dependencies of its own', () => {
  expect(dependenciesOf('agent').sort()).toEqual(
    ['@roost/shared', 'mqtt', 'onnxruntime-node', 'pino', 'tweetnacl', 'undici', 'zod'].sort(),
  )
})

test('everything it needs is there and nothing that only the hub or a developer needs', () => {
  for (const needed of dependenciesOf('agent')) expect(installed).toContain(needed)
  const agents = new Set([...dependenciesOf('agent'), ...dependenciesOf('shared')])
  // ws comes with mqtt
  const foreign = dependenciesOf('hub').filter((name) => !agents.has(name) && name !== 'ws')
  for (const name of [...foreign, '@roost/hub', 'typescript', 'vitest', 'node', '@biomejs/biome']) {
    expect(installed).not.toContain(name)
  }
})

test('the installed agent starts and prints how it is used', () => {
  const help = execFileSync(process.execPath, [join(folder, 'agent/main.ts'), '--help'], { encoding: 'utf8' })
  expect(help).toMatch(/roost-agent enrol/)
})
