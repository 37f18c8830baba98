// The life of the process that reads a snapshot. A file may be made to fill memory or to take for ever, so it is read
// where that ends one process and not the hub: without environment, allowed to read this file and its own code, limited
// in memory, processor time and patience. Few at a time, few in line.

import { type ChildProcess, fork } from 'node:child_process'
import { realpath } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Problem } from '../problem.ts'
import { limitProcess, packageFolders } from '../process-limits.ts'
import { ReaderReply, type ReaderRequest } from './reader/messages.ts'

/** Beyond the bare process: a row group's column unpacked and as values, statistics of a thousand columns. */
const memoryBytes = 768 * 1_048_576
const heapMebibytes = 512
/** For 500 MiB of CSV, read twice, on a slow machine. */
const cpuMs = 300_000
const startMs = 30_000
const timeoutMs = 600_000
const readersMax = 1
const waitingMax = 16
const stderrCharactersMax = 4_096

type Reply<Kind extends ReaderReply['kind']> = Extract<ReaderReply, { kind: Kind }>
type Block = Reply<'block'>

let reading = 0
const waiting: (() => void)[] = []

/** Reads a file in a process of its own; the reply of the kind that ends the request.
 *  @param onBlock takes the blocks of a `read`; what it throws ends the reading
 *  @throws Problem invalid-dataset, dataset-too-large (naming line or column), overloaded */
export async function readInProcess<Kind extends 'described' | 'read' | 'counted'>(
  request: ReaderRequest,
  kind: Kind,
  onBlock: (block: Block) => void = () => undefined,
): Promise<Reply<Kind>> {
  await takePlace()
  try {
    const reply = await runReader(request, onBlock)
    if (isOfKind(reply, kind)) return reply
    if (reply.kind === 'failed') throw problemOf(reply.code, reply.message)
    throw new Error(`the reading process answers with ${reply.kind}`)
  } finally {
    givePlace()
  }
}

/** Waits in line where all places are taken.
 *  @throws Problem overloaded */
async function takePlace(): Promise<void> {
  if (reading < readersMax) {
    reading += 1
    return
  }
  if (waiting.length >= waitingMax) {
    throw new Problem(503, 'overloaded', 'Try again later', `${waitingMax} datasets wait to be read already`, {
      headers: { 'retry-after': '10' },
    })
  }
  await new Promise<void>((resolve) => waiting.push(resolve))
}

/** To the next in line, if there is one. */
function givePlace(): void {
  const next = waiting.shift()
  if (next === undefined) reading -= 1
  else next()
}

async function runReader(request: ReaderRequest, onBlock: (block: Block) => void): Promise<ReaderReply> {
  const readable = [...(await codeFolders()), request.path]
  const child = fork(readerPath, {
    env: {},
    execArgv: [
      '--no-warnings',
      `--max-old-space-size=${heapMebibytes}`,
      '--permission',
      ...readable.map((path) => `--allow-fs-read=${path}`),
    ],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const stopped = new AbortController()
  const closed = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    // not started at all: 'close' never comes
    child.once('error', () => (child.pid === undefined ? resolve() : undefined))
  })
  try {
    return await Promise.race([
      converse(child, request, onBlock),
      delay(timeoutMs, undefined, { signal: stopped.signal, ref: false }).then((): never => {
        throw problemOf('dataset-too-large', `reading it takes longer than ${timeoutMs / 1000} seconds`)
      }),
    ])
  } finally {
    stopped.abort()
    child.kill('SIGKILL')
    await closed
  }
}

/** Waits until it is up, limits it, gives it its request, and waits for the reply that ends it. */
function converse(child: ChildProcess, request: ReaderRequest, onBlock: (block: Block) => void): Promise<ReaderReply> {
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharactersMax)
  })
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('the reading process did not start')), startMs)
    child.once('error', (cause) => reject(new Error('the reading process could not be used', { cause })))
    child.once('close', (code, signal) => reject(endOf(code, signal, stderr)))
    child.on('message', (message) => {
      const { data: reply, error } = ReaderReply.safeParse(message)
      if (reply === undefined) return reject(error)
      if (reply.kind === 'up') {
        clearTimeout(late)
        // where it cannot be sent the process is gone: 'close' says why
        limitProcess(child.pid, memoryBytes, cpuMs).then(() => child.send(request, () => undefined), reject)
        return
      }
      if (reply.kind !== 'block') return resolve(reply)
      try {
        onBlock(reply)
      } catch (thrown) {
        reject(thrown)
      }
    })
  })
}

const readerPath = fileURLToPath(new URL('./reader/main.ts', import.meta.url))

/** What the reader imports: this slice, the shared code, the packages; not the hub's data, wherever it lies. */
async function codeFolders(): Promise<string[]> {
  const { resolve } = createRequire(import.meta.url)
  const shared = await realpath(dirname(resolve('@roost/shared/package.json')))
  const slice = dirname(fileURLToPath(import.meta.url))
  const manifest = fileURLToPath(new URL('../package.json', import.meta.url))
  return [slice, manifest, shared, ...packageFolders(import.meta.url, ['csv-parse', 'hyparquet', 'zod'])]
}

const isOfKind = <Kind extends ReaderReply['kind']>(reply: ReaderReply, kind: Kind): reply is Reply<Kind> =>
  reply.kind === kind

function endOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): Error {
  if (signal === 'SIGXCPU') {
    return problemOf('dataset-too-large', `reading it takes more than ${cpuMs / 1000} seconds of processor time`)
  }
  if (/out of memory|bad_alloc|allocation failed/i.test(stderr)) {
    return problemOf('dataset-too-large', `reading it takes more than ${memoryBytes} bytes of memory`)
  }
  const how = signal === null ? `with code ${code}` : `by ${signal}`
  return new Error(`the reading process ended ${how}: ${stderr}`)
}

/** What is wrong with a file, as an answer. */
export function problemOf(code: 'invalid-dataset' | 'dataset-too-large', detail: string): Problem {
  return code === 'invalid-dataset'
    ? new Problem(422, code, 'The dataset cannot be read', detail)
    : new Problem(413, code, 'Too large', detail)
}
