// A real hub as a process, in a folder of its own on free ports, its log kept line by line.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { inherited } from './inherited.ts'
import { jsonLine } from './json-line.ts'

const command = fileURLToPath(new URL('../../hub/main.ts', import.meta.url))
const Ready = z.object({ msg: z.literal('hub ready'), url: z.string(), ports: z.record(z.string(), z.number()) })
const readyMsMax = 90_000

export type HubProcess = AsyncDisposable & {
  folder: string
  url: string
  ports: Record<string, number>
  /** Told at the first start in a folder. */
  adminToken: string | undefined
  pid: number
  /** Everything it wrote so far, standard output and standard error. */
  output(): string
  stop(): Promise<number | null>
  kill(): Promise<void>
}

export type HubProcessOptions = {
  folder?: string
  environment?: Record<string, string>
  args?: string[]
  /** What Node runs; the hub of this checkout otherwise. */
  main?: string
}

/** Starts it and waits until it is ready. Disposal kills it, and removes the folder unless one was given.
 *  @throws with its output if it ends before */
export async function aHubProcess(options: HubProcessOptions = {}): Promise<HubProcess> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'roost-hub-process-'))
  const { child, output, ended } = startHubProcess({ ...options, folder })
  const ready = await untilReady(child, output, ended)
  return {
    folder,
    ...ready,
    pid: child.pid ?? 0,
    output,
    stop: async () => {
      child.kill('SIGTERM')
      return ended
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Runs it to its end, for a start that fails. */
export async function runHubProcess(
  options: HubProcessOptions & { folder: string },
): Promise<{ code: number | null; output: string }> {
  const { output, ended } = startHubProcess(options)
  return { code: await ended, output: output() }
}

function startHubProcess({
  folder,
  environment = {},
  args = [],
  main = command,
}: HubProcessOptions & { folder: string }) {
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...inherited(), ROOST_DATA_DIR: folder, ...ports, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (piece) => {
      text += String(piece)
    })
  }
  const ended = once(child, 'close').then(([code]): number | null => (typeof code === 'number' ? code : null))
  return { child, output: () => text, ended }
}

async function untilReady(child: ChildProcess, output: () => string, ended: Promise<number | null>) {
  let adminToken: string | undefined
  const lines = child.stdout === null ? undefined : createInterface({ input: child.stdout })
  const ready = new Promise<z.infer<typeof Ready>>((resolve) => {
    lines?.on('line', (line) => {
      adminToken ??= /roost_[0-9A-Za-z]{57}/.exec(line)?.[0]
      const parsed = Ready.safeParse(jsonLine(line))
      if (parsed.success) resolve(parsed.data)
    })
  })
  const timer = Promise.withResolvers<'late'>()
  const timeout = setTimeout(() => timer.resolve('late'), readyMsMax)
  const first = await Promise.race([ready, ended, timer.promise])
  clearTimeout(timeout)
  if (first === 'late' || first === null || typeof first === 'number') {
    child.kill('SIGKILL')
    throw new Error(`the hub did not get ready (${first}):\n${output()}`)
  }
  return { url: first.url, ports: first.ports, adminToken }
}
