// Somebody with a home folder of their own, who runs `roost`: with what is piped in, or at a terminal.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inherited } from '../../builders/inherited.ts'
import type { Ran } from './roost.ts'

const command = fileURLToPath(new URL('../../../hub/cli/main.ts', import.meta.url))

export type Person = Disposable & {
  home: string
  contexts: string
  /** `input`: of standard input, which then ends. */
  runs(line: string, options?: { input?: string; env?: Record<string, string>; cwd?: string }): Promise<Ran>
  /** At a terminal; everything that it shows. */
  sees(line: string): Promise<Ran>
  /** The same; `typed` once it shows `prompt`. */
  types(line: string, prompt: string, typed: string): Promise<Ran>
}

export function aPerson(): Person {
  const home = mkdtempSync(join(tmpdir(), 'roost-person-'))
  const base = { ...inherited(), HOME: home }
  const run = async (file: string, args: string[], env: Record<string, string>, cwd: string, input?: string) => {
    const child = spawn(file, args, { env, cwd, stdio: 'pipe' })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input ?? '')
    return said(child)
  }
  // script(1) of util-linux gives its command a terminal
  const atTerminal = (line: string) =>
    spawn('script', ['-qec', `${process.execPath} ${command} ${line}`, '/dev/null'], {
      env: { ...base, SHELL: '/bin/sh' },
      cwd: home,
      stdio: 'pipe',
    })
  return {
    home,
    contexts: join(home, '.config/roost/contexts.json'),
    runs: (line, { input, env = {}, cwd = home } = {}) =>
      run(process.execPath, [command, ...line.split(' ')], { ...base, ...env }, cwd, input),
    sees: (line) => said(atTerminal(line)),
    types: async (line, prompt, typed) => {
      const child = atTerminal(line)
      let shown = ''
      let answered = false
      child.stdout.on('data', (piece) => {
        shown += String(piece)
        if (!answered && shown.includes(prompt)) answered = child.stdin.write(typed)
      })
      return said(child)
    },
    [Symbol.dispose]: () => rmSync(home, { recursive: true, force: true }),
  }
}

async function said(child: ReturnType<typeof spawn>): Promise<Ran> {
  const ran: Ran = { code: null, stdout: '', stderr: '' }
  // a letter may come in two pieces
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8')
  child.stdout?.on('data', (piece) => {
    ran.stdout += String(piece)
  })
  child.stderr?.on('data', (piece) => {
    ran.stderr += String(piece)
  })
  const [code] = await once(child, 'close')
  return { ...ran, code: typeof code === 'number' ? code : null }
}
