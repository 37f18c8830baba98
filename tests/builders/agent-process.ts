// A real agent as a process, in a folder of its own, its log kept line by line; and its commands run to their end.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { inherited } from './inherited.ts'
import { jsonLine } from './json-line.ts'

const command = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))

const LogLine = z.looseObject({ msg: z.string() })
/** A line of the agent's log; what it is about stands in `event`, where it has one. */
export type LogLine = z.infer<typeof LogLine>

export type AgentProcess = AsyncDisposable & {
  pid: number
  /** Its log so far. */
  lines: () => readonly LogLine[]
  /** The lines of one event. */
  logged: (event: string) => readonly LogLine[]
  /** Everything it wrote so far, standard output and standard error. */
  output: () => string
  /** Called at every line from now on. Gives back what ends it. */
  onLine: (listener: (line: LogLine) => void) => () => void
  isRunning: () => boolean
  /** Its exit code, or null after a signal. */
  ended: Promise<number | null>
  stop: () => Promise<number | null>
  /** kill -9, of the control process alone. */
  kill: () => Promise<void>
}

export type AgentProcessOptions = {
  args: readonly string[]
  environment?: Readonly<Record<string, string>>
  /** Of Node, before the agent's. */
  nodeArgs?: readonly string[]
  /** What Node runs; the agent of this checkout otherwise. */
  main?: string
}

const running = new Set<ChildProcess>()
// Whatever happens to a test, nothing of it outlives the test run.
process.on('exit', () => {
  for (const child of running) killGroup(child)
})

/** Starts `roost-agent …args` and does not wait for anything. Disposal kills it and all it started. */
export function startAgentProcess({
  args,
  environment = {},
  nodeArgs = [],
  main = command,
}: AgentProcessOptions): AgentProcess {
  const child = spawn(process.execPath, [...nodeArgs, main, ...args], {
    env: { ...inherited(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  running.add(child)
  const lines: LogLine[] = []
  const listeners = new Set<(line: LogLine) => void>()
  let text = ''
  let unread = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
    const [rest = '', ...whole] = (unread + piece).split('\n').reverse()
    unread = rest
    for (const line of whole.reverse().flatMap(readLine)) {
      lines.push(line)
      for (const listener of listeners) listener(line)
    }
  })
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  const ended = once(child, 'close').then(([code]): number | null => {
    killGroup(child)
    running.delete(child)
    return typeof code === 'number' ? code : null
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  return {
    pid: child.pid ?? 0,
    lines: () => lines,
    logged: (event) => lines.filter((line) => line.event === event),
    output: () => text,
    onLine: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    isRunning: () => running.has(child),
    ended,
    stop: async () => {
      child.kill('SIGTERM')
      return ended
    },
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

/** Runs a command to its end. */
export async function runAgentCommand(options: AgentProcessOptions): Promise<{ code: number | null; output: string }> {
  const agent = startAgentProcess(options)
  return { code: await agent.ended, output: agent.output() }
}

function readLine(line: string): LogLine[] {
  const parsed = LogLine.safeParse(jsonLine(line))
  return parsed.success ? [parsed.data] : []
}

/** The process and what it started: they share its group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH'
    if (!isGone) throw error
  }
}
