// How a runtime process is started and what the operating system holds it to: Node's permission model (it reads code
// and its own bundles, writes nothing, starts nothing), no environment, an empty folder to work in, a limit on memory,
// no core dump, and death together with the control process even where the model hangs.

import { type ChildProcess, execFile, fork } from 'node:child_process'
import { access, constants, mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** Memory a runtime needs for its own work (requests, rows, windows), beyond what its models may add. */
export const runtimeBytes = 192 * 1024 * 1024

export type LaunchedRuntime = {
  child: ChildProcess
  /** Removes the working folder; after the process has ended. */
  cleanUp: () => Promise<void>
}

/** Starts a process that will read `files` and nothing else of the device's data. */
export async function launchRuntime(options: {
  files: readonly string[]
  workFolder: string
  warn: (text: string) => void
}): Promise<LaunchedRuntime> {
  const folder = await mkdtemp(join(options.workFolder, 'runtime-'))
  const readable = [...(await codeFolders()), ...options.files]
  const flags = [...quiet, '--permission', '--allow-addons', ...readable.map((path) => `--allow-fs-read=${path}`)]
  const setpriv = await findProgram('setpriv')
  if (setpriv === undefined) {
    warnOnce('setpriv', 'setpriv (util-linux) is missing: a runtime that hangs outlives a killed agent', options.warn)
  }
  const child = fork(mainPath, {
    cwd: folder,
    env: {},
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    ...(setpriv === undefined
      ? { execArgv: flags }
      : { execPath: setpriv, execArgv: ['--pdeathsig', 'KILL', '--', process.execPath, ...flags] }),
  })
  return { child, cleanUp: () => rm(folder, { recursive: true, force: true }) }
}

const mainPath = fileURLToPath(new URL('../runtime/main.ts', import.meta.url))

/** Node warns of --allow-addons at every start; it is meant. */
const quiet = ['--disable-warning=SecurityWarning']

/** What the runtime imports: this package, the shared code, and the packages both use. */
async function codeFolders(): Promise<string[]> {
  const {
    resolve,
    resolve: { paths },
  } = createRequire(mainPath)
  const shared = await realpath(dirname(resolve('@roost/shared/package.json')))
  const packages = await Promise.all((paths('zod') ?? []).map(async (path) => ((await exists(path)) ? [path] : [])))
  return [dirname(dirname(mainPath)), shared, ...packages.flat()]
}

/** Limits the data of a process that has loaded nothing yet: `bytes` on top of what the bare process has.
 *  Where /proc or prlimit is missing it goes on without, and says so once. */
export async function limitMemory(pid: number, bytes: number, warn: (text: string) => void): Promise<void> {
  try {
    const [, bareKibibytes] = /^VmData:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
    if (bareKibibytes === undefined) throw new Error('no VmData')
    await promisify(execFile)('prlimit', [`--pid=${pid}`, `--data=${Number(bareKibibytes) * 1024 + bytes}`, '--core=0'])
  } catch (error) {
    warnOnce('prlimit', `models run without a memory limit: it takes Linux and prlimit (util-linux): ${error}`, warn)
  }
}

const warned = new Set<string>()

function warnOnce(topic: string, text: string, warn: (text: string) => void): void {
  if (warned.has(topic)) return
  warned.add(topic)
  warn(text)
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name)
    if (await exists(path, constants.X_OK)) return path
  }
  return undefined
}

async function exists(path: string, mode: number = constants.R_OK): Promise<boolean> {
  try {
    await access(path, mode)
    return true
  } catch {
    return false
  }
}
