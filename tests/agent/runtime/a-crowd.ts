// Clients that ask one deployment as fast as they can, each waiting for its answer before it asks again.
// They hold every answer against the version that says it gave it, and count.

import { Agent, type IncomingMessage, request } from 'node:http'

export type Answer = { version: number; y: number[] }

export type Crowd = AsyncDisposable & {
  /** Right answers so far, by version. */
  answers: ReadonlyMap<number, number>
  /** Answers that no version would give, or with another status than 200. */
  wrong: readonly string[]
  /** Requests without an answer. */
  failures: readonly string[]
  clients: number
  answered: (version: number) => number
  /** Lets every client have the answer it waits for, and ends. */
  stop: () => Promise<void>
}

export type CrowdOptions = {
  url: string
  deployment?: string
  /** Clients that keep one connection for as long as the server lets them. */
  keeping?: number
  /** Clients that open a new connection for every request. */
  opening?: number
  /** What each version does to its input. */
  factors: Readonly<Record<number, number>>
  /** A pause of each client after an answer, where a test needs the processor for something else. */
  pauseMs?: number
}

/** Starts asking at once. The inputs are below 0, which the models that crash, hang or throw from 1 on let pass. */
export function aCrowd(options: CrowdOptions): Crowd {
  const { keeping = 12, opening = 4, factors, pauseMs = 0 } = options
  const url = `${options.url}/v2/models/${options.deployment ?? 'demo'}/infer`
  const answers = new Map<number, number>()
  const wrong: string[] = []
  const failures: string[] = []
  let asked = 0
  let stopped = false

  async function run(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 })
    while (!stopped) {
      const x = [-(asked++ % 1000), -(asked++ % 1000)]
      try {
        const { status, text } = await ask(url, x, agent)
        const answer = status === 200 ? readAnswer(text) : undefined
        const factor = factors[answer?.version ?? 0]
        if (answer === undefined || factor === undefined || answer.y.join() !== x.map((one) => one * factor).join())
          wrong.push(`${x}: ${status} ${text.slice(0, 200)}`)
        else answers.set(answer.version, (answers.get(answer.version) ?? 0) + 1)
      } catch (error) {
        failures.push(String(error))
      }
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    agent.destroy()
  }

  const done = Promise.all([...Array(keeping).fill(true), ...Array(opening).fill(false)].map(run))
  async function stop(): Promise<void> {
    stopped = true
    await done
  }
  return {
    answers,
    wrong,
    failures,
    clients: keeping + opening,
    answered: (version) => answers.get(version) ?? 0,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** One infer request with a row of two. Without an agent it has a connection of its own.
 *  @throws where no answer comes */
export function ask(
  url: string,
  row: readonly number[],
  agent: Agent | false = false,
): Promise<{ status: number; text: string }> {
  const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, row.length], data: row }] })
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { 'content-length': body.length } }, (response) => {
      readText(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

async function readText(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of response.setEncoding('utf8')) text += piece
  return text
}

/** @throws where it is no answer */
export function readAnswer(text: string): Answer {
  const { model_version, outputs } = JSON.parse(text)
  return { version: Number(model_version), y: outputs[0].data }
}
