// Requests a second over the Open Inference Protocol: a real runtime process on the real serving socket, against a bare
// node:http server with JSON and `session.run` in a process of its own. Both are asked by the same clients in turn.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { RuntimeProcess } from '../../agent/reconcile/runtime-process.ts'
import { openServingSocket } from '../../agent/reconcile/serving-socket.ts'
import type { BenchModel } from './bundles.ts'
import { loadHttp } from './http-load.ts'
import { processorMs } from './processor.ts'
import { type BenchResult, benchResult } from './result.ts'
import { median } from './statistics.ts'

/** In turn; the first of each only warms up. */
const rounds = 8
const roundMs = 1_000
const connections = 16

export async function serving(model: BenchModel, folder: string): Promise<BenchResult[]> {
  const { bundle, inputs } = model
  const body = JSON.stringify({ inputs: Object.entries(inputs).map(([name, value]) => ({ name, ...value })) })
  const ask = async ({ port, pid }: Server): Promise<Round> => {
    const before = await processorMs(pid)
    const path = `/v2/models/${bundle.deployment}/infer`
    const perSecond = await loadHttp({ port, path, body, connections, durationMs: roundMs })
    const us = ((await processorMs(pid)) - before) * 1000
    return { perSecond, us: us / (perSecond * (roundMs / 1000)) }
  }
  await using runtime = await startRuntime(model, folder)
  await using bare = await startBare(model)
  const served: Round[] = []
  const limit: Round[] = []
  for (let round = 0; round < rounds; round++) {
    const both = { limit: await ask(bare), served: await ask(runtime) }
    if (round === 0) continue
    limit.push(both.limit)
    served.push(both.served)
  }
  const metric = `${model.name} model over HTTP`
  const of = (figure: keyof Round) => ({
    value: median(served.map((round) => round[figure])),
    limit: median(limit.map((round) => round[figure])),
  })
  return [
    benchResult(
      { bench: 'inference', metric, unit: 'requests/s', ...of('perSecond') },
      { of: 'ratio', bound: '>=', number: 0.8 },
    ),
    benchResult({ bench: 'inference', metric: `${metric}, processor time a request`, unit: 'µs', ...of('us') }),
  ]
}

/** `us`: processor time of the server for one request. */
type Round = { perSecond: number; us: number }

type Server = AsyncDisposable & { port: number; pid: number }

async function startRuntime({ bundle }: BenchModel, folder: string): Promise<Server> {
  const ignore = () => undefined
  const socket = openServingSocket({ host: '127.0.0.1', port: 0 })
  const runtime = await RuntimeProcess.start(
    {
      role: 'primary',
      generation: 1,
      bundles: [bundle],
      replay: [],
      serving: { bodyBytesMax: 1_048_576, threads: 1 },
      memoryBytesMax: 1_073_741_824,
      workFolder: folder,
    },
    {
      onWindow: ignore,
      onCheckpoint: ignore,
      onEvent: ignore,
      onPairs: ignore,
      onPaired: ignore,
      onExit: ignore,
      warn: (text) => console.error(text),
    },
  )
  const stop = async () => {
    await runtime.kill()
    socket.close()
  }
  const outcome = await runtime.load()
  if (!outcome.ok || !(await runtime.serve(socket, {}))) {
    await stop()
    throw new Error(`the runtime does not serve: ${outcome.ok ? 'it died' : outcome.failure.detail}`)
  }
  return { port: socket.port, pid: runtime.pid ?? 0, [Symbol.asyncDispose]: stop }
}

async function startBare({ bundle }: BenchModel): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./bare-server.ts', import.meta.url)), [bundle.files.model])
  const [said]: unknown[] = await once(child, 'message')
  return {
    port: Number(said),
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
