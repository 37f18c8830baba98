// Commands of a page, letter by letter, by the shell, in a checkout of their own, as a reader types them.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { inherited } from '../builders/inherited.ts'

export const root = join(import.meta.dirname, '../..')

export type Ran = Disposable & {
  checkout: string
  /** Standard output and standard error. */
  output: string
  status: number | null
  /** Commands that failed where nothing asked whether they would. */
  failed: readonly string[]
}

/** What npx does, without npm's own start before each of many commands. */
export const quickNpx = 'npx() { PATH=$PWD/node_modules/.bin:$PATH "$@"; }'

/** What the commands make lies beside links to what they use, and goes with them. */
export async function run(commands: string): Promise<Ran> {
  const checkout = mkdtempSync(join(tmpdir(), 'roost-by-hand-'))
  for (const name of readdirSync(root)) {
    if (!name.startsWith('.') || name === '.npmrc') symlinkSync(join(root, name), join(checkout, name))
  }
  // `set -m`: as in a terminal each job is a process group, so that `kill %1` reaches what npx has started
  const script = `set -m\ntrap 'echo "FAILED: $BASH_COMMAND"' ERR\n${commands}\ntrap - ERR\n${stopAll}\nexit 0\n`
  const shell = spawn('bash', ['-c', script], {
    cwd: checkout,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const said = Promise.all([text(shell.stdout), text(shell.stderr)])
  const [status] = await once(shell, 'exit')
  const output = (await said).join('')
  return {
    checkout,
    output,
    status,
    failed: [...output.matchAll(/^FAILED: (.*)$/gm)].map(([, command]) => command ?? ''),
    [Symbol.dispose]: () => rmSync(checkout, { recursive: true, force: true }),
  }
}

/** The jobs that still run, the latest first. */
const stopAll = 'for job in $(jobs -pr | tac); do kill -- -$job; wait $job; done'

/** As a stranger's: nothing of Roost, and of the process that runs this test only where compiled code is kept. */
function environment(): Record<string, string> {
  const { HOME = '' } = process.env
  return { ...inherited(), HOME }
}
