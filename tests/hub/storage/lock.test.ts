// One hub per folder: the second is told who has it, and a killed one leaves nothing to clear away.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockFolder } from '../../../hub/storage/lock.ts'

const lockModule = fileURLToPath(new URL('../../../hub/storage/lock.ts', import.meta.url))
let folder: string
const children: ChildProcess[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-lock-'))
})
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true })
})

/** A process that tries to take the folder and says what came of it; it keeps it until it is killed. */
async function aTaker(): Promise<{ child: ChildProcess; outcome: string }> {
  const script = `
    const { lockFolder } = await import(process.argv[1])
    try { globalThis.lock = await lockFolder(process.argv[2], Date.now()); console.log('held') } catch (error) { console.log(error.name) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, lockModule, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  const [line] = await once(child.stdout, 'data')
  return { child, outcome: String(line).trim() }
}

test('a second taker is refused and told who has the folder; after a close it may', async () => {
  const lock = await lockFolder(folder, Date.parse('2026-11-24T08:00:00Z'))
  await expect(lockFolder(folder, 0)).rejects.toThrow(`${folder} is in use by another hub: process ${process.pid} on `)
  await expect(lockFolder(folder, 0)).rejects.toThrow('started 2026-11-24T08:00:00.000Z')
  expect((await aTaker()).outcome).toBe('FolderInUseError')
  await lock.close()
  expect((await aTaker()).outcome).toBe('held')
})

test('a holder that is killed leaves the folder free at once', async () => {
  for (let i = 0; i < 3; i++) {
    const { child, outcome } = await aTaker()
    expect(outcome).toBe('held')
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
})

test('of many that start at once exactly one gets it, also after a kill', async () => {
  const { child } = await aTaker()
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
  const takers = await Promise.all(Array.from({ length: 6 }, aTaker))
  expect(takers.map(({ outcome }) => outcome).sort()).toEqual([...Array(5).fill('FolderInUseError'), 'held'])
})
