// Bench `footprint`: resident memory of an agent that serves one model, and how long after its start it answers.
// Its limits in the same run: bare Node with onnxruntime and the same model, and bare Node with one MQTT connection.

import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type ClientRequest, request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createClient } from '../../hub/cli/client.ts'
import { type AgentPlace, enrolAgent } from '../demo/agent-process.ts'
import { createCrew } from '../demo/crew.ts'
import { type HubProcess, startHub } from '../demo/hub-process.ts'
import { trainDetectors } from '../demo/train.ts'
import { model, registerVersion } from '../demo/versions.ts'
import { type BenchResult, benchResult } from './result.ts'
import { enrolDevices } from './simulated-fleet.ts'
import { median } from './statistics.ts'

/** Of each kind, in turn. */
const starts = 5
/** Answered before memory is read; then a rest in which checkpoints and garbage collection go on. */
const requestsBefore = 500
const restMs = 3_000
const firstAnswerMsMax = 60_000

/** MiB of the two processes of an agent, and ms from its start to its first answer. */
export async function footprint(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-footprint-'))
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  try {
    const hub = await startHub(crew, join(folder, 'hub'), signal)
    const detector = trainDetectors().v2
    const modelPath = join(folder, 'model.onnx')
    await writeFile(modelPath, detector.onnx)
    const golden = detector.goldenInputs[0] ?? {}
    const body = JSON.stringify({ inputs: Object.entries(golden).map(([name, value]) => ({ name, ...value })) })
    const place = await enrolledAgent(hub, join(folder, 'agent'), (token, to) => enrolAgent(crew, to, token))
    const admin = createClient(hub.url, hub.adminToken)
    await registerVersion(admin, 'v2', detector)
    await admin.send('PUT', `/v1/devices/${place.name}/desired/${model}`, { model, version: 1 }, z.unknown())
    // The first start downloads and installs the version; those that are measured find it on disk.
    await measureAgent(place, body)
    const mqttMiB = await measureBareMqtt(hub)
    const agents: Measured[] = []
    const bares: Measured[] = []
    for (let start = 0; start < starts; start++) {
      bares.push(await measureBare(modelPath, body))
      agents.push(await measureAgent(place, body))
    }
    return results(agents, bares, mqttMiB)
  } finally {
    await crew.dismiss()
    await rm(folder, { recursive: true })
  }
}

type Measured = { firstAnswerMs: number; controlMiB: number; runtimeMiB: number }

function results(agents: readonly Measured[], bares: readonly Measured[], mqttMiB: number): BenchResult[] {
  const bench = 'footprint'
  const of = (measured: readonly Measured[], figure: keyof Measured) => median(measured.map((one) => one[figure]))
  const runtime = { value: of(agents, 'runtimeMiB'), unit: 'MiB', limit: of(bares, 'runtimeMiB') }
  const control = { value: of(agents, 'controlMiB'), unit: 'MiB', limit: mqttMiB }
  const first = { value: of(agents, 'firstAnswerMs'), unit: 'ms', limit: of(bares, 'firstAnswerMs') }
  return [
    benchResult({ bench, metric: 'runtime process', ...runtime }, { of: 'ratio', bound: '<=', number: 1.3 }),
    benchResult({ bench, metric: 'control process', ...control }, { of: 'ratio', bound: '<=', number: 1.3 }),
    benchResult({ bench, metric: 'start to first answer', ...first }, { of: 'ratio', bound: '<=', number: 1.5 }),
  ]
}

async function enrolledAgent(
  hub: HubProcess,
  folder: string,
  enrol: (token: string, place: AgentPlace) => Promise<void>,
): Promise<AgentPlace> {
  const admin = createClient(hub.url, hub.adminToken)
  const { token } = await admin.send('POST', '/v1/claims', { uses: 1 }, z.object({ token: z.string() }))
  const place = { name: 'gateway', folder, hubUrl: hub.url, mqttUrl: `mqtt://127.0.0.1:${hub.mqttPort}` }
  await enrol(token, place)
  return place
}

const agentScript = fileURLToPath(new URL('../../agent/main.ts', import.meta.url))
const bareServerScript = fileURLToPath(new URL('./bare-server.ts', import.meta.url))
const bareMqttScript = fileURLToPath(new URL('./bare-mqtt.ts', import.meta.url))

async function measureAgent({ folder, hubUrl, mqttUrl }: AgentPlace, body: string): Promise<Measured> {
  const port = await freePort()
  const where = ['--dir', folder, '--serve-port', String(port), '--hub', hubUrl, '--mqtt-url', mqttUrl]
  return measure([agentScript, 'run', ...where], { port, path: `/v2/models/${model}/infer`, body })
}

async function measureBare(modelPath: string, body: string): Promise<Measured> {
  const port = await freePort()
  return measure([bareServerScript, modelPath, String(port)], { port, path: '/', body })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

type Question = { port: number; path: string; body: string }

/** `runtimeMiB`: of the process that has the model, which is the process itself where it has no child. */
async function measure(command: string[], question: Question): Promise<Measured> {
  const started = performance.now()
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(child, 'exit')
  try {
    while ((await ask(question)) !== 200) {
      if (performance.now() - started > firstAnswerMsMax || child.exitCode !== null) throw new Error('no answer came')
      await delay(2)
    }
    const firstAnswerMs = performance.now() - started
    for (let i = 0; i < requestsBefore; i++) await ask(question)
    await delay(restMs)
    const pid = child.pid ?? 0
    const [runtime = pid] = await childrenOf(pid)
    return { firstAnswerMs, controlMiB: await residentMiB(pid), runtimeMiB: await residentMiB(runtime) }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

/** The status of the answer; undefined while nobody listens. */
function ask({ port, path, body }: Question): Promise<number | undefined> {
  return new Promise((resolve) => {
    const asking: ClientRequest = request({ host: '127.0.0.1', port, path, method: 'POST', agent: false }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode))
    })
    asking.on('error', () => resolve(undefined))
    asking.end(body)
  })
}

async function measureBareMqtt(hub: HubProcess): Promise<number> {
  const [device] = await enrolDevices(hub, ['bare'])
  if (device === undefined) throw new Error('no device')
  const child: ChildProcess = fork(bareMqttScript, [`mqtt://127.0.0.1:${hub.mqttPort}`, device.device, device.secret])
  try {
    await once(child, 'message')
    await delay(restMs)
    return await residentMiB(child.pid ?? 0)
  } finally {
    child.kill('SIGKILL')
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(status) ?? []
  if (kibibytes === undefined) throw new Error(`process ${pid} has no resident memory`)
  return Number(kibibytes) / 1024
}
