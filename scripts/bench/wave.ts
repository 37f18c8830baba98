// Bench `wave`: a thousand devices get a new version of 1 MB through a rollout of a real hub process, from the request
// that starts it to the hub's confirmation of the last `succeeded`. Its limit in the same run: the same bytes published
// once to the same thousand subscribers by aedes alone, and hashed there.

import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chunkCount, chunkHashes, type HashedBlob, verifyChunk } from '@roost/shared/bundle/chunks.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import type { Chunk } from '@roost/shared/protocol/messages.ts'
import { chunkFilter, chunkTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { pino } from 'pino'
import { z } from 'zod'
import { readChunkMessage } from '../../agent/download/chunk-message.ts'
import { Session } from '../../agent/link/session.ts'
import { type Client, createClient } from '../../hub/cli/client.ts'
import { VersionDocument } from '../../hub/registry/documents.ts'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { encodeModel, floats, node, value } from '../demo/onnx-writer.ts'
import { type BenchResult, benchResult } from './result.ts'
import { enrolDevices } from './simulated-fleet.ts'
import { median } from './statistics.ts'
import { connectWaveDevice, type WaveDevice } from './wave-device.ts'

export const devicesByDefault = 1_000
const modelBytes = 1_048_576
/** Hub and bare broker in turn, so that both see the same machine. */
const rounds = 3
/** Devices that connect at a time. */
const connectingMax = 50
const groupName = 'everywhere'

type Round = {
  seconds: number
  bareSeconds: number
  published: number
  chunks: number
  receivedBytes: number
  hubMs: number
  assignedSeconds: number
  stagedSeconds: number
}

/** `deviceCount` devices: chunks published, time, and what the hub's memory does meanwhile. */
export async function wave(deviceCount: number): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-wave-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  const devices: WaveDevice[] = []
  try {
    const hub = await startHub(crew, join(folder, 'hub'), signal)
    const operator = createClient(hub.url, hub.adminToken)
    const names = Array.from({ length: deviceCount }, (_, i) => `bench-${i}`)
    const enrolled = await enrolDevices(hub, names)
    await operator.send('POST', '/v1/groups', { name: groupName, query: 'all' }, z.unknown())
    const mqtt = `mqtt://127.0.0.1:${hub.mqttPort}`
    await inTurns(enrolled, async (one) => void devices.push(await connectWaveDevice(mqtt, one)))
    const memory = watchMemory(hub.member.pid)
    const done: Round[] = []
    for (let version = 1; version <= rounds; version++) {
      const onnx = aModel()
      const bareSeconds = await bareWave(onnx, deviceCount)
      done.push({ bareSeconds, ...(await hubWave(hub, operator, devices, onnx, version)) })
    }
    const { beforeBytes, mostBytes } = memory.stop()
    const of = (pick: (round: Round) => number) => median(done.map(pick))
    const bench = 'wave'
    return [
      benchResult(
        {
          bench,
          metric: 'chunks published',
          value: of((one) => one.published),
          unit: 'chunks',
          limit: of((one) => one.chunks),
        },
        { of: 'ratio', bound: '<=', number: 2 },
      ),
      benchResult(
        {
          bench,
          metric: 'start to last succeeded',
          value: of((one) => one.seconds),
          unit: 's',
          limit: of((one) => one.bareSeconds),
        },
        { of: 'ratio', bound: '<=', number: 3 },
      ),
      benchResult({ bench, metric: 'start to last told', value: of((one) => one.assignedSeconds), unit: 's' }),
      benchResult({ bench, metric: 'start to last verified', value: of((one) => one.stagedSeconds), unit: 's' }),
      benchResult({
        bench,
        metric: 'bytes of chunks a device received',
        value: of((one) => one.receivedBytes),
        unit: 'bytes',
        limit: modelBytes,
      }),
      benchResult({ bench, metric: 'processor time of the hub', value: of((one) => one.hubMs), unit: 'ms' }),
      benchResult({
        bench,
        metric: 'hub, most resident memory: before',
        value: mostBytes / 2 ** 20,
        unit: 'MiB',
        limit: beforeBytes / 2 ** 20,
      }),
    ]
  } finally {
    await Promise.all(devices.map(({ close }) => close()))
    await crew.dismiss()
    await rm(folder, { recursive: true })
  }
}

/** `y = 2 x`, beside weights that nothing shrinks and nobody needs. */
function aModel(): Uint8Array {
  const noise = new Float32Array(Uint8Array.from(randomBytes(modelBytes - 256)).buffer)
  return encodeModel({
    graph: {
      name: 'wave',
      node: [node('Mul', ['x', 'two'], ['y'])],
      initializer: [floats('two', [], [2]), floats('noise', [noise.length], noise)],
      input: [value('x', 'float', ['N', 2])],
      output: [value('y', 'float', ['N', 2])],
    },
  })
}

