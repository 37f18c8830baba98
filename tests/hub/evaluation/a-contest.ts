// A hub with a model that is evaluated: registers versions, takes in snapshots, asks for evaluations and waits for them.

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { createApp, type Routes } from '../../../hub/app.ts'
import { receiveSnapshot } from '../../../hub/datasets/arrival.ts'
import { Evaluation } from '../../../hub/evaluation/documents.ts'
import { createEvaluations } from '../../../hub/evaluation/evaluations.ts'
import { evaluationRoutes } from '../../../hub/evaluation/routes.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { setAlias } from '../../../hub/registry/aliases.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import type { Score } from '../../../hub/registry/scoring.ts'
import { aModel, floats, intAttribute, node, value } from '../../builders/onnx.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aForm, post } from '../registry/an-upload.ts'

export const model = 'vibration'

export type Contest = AsyncDisposable & {
  hub: TestHub
  app: Routes
  token: string
  finished: string[]
  /** The number of the new version. */
  register(bytes: Uint8Array, metadata?: unknown): Promise<number>
  /** The digest of the new snapshot. */
  snapshot(csv: string): Promise<string>
  champion(version: number): Promise<void>
  request(method: string, path: string, body?: unknown, token?: string): Promise<Response>
  /** Asks for it and waits for its end. */
  evaluate(version: number, body: unknown): Promise<Evaluation>
  ended(id: string, version: number): Promise<Evaluation>
  /** As when the hub stops. */
  stop(): Promise<void>
}

/** @param score runs the models; the hub's own scorer where it is not said */
export async function aContest(options: { score?: Score; folder?: string; works?: boolean } = {}): Promise<Contest> {
  const { score = createScorer(), folder, works = true } = options
  const stopping = new AbortController()
  const hub = await aHub({ parts: { stopping: stopping.signal }, ...(folder === undefined ? {} : { folder }) })
  const finished: string[] = []
  const evaluations = createEvaluations(hub, score, (name, version) => void finished.push(`${name}/${version}`))
  const app = createApp(hub, [
    registryRoutes(hub, createRegistrar(hub, loadsAll)),
    evaluationRoutes(hub, score, evaluations),
  ])
  const token = await hub.tokenOf('admin')
  const work = works ? evaluations.work() : Promise.resolve()
  const stop = () => {
    stopping.abort()
    return work
  }
  const request: Contest['request'] = (method, path, body, as = token) =>
    Promise.resolve(
      app.request(path, {
        method,
        headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    )
  const ended: Contest['ended'] = async (id, version) => {
    for (;;) {
      const found = Evaluation.parse(await (await request('GET', `${pathOf(version)}/${id}`)).json())
      if (found.state !== 'queued' && found.state !== 'running') return found
      await sleep(50)
    }
  }
  return {
    hub,
    app,
    token,
    finished,
    request,
    ended,
    stop,
    register: async (bytes, metadata) => {
      const response = await post(app, token, aForm({ model: bytes, metadata }), model)
      if (response.status !== 201) throw new Error(await response.text())
      return z.object({ version: z.number() }).parse(await response.json()).version
    },
    snapshot: async (csv) => {
      const by = { actor: 'test' }
      const arrival = { dataset: 'bench', format: 'csv' as const, description: '', by }
      const { snapshot } = await receiveSnapshot(hub, arrival, ReadableStream.from([Buffer.from(csv)]))
      return snapshot.digest
    },
    champion: async (version) => void (await hub.database.write([setAlias(model, 'champion', version, 'test', 1)])),
    evaluate: async (version, body) => {
      const response = await request('POST', pathOf(version), body)
      if (response.status !== 202) throw new Error(await response.text())
      return ended(Evaluation.parse(await response.json()).id, version)
    },
    [Symbol.asyncDispose]: async () => {
      await stop()
      await hub[Symbol.asyncDispose]()
    },
  }
}

/** Registration is not what is tested here: it runs no process. */
const loadsAll: Score = async function* () {
  yield* []
}

export const pathOf = (version: number): string => `/v1/models/${model}/versions/${version}/evaluations`

export const problemOf = async (response: Response): Promise<ProblemDocument> =>
  ProblemDocument.parse(await response.json())

/** `y = 1 / (1 + exp(-(x w + b)))`, the probability of a fault: input `x` [N, n], output `y` [N, 1]. */
export function aLogisticModel(weights: number[], bias = 0): Uint8Array {
  return aModel({
    node: [
      node('MatMul', ['x', 'w'], ['product']),
      node('Add', ['product', 'b'], ['logit']),
      node('Sigmoid', ['logit'], ['y']),
    ],
    initializer: [floats('w', [weights.length, 1], weights), floats('b', [1], [bias])],
    input: [value('x', 'float', ['N', weights.length])],
    output: [value('y', 'float', ['N', 1])],
  })
}

/** `y = x w + b`. */
export function aLinearModel(weights: number[], bias = 0): Uint8Array {
  return aModel({
    node: [node('MatMul', ['x', 'w'], ['product']), node('Add', ['product', 'b'], ['y'])],
    initializer: [floats('w', [weights.length, 1], weights), floats('b', [1], [bias])],
    input: [value('x', 'float', ['N', weights.length])],
    output: [value('y', 'float', ['N', 1])],
  })
}

/** `y = softmax(x)`: as many classes as inputs. */
export function aSoftmaxModel(classes: number): Uint8Array {
  return aModel({
    node: [node('Softmax', ['x'], ['y'], [intAttribute('axis', 1n)])],
    input: [value('x', 'float', ['N', classes])],
    output: [value('y', 'float', ['N', classes])],
  })
}
