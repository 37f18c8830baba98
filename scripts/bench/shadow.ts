// Bench `shadow`: what a candidate in shadow costs the requests of what serves. Two real runtime processes as the agent
// starts them, the pairs going from one to the other through this process, as they go through the control process.
// One client asks and waits for its answer; rounds with and without the shadow take turns.

import { mkdtemp, rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { feedBeside } from '../../agent/reconcile/beside.ts'
import { RuntimeProcess } from '../../agent/reconcile/runtime-process.ts'
import { openServingSocket } from '../../agent/reconcile/serving-socket.ts'
import { audioModel, type BenchModel, tableModel } from './bundles.ts'
import { processorMs } from './processor.ts'
import { type BenchResult, benchResult } from './result.ts'
import { quantile } from './statistics.ts'

/** As the default of a plan. */
const sample = 0.1
/** In turn; the first of each only warms up. */
const rounds = 13
const roundMs = 1_000
const ratioMax = 1.1

/** The primary's p50 and p99 over HTTP with the shadow, in µs; the limit is the same without it. */
export async function shadow(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-shadow-'))
  try {
    return [...(await beside(await tableModel(folder), folder)), ...(await beside(await audioModel(folder), folder))]
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function beside(model: BenchModel, folder: string): Promise<BenchResult[]> {
  const { bundle, records } = model
  const { deployment } = bundle
  const socket = openServingSocket({ host: '127.0.0.1', port: 0 })
  let compared = 0
  const start = (role: 'primary' | 'shadow') => startRuntime(role, model, folder)
  await using primary = await start('primary')
  await using candidate = await start('shadow')
  primary.onPairs = (batch) => candidate.process.compare(batch)
  candidate.onPaired = () => {
    compared += 1
    primary.process.morePairs(deployment)
  }
  if (!(await primary.process.serve(socket, {}))) throw new Error('the primary does not serve')
  const feed = feedBeside(bundle.manifest, bundle.manifest)
  if ('why' in feed) throw new Error(feed.why)
  const fields = feed.records ? { records: candidate.fields } : {}
  const tap = [{ deployment, sample, tensors: feed.tensors, ...fields }]
  const ask = records.length > 0 ? recordsAsked(deployment, records) : tensorsAsked(model)
  const pid = primary.process.pid ?? 0
  const without: Round[] = []
  const withShadow: Round[] = []
  for (let round = 0; round < 2 * rounds; round++) {
    const isTapped = round % 2 === 1
    primary.process.tap(isTapped ? tap : [])
    const before = await processorMs(pid)
    const latencies = await askFor(socket.port, ask)
    const processorUs = ((await processorMs(pid)) - before) * 1000
    if (round >= 2) (isTapped ? withShadow : without).push({ latencies, processorUs })
  }
  socket.close()
  if (compared === 0) throw new Error('the shadow was handed nothing')
  const figures = (figure: (rounds: readonly Round[]) => number) => ({
    value: figure(withShadow),
    limit: figure(without),
    unit: 'µs',
  })
  const of = (q: number) =>
    figures((some) =>
      quantile(
        some.flatMap(({ latencies }) => latencies),
        q,
      ),
    )
  const metric = `${model.name} model over HTTP beside a shadow of ${sample * 100} %`
  return [
    benchResult(
      { bench: 'shadow', metric: `${metric}, p50`, ...of(0.5) },
      { of: 'ratio', bound: '<=', number: ratioMax },
    ),
    benchResult({ bench: 'shadow', metric: `${metric}, p99`, ...of(0.99) }),
    benchResult({ bench: 'shadow', metric: `${metric}, processor time a request`, ...figures(processorUsEach) }),
  ]
}

/** `processorUs`: of the primary's process, in ticks of 10 ms. */
type Round = { latencies: number[]; processorUs: number }

const processorUsEach = (some: readonly Round[]) =>
  some.reduce((sum, { processorUs }) => sum + processorUs, 0) /
  some.reduce((sum, { latencies }) => sum + latencies.length, 0)

type Started = AsyncDisposable & {
  process: RuntimeProcess
  fields: string[]
  onPairs: Handlers['onPairs']
  onPaired: Handlers['onPaired']
}
type Handlers = Parameters<typeof RuntimeProcess.start>[1]

async function startRuntime(role: 'primary' | 'shadow', { bundle }: BenchModel, folder: string): Promise<Started> {
  const ignore = () => undefined
  const process = await RuntimeProcess.start(
    {
      role,
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
      onPairs: (batch) => started.onPairs(batch),
      onPaired: (deployment) => started.onPaired(deployment),
      onExit: ignore,
      warn: (text) => console.error(text),
    },
  )
  const started: Started = {
    process,
    fields: [],
    onPairs: ignore,
    onPaired: ignore,
    [Symbol.asyncDispose]: () => process.kill(),
  }
  const outcome = await process.load()
  if (!outcome.ok) throw new Error(`a runtime does not start: ${outcome.failure.detail}`)
  started.fields = outcome.results[0]?.fields ?? []
  return started
}

type Asked = { path: string; bodyOf: (n: number) => string }

const recordsAsked = (deployment: string, records: readonly Record<string, unknown>[]): Asked => ({
  path: `/roost/v1/deployments/${deployment}/records`,
  bodyOf: (n) => JSON.stringify(records[n % records.length]),
})

function tensorsAsked({ bundle, inputs }: BenchModel): Asked {
  const body = JSON.stringify({ inputs: Object.entries(inputs).map(([name, value]) => ({ name, ...value })) })
  return { path: `/v2/models/${bundle.deployment}/infer`, bodyOf: () => body }
}

/** Latencies in µs of one client on one connection, for a round. On a bare socket, as http-load.ts has it. */
function askFor(port: number, { path, bodyOf }: Asked): Promise<number[]> {
  const latencies: number[] = []
  const end = performance.now() + roundMs
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: '127.0.0.1', port, noDelay: true })
    let text = ''
    let asked = 0
    const send = () => {
      const body = bodyOf(latencies.length)
      const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`
      asked = performance.now()
      socket.write(head + body)
    }
    socket.setEncoding('latin1')
    socket.once('connect', send)
    socket.on('data', (piece: string) => {
      text += piece
      const headEnd = text.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(text)?.[1]
      if (headEnd < 0 || length === undefined || text.length < headEnd + 4 + Number(length)) return
      latencies.push((performance.now() - asked) * 1000)
      if (!text.startsWith('HTTP/1.1 200')) return void socket.destroy(new Error(text.slice(0, 200)))
      text = ''
      if (performance.now() < end) return send()
      socket.destroy()
      resolve(latencies)
    })
    socket.once('error', reject)
  })
}
