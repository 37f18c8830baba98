// An application on a gateway that asks all the time over the Open Inference Protocol v2, on connections that it keeps
// alive, and holds every answer against what the version that gave it must say.

import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'

/** Times are of the wall clock, which the device's processes share. */
export type Answer = { atMs: number; version: number }
/** `refused`: no runtime can have seen it. `broken`: one may have. `status`: an answer, but no success. `wrong`: one. */
export type Failure = { atMs: number; kind: 'refused' | 'broken' | 'status' | 'wrong'; text: string }

export type Application = AsyncDisposable & {
  answers: readonly Answer[]
  failures: readonly Failure[]
  /** Answers of each version. */
  byVersion: () => Record<number, number>
  /** Resolves when whatever was asked until now is answered, or will never be. */
  settled: () => Promise<unknown>
  /** Resolves when the last answer is there. */
  stop: () => Promise<void>
}

export type ApplicationOptions = {
  url: string
  deployment?: string
  connections?: number
  /** Between an answer and the next question of a connection. */
  pauseMs?: number
  /** The input of the nth question, from 0: two numbers. */
  ask?: (n: number) => number[]
  /** What the version makes of each number. */
  factorOf?: (version: number) => number
}

const InferAnswer = z.object({
  model_version: z.string(),
  outputs: z.tuple([z.object({ name: z.literal('y'), data: z.array(z.number()) })]),
})

const answerMsMax = 30_000
/** Of every so many questions of a connection the first goes over a new one. */
const questionsPerConnection = 50

/** Version v multiplies by v + 1, unless told otherwise. */
export const factorOfVersion = (version: number): number => version + 1

export function startApplication(options: ApplicationOptions): Application {
  const { connections = 2, pauseMs = 5, ask = quiet, factorOf = factorOfVersion, deployment = 'scale' } = options
  const url = new URL(`/v2/models/${deployment}/infer`, options.url)
  const answers: Answer[] = []
  const failures: Failure[] = []
  let stopped = false
  let asked = 0
  const underWay = new Set<Promise<unknown>>()

  const askOnce = async (agent: Agent) => {
    const x = ask(asked++)
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, x.length], data: x }]
    try {
      const { status, text } = await post(url, agent, JSON.stringify({ inputs }))
      if (status !== 200) return void failures.push({ atMs: Date.now(), kind: 'status', text: `${status}: ${text}` })
      const { model_version, outputs } = InferAnswer.parse(JSON.parse(text))
      const version = Number(model_version)
      const right = x.map((value) => value * factorOf(version))
      const isRight = outputs[0].data.every((value, i) => Math.abs(value - (right[i] ?? Number.NaN)) < 1e-3)
      if (isRight) answers.push({ atMs: Date.now(), version })
      else failures.push({ atMs: Date.now(), kind: 'wrong', text: `version ${version} made ${text} of ${x}` })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined
      failures.push({ atMs: Date.now(), kind: code === 'ECONNREFUSED' ? 'refused' : 'broken', text: String(error) })
    }
  }

  const work = async () => {
    let agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let n = 1; !stopped; n++) {
      if (n % questionsPerConnection === 0) {
        agent.destroy()
        agent = new Agent({ keepAlive: true, maxSockets: 1 })
      }
      const one = askOnce(agent)
      underWay.add(one)
      await one
      underWay.delete(one)
      await delay(pauseMs)
    }
    agent.destroy()
  }

  const working = Promise.all(Array.from({ length: connections }, work))
  const stop = async () => {
    stopped = true
    await working
  }
  return {
    answers,
    failures,
    byVersion: () => {
      const counts: Record<number, number> = {}
      for (const { version } of answers) counts[version] = (counts[version] ?? 0) + 1
      return counts
    },
    settled: () => Promise.all(underWay),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** Numbers between 0 and 0.5. */
const quiet = (n: number): number[] => [(n % 100) / 200, ((n * 7) % 100) / 200]

export function post(url: URL, agent: Agent | undefined, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const sent = request(url, { method: 'POST', agent, headers, timeout: answerMsMax }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString() }))
    })
    sent.on('error', reject)
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')))
    sent.end(body)
  })
}
