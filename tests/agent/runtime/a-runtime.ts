// Real runtime processes for tests: bundles written to a folder, a process that runs them, all it said kept.

import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Golden } from '@roost/shared/bundle/golden.ts'
import type { BundleFile, Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Baseline } from '@roost/shared/drift/baseline.ts'
import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import { RuntimeProcess } from '../../../agent/reconcile/runtime-process.ts'
import { openServingSocket, type ServingSocket } from '../../../agent/reconcile/serving-socket.ts'
import type { Failure } from '../../../agent/reconcile/slots.ts'
import type { LoadedBundle, ReplayPositions, ReplaySource } from '../../../agent/runtime/messages.ts'
import type { Batch } from '../../../agent/runtime/shadow/pairs.ts'

export type BundleParts = {
  model: Uint8Array
  deployment?: string
  features?: FeatureDefinitions
  baseline?: Baseline
  golden?: Golden
} & Partial<Omit<Manifest, 'model'>>

/** A bundle for a model with input `x` and output `y`, both [N, 2] float, unless the parts say otherwise. */
export async function aBundle(folder: string, parts: BundleParts): Promise<LoadedBundle> {
  const { model, deployment = 'demo', features, baseline, golden, ...over } = parts
  const files: BundleFile[] = []
  async function put(role: BundleFile['role'], bytes: Uint8Array): Promise<string> {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const path = join(folder, sha256)
    await writeFile(path, bytes)
    files.push({ role, sha256, sizeBytes: bytes.length, chunks: '' })
    return path
  }
  const asJson = (value: object) => Buffer.from(JSON.stringify(value))
  const paths = {
    model: await put('model', model),
    ...(features && { features: await put('features', asJson(features)) }),
    ...(baseline && { baseline: await put('baseline', asJson(baseline)) }),
    ...(golden && { golden: await put('golden', asJson(golden)) }),
  }
  const manifest: Manifest = {
    type: 'manifest',
    formatVersion: 1,
    model: 'scale',
    version: 1,
    counter: 1,
    variant: 'fp32',
    profiles: [],
    files,
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
    opset: 17,
    limits: { memoryBytes: 64 * 1024 * 1024, trialMs: 20_000, inferenceMs: 1_000 },
    window: { seconds: 3600 },
    created: '2026-11-24T00:00:00Z',
    ...over,
  }
  const digest = createHash('sha256').update(JSON.stringify(manifest)).digest('hex')
  return { deployment, digest, manifest, files: paths }
}

export type World = AsyncDisposable & {
  folder: string
  socket: ServingSocket
  url: string
  bundle: (parts: BundleParts) => Promise<LoadedBundle>
  start: (bundles: LoadedBundle[], over?: StartOptions) => Promise<ARuntime>
}

export type StartOptions = {
  replay?: ReplaySource[]
  memoryBytesMax?: number
  bodyBytesMax?: number
  generation?: number
  role?: 'primary' | 'shadow'
}

export type ARuntime = {
  process: RuntimeProcess
  windows: WindowReport[]
  /** The last checkpoint. */
  checkpoint: WindowReport[]
  positions: ReplayPositions
  events: DeviceEvent[]
  exits: (Failure | undefined)[]
  /** What it hands to a shadow. */
  batches: Batch[]
  warnings: string[]
}

/** A folder, a socket, and whatever is started in it; disposing ends it all. */
export async function aWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-runtime-test-'))
  const socket = openServingSocket({ host: '127.0.0.1', port: 0 })
  const started: RuntimeProcess[] = []

  async function start(bundles: LoadedBundle[], over: StartOptions = {}): Promise<ARuntime> {
    const { replay = [], memoryBytesMax = 1024 ** 3, bodyBytesMax = 1024 ** 2, generation = 1, role = 'primary' } = over
    const said: Omit<ARuntime, 'process'> = {
      windows: [],
      checkpoint: [],
      positions: {},
      events: [],
      exits: [],
      batches: [],
      warnings: [],
    }
    const process = await RuntimeProcess.start(
      {
        role,
        generation,
        bundles,
        replay,
        serving: { bodyBytesMax, threads: 1 },
        memoryBytesMax,
        workFolder: folder,
      },
      {
        onWindow(report, positions) {
          said.windows.push(report)
          said.positions = positions
          said.checkpoint = said.checkpoint.filter(({ deployment }) => deployment !== report.deployment)
        },
        onCheckpoint(windows, positions) {
          said.checkpoint = windows
          said.positions = positions
        },
        onEvent: (event) => said.events.push(event),
        onPairs: (batch) => said.batches.push(batch),
        onPaired: () => undefined,
        onExit: (failure) => said.exits.push(failure),
        warn: (text) => {
          said.warnings.push(text)
          console.warn(text)
        },
      },
    )
    started.push(process)
    return Object.assign(said, { process })
  }

  return {
    folder,
    socket,
    url: `http://127.0.0.1:${socket.port}`,
    bundle: (parts) => aBundle(folder, parts),
    start,
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((process) => process.kill()))
      socket.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** Started, tried and serving. */
export async function aServing(world: World, bundles: LoadedBundle[], over?: StartOptions): Promise<ARuntime> {
  const runtime = await world.start(bundles, over)
  const outcome = await runtime.process.load()
  if (!outcome.ok) throw new Error(`the trial failed: ${outcome.failure.reason}: ${outcome.failure.detail}`)
  if (!(await runtime.process.serve(world.socket, {}))) throw new Error('it did not serve')
  return runtime
}

/** Closes the open windows of one that serves, and waits until all it said before is heard: what it answers over HTTP may
 *  overtake what it tells its control process, but the word that it has released the socket comes after both. */
export async function reportedNow({ socket }: World, { process }: ARuntime): Promise<void> {
  process.reportNow()
  if ((await process.release()) === undefined) throw new Error('it died')
  if (!(await process.serve(socket, {}))) throw new Error('it did not serve again')
}

export type Answered = { status: number; body: unknown; headers: Headers }

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
  const text = typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body)
  const response = await fetch(url, { method: 'POST', body: text, headers })
  return { status: response.status, body: await response.json(), headers: response.headers }
}

export async function get(url: string): Promise<Answered> {
  const response = await fetch(url)
  return { status: response.status, body: await response.json(), headers: response.headers }
}

/** The body of an infer request with one FP32 input `x` of rows of two. */
export function anInfer(rows: number[][], over: Record<string, unknown> = {}) {
  const x = { name: 'x', datatype: 'FP32', shape: [rows.length, 2], data: rows.flat() }
  return { inputs: [x], ...over }
}
