// A Python environment of its own for each set of requirements, kept between runs in the machine's folder for temporary
// files. Packages come from PyPI; whether it answers is asked once, so that a machine without it is told apart from a
// requirement that is wrong.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Finished = { code: number | null; output: string; ms: number }
/** `bin` of the environment: `python`, `pip`, `schemathesis`. */
export type Environment = { bin: (command: string) => string }

const root = join(tmpdir(), 'roost-interop')
/** All packages of an environment, on a slow mirror. */
const installMsMax = 600_000
const askMsMax = 60_000

/** Whether packages can be had: there is a Python that makes environments, and PyPI answers it. What is wrong stands in
 *  the answer. */
export async function pypiAnswers(): Promise<{ answers: boolean; output: string }> {
  const folder = join(root, 'asked')
  await rm(folder, { recursive: true, force: true })
  await mkdir(root, { recursive: true })
  const made = await run('python3', ['-m', 'venv', folder], {}, askMsMax)
  if (made.code !== 0) return { answers: false, output: made.output }
  const ask = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--retries', '0', '--timeout', '15']
  const asked = [...ask, '--dest', folder, 'typing-extensions==4.15.0']
  const { code, output } = await run(join(folder, 'bin', 'python'), asked, {}, askMsMax)
  return { answers: code === 0, output }
}

export const isInstalled = async (requirements: string): Promise<boolean> =>
  existsSync(join(await folderOf(requirements), 'installed'))

/** The environment with the packages of `requirements`, a file beside this one; made where it is not there yet.
 *  @throws Error with pip's words */
export async function anEnvironment(requirements: string): Promise<Environment> {
  const folder = await folderOf(requirements)
  const bin = (command: string) => join(folder, 'bin', command)
  if (!(await isInstalled(requirements))) {
    await rm(folder, { recursive: true, force: true })
    await mkdir(root, { recursive: true })
    await need(await run('python3', ['-m', 'venv', folder], {}, installMsMax))
    // compiled when first imported: most of a package never is
    const quickly = ['--quiet', '--disable-pip-version-check', '--no-compile']
    const install = ['-m', 'pip', 'install', ...quickly, '--requirement', path(requirements)]
    await need(await run(bin('python'), install, {}, installMsMax))
    await writeFile(join(folder, 'installed'), '')
  }
  return { bin }
}

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

/** Other requirements, another environment. */
async function folderOf(requirements: string): Promise<string> {
  const digest = createHash('sha256')
    .update(await readFile(path(requirements)))
    .digest('hex')
  return join(root, `${requirements.replace(/\.txt$/, '')}-${digest.slice(0, 12)}`)
}

function need({ code, output }: Finished): void {
  if (code !== 0) throw new Error(`it ended with ${code}:\n${output}`)
}

/** Runs a program to its end, or ends it after `msMax`; both outputs together. One that is not there has said so. */
export function run(
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  msMax: number,
): Promise<Finished> {
  const started = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
    const pieces: string[] = []
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (piece: string) => pieces.push(piece))
    }
    const timer = setTimeout(() => {
      pieces.push(`\nended after ${msMax} ms\n`)
      child.kill('SIGKILL')
    }, msMax)
    child.on('error', (error) => pieces.push(String(error)))
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, output: pieces.join(''), ms: Math.round(performance.now() - started) })
    })
  })
}
