// Where the browser of the tests lies: the system's where ROOST_TEST_CHROMIUM names it, otherwise the one out of its package.

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** As old as what was installed: whoever installs anew removes it. */
const cache = join(import.meta.dirname, '../../node_modules/.cache')
const unpack = `import chromium from '@sparticuz/chromium'; await chromium.executablePath()`

/** The package takes whatever lies in the folder for temporary files for whole, also what another process is just unpacking
 *  there, or left half done. So it unpacks into a folder of its own, which is put in place when it is whole. */
export async function chromiumFile(): Promise<string> {
  const given = process.env.ROOST_TEST_CHROMIUM
  if (given !== undefined) return given
  const place = join(cache, 'chromium')
  if (!existsSync(place)) {
    await mkdir(cache, { recursive: true })
    const own = await mkdtemp(`${place}-`)
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', unpack], {
      cwd: import.meta.dirname,
      env: { ...process.env, TMPDIR: own },
    })
    // another file's may be there by now
    await rename(own, place).catch(() => rm(own, { recursive: true }))
  }
  return join(place, 'chromium')
}
