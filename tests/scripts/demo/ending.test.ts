// The demo as a process that is ended early: whatever it has started is gone, and so are its files.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { inherited } from '../../builders/inherited.ts'

const script = fileURLToPath(new URL('../../../scripts/demo/main.ts', import.meta.url))
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-demo-test-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function startDemo(...args: string[]) {
  const child = spawn(process.execPath, [script, ...args], { env: { ...inherited(), TMPDIR: folder }, stdio: 'pipe' })
  let text = ''
  child.stdout.on('data', (piece) => {
    text += String(piece)
  })
  return { child, output: () => text, ended: once(child, 'close').then(([code]) => code) }
}

/** Resolves when it has written the words; rejects where it ends before. */
async function saysThat(words: string, { child, output }: { child: ChildProcess; output: () => string }) {
  while (!output().includes(words)) {
    if (child.exitCode !== null) throw new Error(`it ended, having said:\n${output()}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** Processes that name the folder in their environment or on their command line: all that the demo starts do. */
function processesLeft(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.filter((pid) => {
    try {
      return ['environ', 'cmdline'].some((file) => readFileSync(`/proc/${pid}/${file}`, 'latin1').includes(folder))
    } catch {
      return false // it has ended meanwhile, or is somebody else's
    }
  })
}

test.each([
  ['SIGINT', 'while its hub starts', ' 2  '],
  ['SIGTERM', 'while its gateways start', ' 3  '],
] as const)('%s %s leaves no process and no file', async (signal, _, words) => {
  const demo = startDemo()
  await saysThat(words, demo)
  demo.child.kill(signal)
  expect(await demo.ended).toBe(1)
  expect(demo.output().trimEnd().split('\n').at(-1)).toMatch(
    new RegExp(`^demo: stopped at step \\d, .*, by ${signal}$`),
  )
  // what was killed a moment ago may still be dying
  await expect.poll(processesLeft).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('a reader that goes away ends it, and leaves no process and no file', async () => {
  const demo = startDemo()
  await saysThat(' 2  ', demo)
  demo.child.stdout.destroy()
  expect(await demo.ended).toBe(1)
  // what was killed a moment ago may still be dying
  await expect.poll(processesLeft).toEqual([])
  expect(readdirSync(folder)).toEqual([])
})

test('an option that does not exist is refused by name', async () => {
  const demo = startDemo('--fast')
  expect(await demo.ended).toBe(2)
  expect(readdirSync(folder)).toEqual([])
})