async function hubWave(
  { url, adminToken }: { url: string; adminToken: string },
  operator: Client,
  devices: readonly WaveDevice[],
  onnx: Uint8Array,
  version: number,
): Promise<Omit<Round, 'bareSeconds'>> {
  const form = new FormData()
  form.set('metadata', new Blob(['{}'], { type: 'application/json' }))
  form.set('model', new Blob([Uint8Array.from(onnx)]), 'model.onnx')
  const registered = await operator.send('POST', '/v1/models/wave/versions', form, VersionDocument)
  const chunks = registered.files.reduce((sum, file) => sum + chunkCount(file), 0)
  const before = await metricsOf(url, adminToken)
  const received = devices.map((device) => device.chunkBytes())
  const plan = {
    stages: [{ name: 'all', percent: 100, bakeMs: 0 }],
    gates: [{ metric: 'installation', failuresMax: 0 }],
    concurrency: devices.length,
  }
  const started = performance.now()
  const body = { model: 'wave', version, group: groupName, plan }
  const { id } = await operator.send('POST', '/v1/rollouts', body, z.looseObject({ id: z.string() }))
  await Promise.all(devices.map((device) => device.succeeded(version)))
  const seconds = (performance.now() - started) / 1000
  const after = await metricsOf(url, adminToken)
  await completed(operator, id)
  const receivedBytes = median(devices.map((device, i) => device.chunkBytes() - (received[i] ?? 0)))
  return {
    seconds,
    published: after.published - before.published,
    chunks,
    receivedBytes,
    assignedSeconds: secondsSince(started, devices, (device) => device.times(version).assignedMs),
    stagedSeconds: secondsSince(started, devices, (device) => device.times(version).stagedMs),
    hubMs: (after.processorSeconds - before.processorSeconds) * 1000,
  }
}

/** Until the last of the devices. */
const secondsSince = (started: number, devices: readonly WaveDevice[], when: (device: WaveDevice) => number): number =>
  devices.reduce((most, device) => Math.max(most, when(device) - started), 0) / 1000

async function completed(operator: Client, id: string): Promise<void> {
  for (;;) {
    const { state } = await operator.get(`/v1/rollouts/${id}`, z.looseObject({ state: z.string() }))
    if (state === 'completed') return
    if (state !== 'running') throw new Error(`the rollout is ${state}`)
    await pause(100)
  }
}

/** What the hub tells of itself. */
async function metricsOf(url: string, token: string): Promise<{ published: number; processorSeconds: number }> {
  const text = await (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text()
  const read = (line: RegExp) => Number(line.exec(text)?.[1] ?? Number.NaN)
  return {
    published: read(/^roost_chunks_total\{step="published"\} (\S+)$/m),
    processorSeconds: read(/^process_cpu_seconds_total (\S+)$/m),
  }
}

/** Seconds from the first chunk that aedes publishes to the last that the last of the subscribers has hashed. */
async function bareWave(onnx: Uint8Array, deviceCount: number): Promise<number> {
  const child = fork(fileURLToPath(new URL('./bare-wave.ts', import.meta.url)), { serialization: 'advanced' })
  const file = await chunkHashes([onnx])
  const subscribers: Subscriber[] = []
  try {
    const [port]: unknown[] = await once(child, 'message')
    const names = Array.from({ length: deviceCount }, (_, i) => `bare-${i}`)
    await inTurns(names, async (name) => void subscribers.push(await subscribe(`mqtt://127.0.0.1:${port}`, name, file)))
    const chunks = Array.from({ length: chunkCount(file) }, (_, index) => {
      const data = onnx.slice(index * chunkBytes, (index + 1) * chunkBytes)
      const chunk: Chunk = { encoding: 'raw', data }
      return { topic: chunkTopic(file.sha256, index), payload: encode(chunk) }
    })
    const started = performance.now()
    child.send(chunks)
    await Promise.all(subscribers.map(({ whole }) => whole))
    return (performance.now() - started) / 1000
  } finally {
    await Promise.all(subscribers.map(({ close }) => close()))
    child.kill('SIGKILL')
  }
}

type Subscriber = { whole: Promise<void>; close: () => Promise<void> }

async function subscribe(url: string, device: string, file: HashedBlob): Promise<Subscriber> {
  const up = Promise.withResolvers<void>()
  const whole = Promise.withResolvers<void>()
  const missing = new Set(Array.from({ length: chunkCount(file) }, (_, index) => index))
  const session = new Session(
    {
      url,
      device,
      secret: 'any',
      ca: undefined,
      backoff: { minMs: 100, maxMs: 1_000 },
      deadlineMs: 60_000,
      now: () => performance.now(),
      random: (size) => new Uint8Array(randomBytes(size)),
      log: pino({ level: 'silent' }),
    },
    {
      onUp: () => up.resolve(),
      onDown: () => whole.reject(new Error(`${device} was cut off`)),
      onMessage: () => undefined,
      onOther: (topic, message) => {
        const chunk = readChunkMessage(file, topic, message)
        if (chunk === undefined || !verifyChunk(file, chunk.index, chunk.bytes)) return
        missing.delete(chunk.index)
        if (missing.size === 0) whole.resolve()
      },
    },
  )
  session.start()
  await up.promise
  await session.subscribe(chunkFilter(file.sha256))
  return { whole: whole.promise, close: () => session.close() }
}

/** Resident bytes of a process: before, and the most seen while it is watched. */
function watchMemory(pid: number) {
  let beforeBytes = 0
  let mostBytes = 0
  const look = async () => {
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
    const bytes = Number(kibibytes) * 1024
    if (beforeBytes === 0) beforeBytes = bytes
    mostBytes = Math.max(mostBytes, bytes)
  }
  const timer = setInterval(() => void look(), 100)
  return {
    stop: () => {
      clearInterval(timer)
      return { beforeBytes, mostBytes }
    },
  }
}

/** Does it for all, some at a time. */
async function inTurns<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const left = [...items]
  const take = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: connectingMax }, take))
}

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
