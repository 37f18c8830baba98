// A disk that can be full: a tmpfs of a few megabytes, mounted for a test.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmdirSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export type SmallDisk = AsyncDisposable & {
  folder: string
  /** Takes all the room there is. */
  fill: () => Promise<void>
  /** Gives it back. */
  clear: () => Promise<void>
}

const run = promisify(execFile)

/** @throws where this machine does not let the tests mount anything: they need to be root in their container */
export async function aSmallDisk(sizeBytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder])
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
    [Symbol.asyncDispose]: async () => {
      await run('umount', ['--lazy', folder])
      rmdirSync(folder)
    },
  }
}
