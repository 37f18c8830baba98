// A disk that can be full: a tmpfs of a few megabytes, mounted for a test; where nothing can be mounted, a folder whose
// agent is told that it is full.

import { execFile } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type SmallDisk = AsyncDisposable & {
  folder: string
  /** Takes all the room there is. */
  fill: () => Promise<void>
  /** Gives it back. */
  clear: () => Promise<void>
  /** How an agent on it has to be started. */
  start: { nodeArgs: readonly string[]; environment: Readonly<Record<string, string>> }
}

const run = promisify(execFile)

export async function aSmallDisk(sizeBytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-small-disk-'))
  const remove = () => rm(folder, { recursive: true, force: true })
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder])
  } catch {
    console.info('nothing can be mounted here: the agent itself refuses to write')
    return aRefusingDisk(folder, remove)
  }
  const filler = join(folder, 'filler')
  return {
    folder,
    fill: async () => {
      const file = await open(filler, 'a')
      try {
        for (let block = 65_536; block >= 1; ) {
          const written = await file.write(Buffer.alloc(block)).then(
            ({ bytesWritten }) => bytesWritten,
            () => 0,
          )
          if (written < block) block = Math.floor(block / 16)
        }
      } finally {
        await file.close()
      }
    },
    clear: () => rm(filler, { force: true }),
    start: { nodeArgs: [], environment: {} },
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', folder])
      await remove()
    },
  }
}

function aRefusingDisk(folder: string, remove: () => Promise<void>): SmallDisk {
  const marker = join(folder, 'full')
  return {
    folder,
    fill: () => writeFile(marker, ''),
    clear: () => rm(marker, { force: true }),
    start: {
      nodeArgs: ['--import', new URL('refusing-disk.ts', import.meta.url).href],
      environment: { FULL_DISK: marker },
    },
    [Symbol.asyncDispose]: remove,
  }
}
