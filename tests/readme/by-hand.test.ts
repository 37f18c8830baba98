// The job by hand, as README.md says it: its commands, letter by letter, by the shell, in a checkout of their own.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inherited } from '../builders/inherited.ts'

const root = join(import.meta.dirname, '../..')
const commands = /<!-- the commands below.*?```sh\n(.*?)```/s.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1]

let checkout: string
let output: string
let status: number | null

beforeAll(async () => {
  checkout = mkdtempSync(join(tmpdir(), 'roost-by-hand-'))
  // what the commands make lies beside links to what they use
  for (const name of readdirSync(root)) {
    if (!name.startsWith('.') || name === '.npmrc') symlinkSync(join(root, name), join(checkout, name))
  }
  // `set -m`: as in a terminal each job is a process group, so that `kill %1` reaches what npx has started
  const script = `set -m\n${commands}\nkill %2 && wait %2; kill %1 && wait %1\nexit 0\n`
  const shell = spawn('bash', ['-c', script], {
    cwd: checkout,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const said = Promise.all([text(shell.stdout), text(shell.stderr)])
  const [code] = await once(shell, 'exit')
  status = code
  output = (await said).join('')
}, 240_000)

afterAll(() => rmSync(checkout, { recursive: true, force: true }))

/** As a stranger's: nothing of Roost, and of the process that runs this test only where compiled code is kept. */
function environment(): Record<string, string> {
  const { HOME = '' } = process.env
  return { ...inherited(), HOME }
}

test('ten commands', () => {
  expect(commands?.trim().split('\n')).toHaveLength(10)
})

test('run through, and the hub and the agent stop when they are told', () => {
  expect(status, output).toBe(0)
  const lastOf = (log: string) => readFileSync(join(checkout, log), 'utf8').trim().split('\n').at(-1)
  expect(lastOf('hub.log')).toContain('hub stopped')
  expect(lastOf('agent.log')).toContain('agent stopped')
})

test('show a rollout that completes, the model that serves, and drift on readings it was not trained on', () => {
  expect(output).toContain('completed: every stage passed; 1 of 1 device had it at the end')
  expect(output).toContain('"name":"motes","versions":["1"]')
  expect(output).toMatch(/motes 1 on 1 devices?, \d+ windows: drifted since/)
})
