// One agent per folder, by whatever name the folder is called, and none after the process is gone.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FolderInUseError, lockFolder } from '@roost/agent/control/lock.ts'
import { afterEach, beforeEach, expect, test } from 'vitest'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('the second is refused with the folder’s name, also through a link, until the first is closed', async () => {
  const first = await lockFolder(folder)
  await expect(lockFolder(folder)).rejects.toThrow(FolderInUseError)
  symlinkSync(folder, join(folder, 'link'))
  await expect(lockFolder(join(folder, 'link'))).rejects.toThrow(/is in use by another agent/)
  first.close()
  const again = await lockFolder(folder)
  again.close()
})

test('a killed process leaves no lock', async () => {
  const module = import.meta.resolve('@roost/agent/control/lock.ts')
  const code = `const { lockFolder } = await import(${JSON.stringify(module)}); await lockFolder(${JSON.stringify(folder)}); console.log('locked')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await expect(lockFolder(folder)).rejects.toThrow(FolderInUseError)
  child.kill('SIGKILL')
  await once(child, 'close')
  const lock = await lockFolder(folder)
  lock.close()
})
