// The life of one scorer process, and what keeps it harmless: Node's permission model (it reads code and model, starts
// nothing), no environment, an empty folder to work in, memory limited on top of what the bare process has, no file
// written, no core dumped, CPU time limited (so that it ends even when the hub was killed while the model hangs), and
// SIGKILL when it does not answer in time or is not needed any more.

import { type ChildProcess, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { limitProcess, packageFolders } from '../process-limits.ts'
import { vectorsMax } from './scorer/bounds.ts'
import { ScorerReply, type ScorerRequest } from './scorer-messages.ts'
import { ScoreError } from './scoring.ts'

/** Memory for the scorer's own work: a request and its answers as JSON and as objects. */
const ownBytes = 64 * 1024 * 1024
/** Patience is spent in steps of this: one during which the machine stood still, or the hub was too busy to hear an answer,
 *  costs no more than another, for the model is not to blame. */
const patienceStepMs = 250
/** The end of what the process wrote to stderr, for the reason it died. */
const stderrCharactersMax = 4096

type Reply<Kind extends ScorerReply['kind']> = Extract<ScorerReply, { kind: Kind }>

export type Scorer = AsyncDisposable & {
  /** Sends the request, and gives the first reply to it. */
  ask: <Kind extends ScorerReply['kind']>(
    request: ScorerRequest,
    kind: Kind,
    patience: Patience,
  ) => Promise<Reply<Kind>>
  /** The next reply, which must be of this kind.
   *  @throws ScoreError when it says that it failed, dies, or is silent for too long */
  reply: <Kind extends ScorerReply['kind']>(kind: Kind, patience: Patience) => Promise<Reply<Kind>>
}

/** How long to wait, and what to say then. */
export type Patience = { timeoutMs: number; late: string }

export type ScorerLimits = { memoryBytes: number; cpuMs: number; startMs: number; modelPath: string }

/** Starts the process and limits it before it loads anything.
 *  @throws ScoreError when it does not start; Error where limits cannot be set */
export async function startScorer({ memoryBytes, cpuMs, startMs, modelPath }: ScorerLimits): Promise<Scorer> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-scorer-'))
  const readable = [...codeFolders(), modelPath]
  const child = fork(scorerPath, {
    cwd: folder,
    env: {},
    execArgv: ['--no-warnings', '--permission', '--allow-addons', ...readable.map((path) => `--allow-fs-read=${path}`)],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const scorer = attach(child, folder)
  try {
    await scorer.reply('up', { timeoutMs: startMs, late: `the process did not start within ${startMs} ms` })
    await limitProcess(child.pid, ownBytes + memoryBytes, cpuMs)
    return scorer
  } catch (error) {
    await scorer[Symbol.asyncDispose]()
    throw error
  }
}

const scorerPath = fileURLToPath(new URL('./scorer/main.ts', import.meta.url))

/** What the scorer imports: its own folder, onnxruntime; not the hub's data, wherever it lies. */
const codeFolders = (): string[] => [
  dirname(scorerPath),
  fileURLToPath(new URL('../package.json', import.meta.url)),
  ...packageFolders(import.meta.url, ['onnxruntime-node']),
]

function attach(child: ChildProcess, folder: string): Scorer {
  const inbox: unknown[] = []
  let stderr = ''
  let end: ScoreError | undefined
  let wake: (() => void) | undefined
  const closed = new Promise<void>((resolve) => {
    child.once('close', (code, signal) => {
      end ??= endOf(code, signal, stderr)
      wake?.()
      resolve()
    })
    // Not started at all: 'close' never comes.
    child.once('error', (cause) => {
      end ??= new ScoreError('crashed', 'the process could not be started', { cause })
      wake?.()
      if (child.pid === undefined) resolve()
    })
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-stderrCharactersMax)
  })
  child.on('message', (message) => {
    if (inbox.push(message) > vectorsMax) child.kill('SIGKILL')
    wake?.()
  })

  async function nextMessage({ timeoutMs, late }: Patience): Promise<unknown> {
    let leftMs = timeoutMs
    while (inbox.length === 0) {
      if (end !== undefined) throw end
      if (leftMs <= 0) throw new ScoreError('time-limit', late)
      const stepMs = Math.min(leftMs, patienceStepMs)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, stepMs)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      leftMs -= stepMs
    }
    return inbox.shift()
  }

  async function reply<Kind extends ScorerReply['kind']>(kind: Kind, patience: Patience): Promise<Reply<Kind>> {
    const { success, data } = ScorerReply.safeParse(await nextMessage(patience))
    if (success && data.kind === 'failed') throw new ScoreError(data.code, data.message)
    if (success && isOfKind(data, kind)) return data
    throw new ScoreError('crashed', `the process does not answer as it should: ${success ? data.kind : 'nonsense'}`)
  }

  return {
    reply,
    ask: (request, kind, patience) => {
      // Where it cannot be sent the process is gone or going: the reply then says why.
      child.send(request, (error) => void (error === null || child.kill('SIGKILL')))
      return reply(kind, patience)
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await closed
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function isOfKind<Kind extends ScorerReply['kind']>(reply: ScorerReply, kind: Kind): reply is Reply<Kind> {
  return reply.kind === kind
}

function endOf(code: number | null, signal: NodeJS.Signals | null, stderr: string): ScoreError {
  const how = signal === null ? `with code ${code}` : `by ${signal}`
  if (signal === 'SIGXCPU') return new ScoreError('time-limit', 'the model used up its processor time')
  if (/out of memory|bad_alloc|allocation failed/i.test(stderr)) {
    return new ScoreError('memory-limit', `the model needs more memory than it may have: its process ended ${how}`)
  }
  const lastLine = stderr.trimEnd().split('\n').at(-1)?.trim()
  return new ScoreError('crashed', `the model's process ended ${how}${lastLine ? `: ${lastLine}` : ''}`)
}
