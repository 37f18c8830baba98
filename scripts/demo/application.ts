// An application on a gateway: asks for predictions over the Open Inference Protocol v2, on kept-alive connections, at a
// steady rate, and holds every answer against what the version that gave it must say.

import { Agent, request } from 'node:http'
import { z } from 'zod'
import { pause } from './waiting.ts'

/** One question, and the right answers to it by version. */
export type Question = { body: string; answers: ReadonlyMap<string, number> }

export type ApplicationCounts = {
  /** Right answers, which are inferences that the gateway must have counted. */
  answered: number
  /** Anything else: no connection, a connection lost, another status, a wrong answer. */
  failed: number
  byVersion: ReadonlyMap<string, number>
  firstFailure: string | undefined
  slowestMs: number
}

export type Application = {
  counts: () => ApplicationCounts
  /** Resolves when the last answer is there. */
  stop: () => Promise<ApplicationCounts>
  /** Gives up what it waits for; resolves when nothing of it is left. */
  abandon: () => Promise<void>
}

export type ApplicationOptions = {
  url: string
  model: string
  /** Asked one after the other, from the first again after the last. */
  questions: readonly Question[]
  perSecond: number
  connections: number
}

const answerMsMax = 10_000
/** float32 in the model, float64 here. */
const tolerance = 1e-3

const Answer = z.object({
  model_version: z.string(),
  outputs: z.tuple([z.object({ name: z.literal('probability'), data: z.tuple([z.number()]) })]),
})

export function startApplication(options: ApplicationOptions): Application {
  const { questions, connections } = options
  const url = new URL(`/v2/models/${options.model}/infer`, options.url)
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const stopping = new AbortController()
  const byVersion = new Map<string, number>()
  let answered = 0
  let failed = 0
  let firstFailure: string | undefined
  let slowestMs = 0
  let next = 0

  const counts = (): ApplicationCounts => ({ answered, failed, byVersion, firstFailure, slowestMs })

  const ask = async (question: Question): Promise<void> => {
    const startedMs = performance.now()
    try {
      const version = versionOf(question, await post(url, agent, question.body))
      byVersion.set(version, (byVersion.get(version) ?? 0) + 1)
      answered += 1
    } catch (error) {
      failed += 1
      firstFailure ??= String(error)
    }
    slowestMs = Math.max(slowestMs, performance.now() - startedMs)
  }

  /** One connection: a question when it is due and the one before is answered. */
  const work = async (): Promise<void> => {
    const everyMs = (1000 * connections) / options.perSecond
    let dueMs = performance.now()
    while (!stopping.signal.aborted) {
      const question = questions[next++ % questions.length]
      if (question !== undefined) await ask(question)
      dueMs = Math.max(dueMs + everyMs, performance.now())
      await pause(dueMs - performance.now(), stopping.signal)
    }
  }

  const working = Array.from({ length: connections }, work)
  return {
    counts,
    async stop() {
      stopping.abort()
      await Promise.all(working)
      agent.destroy()
      return counts()
    },
    async abandon() {
      stopping.abort()
      agent.destroy()
      await Promise.all(working)
    },
  }
}

/** The version that answered.
 *  @throws Error where the answer is not the one this version must give */
function versionOf(question: Question, { status, text }: Response): string {
  if (status !== 200) throw new Error(`status ${status}: ${text.slice(0, 200)}`)
  const { model_version: version, outputs } = Answer.parse(JSON.parse(text))
  const right = question.answers.get(version)
  const given = outputs[0].data[0]
  if (right !== undefined && Math.abs(given - right) <= tolerance) return version
  throw new Error(`version ${version} answered ${given} where ${right} is right`)
}

type Response = { status: number; text: string }

function post(url: URL, agent: Agent, body: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method: 'POST', agent, headers, timeout: answerMsMax }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString('utf8') }),
      )
    })
    sent.on('error', reject)
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${answerMsMax / 1000} s`)))
    sent.end(body)
  })
}
