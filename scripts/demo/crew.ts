// The processes of the demo: started in groups of their own, so that Ctrl-C reaches the demo alone and the demo takes them
// down in order; their output kept in files and the last lines in memory; none outlives the demo.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { DemoError } from './waiting.ts'

/** Lines of a process kept in memory; the oldest goes. Its file has all of them. */
const linesKept = 200
/** A process that was asked to stop and has not is killed. */
const stopMsMax = 20_000

export type Member = {
  name: string
  pid: number
  logFile: string
  /** The last lines it wrote, standard output and standard error. */
  lines: () => readonly string[]
  /** Asks it to stop and waits.
   *  @throws DemoError where it does not stop in time or not well */
  stop: () => Promise<void>
  /** Resolves when it has ended and its output is read: its exit code, or null after a signal. */
  ended: Promise<number | null>
}

export type Crew = {
  /** Starts `node script …args`; its environment holds what is given and what any process needs. */
  start: (name: string, script: string, args: string[], environment?: Record<string, string>) => Member
  /** Runs one to its end and returns what it wrote.
   *  @throws DemoError where it ends with anything but 0 */
  run: (name: string, script: string, args: string[]) => Promise<readonly string[]>
  lines: (name: string) => readonly string[]
  /** Kills what is left and waits until it is gone. */
  dismiss: () => Promise<void>
  /** The same without waiting, for the last moment of the process. */
  killAll: () => void
}

/** @param logs a folder that exists, for what they write and for what Node keeps of their code: most start more than once
 *  @param over aborted when the demo is over: what runs is killed then, so that nobody waits for it, and nothing starts
 *  @param onLost told when a process ends that nobody asked to stop */
export function createCrew(logs: string, over: AbortSignal, onLost: (error: DemoError) => void): Crew {
  const members = new Map<string, Member>()
  const running = new Map<Member, ChildProcess>()
  const stopping = new Set<Member>()
  const killAll = () => {
    for (const child of running.values()) killGroup(child)
  }
  over.addEventListener('abort', killAll, { once: true })

  const launch = (name: string, script: string, args: string[], environment: Record<string, string>): Member => {
    // What was on its way when the demo ended must not start a process that nobody takes down.
    over.throwIfAborted()
    const child = spawn(process.execPath, [script, ...args], {
      env: { NODE_COMPILE_CACHE: join(logs, 'compiled'), ...inherited(), ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    const logFile = join(logs, `${name}.log`)
    const { lines, read } = keepOutput(child, logFile)
    const ended = Promise.all([once(child, 'close'), read]).then(([[code]]): number | null => {
      running.delete(member)
      // What it started itself is gone with it, or now.
      killGroup(child)
      return typeof code === 'number' ? code : null
    })
    const member: Member = { name, pid: child.pid ?? 0, logFile, lines, ended, stop: () => stop(member, child) }
    members.set(name, member)
    running.set(member, child)
    return member
  }

  const stop = async (member: Member, child: ChildProcess): Promise<void> => {
    stopping.add(member)
    child.kill('SIGTERM')
    const timer = setTimeout(() => killGroup(child), stopMsMax)
    const code = await member.ended
    clearTimeout(timer)
    if (code === 0) return
    const how = code === null ? `it had to be killed after ${stopMsMax / 1000} s` : `it ended with code ${code}`
    throw new DemoError(`${member.name} did not stop well: ${how}`, member.name)
  }

  return {
    start(name, script, args, environment = {}) {
      const member = launch(name, script, args, environment)
      void member.ended.then((code) => {
        if (!stopping.has(member)) onLost(new DemoError(`${name} ended by itself (${code ?? 'a signal'})`, name))
      })
      return member
    },
    async run(name, script, args) {
      const member = launch(name, script, args, {})
      const code = await member.ended
      if (code !== 0) throw new DemoError(`${name} ended with ${code ?? 'a signal'}`, name)
      return member.lines()
    },
    lines: (name) => members.get(name)?.lines() ?? [],
    async dismiss() {
      for (const [member, child] of running) {
        stopping.add(member)
        killGroup(child)
      }
      await Promise.all([...running.keys()].map(({ ended }) => ended))
    },
    killAll,
  }
}

/** What a process needs to run at all; no ROOST_* variable of whoever runs the demo gets through. */
function inherited(): Record<string, string> {
  const wanted = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'NODE_COMPILE_CACHE']
  return Object.fromEntries(wanted.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])))
}

function keepOutput(child: ChildProcess, logFile: string): { lines: () => readonly string[]; read: Promise<unknown> } {
  const kept: string[] = []
  const log = createWriteStream(logFile, { flags: 'a' })
  const streams = [child.stdout, child.stderr].filter((stream) => stream !== null)
  const reading = streams.map(async (stream) => {
    for await (const line of createInterface({ input: stream })) {
      kept.push(line)
      if (kept.length > linesKept) kept.shift()
      log.write(`${line}\n`)
    }
  })
  const read = Promise.all(reading).then(() => {
    log.end()
    return finished(log)
  })
  return { lines: () => kept, read }
}

/** The process and whatever it started: they share its group. */
function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ESRCH'
    if (!isGone) throw error
  }
}
