// Limits of the operating system on a child process that works on what strangers sent: no file written, no core dumped,
// memory counted on top of what the bare process has, processor time (so that it ends even when the hub was killed).

import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { sep } from 'node:path'
import { promisify } from 'node:util'

/** To be called once the process is up, before it is given its work.
 *  @param memoryBytes beyond what it has now (RLIMIT_DATA)
 *  @throws Error where this system cannot do it: nothing of strangers is worked on without limits */
export async function limitProcess(pid: number | undefined, memoryBytes: number, cpuMs: number): Promise<void> {
  try {
    const [, bareKibibytes] = /^VmData:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
    if (bareKibibytes === undefined) throw new Error('no VmData')
    const dataBytes = Number(bareKibibytes) * 1024 + memoryBytes
    const limits = [`--data=${dataBytes}`, `--cpu=${Math.ceil(cpuMs / 1000)}`, '--fsize=0', '--core=0']
    await promisify(execFile)('prlimit', [`--pid=${pid}`, ...limits])
  } catch (cause) {
    throw new Error('what was sent is only worked on where processes can be limited: Linux with prlimit (util-linux)', {
      cause,
    })
  }
}

/** The node_modules folders that hold these packages, for --allow-fs-read. */
export function packageFolders(from: string, packages: readonly string[]): string[] {
  const { resolve } = createRequire(from)
  return [...new Set(packages.map((name) => nodeModulesOf(resolve(name))))]
}

function nodeModulesOf(path: string): string {
  const folder = `${sep}node_modules${sep}`
  return path.slice(0, path.lastIndexOf(folder) + folder.length)
}
