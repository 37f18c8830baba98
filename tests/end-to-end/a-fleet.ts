// A hub and its agents as processes, in temporary folders on free ports, with a link in between that can be cut.
// Everything is killed and removed at the end, whatever happens.

import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readStatus, type Status } from '@roost/agent/control/status.ts'
import { loadSlots } from '@roost/agent/reconcile/slot-storage.ts'
import type { Slots } from '@roost/agent/reconcile/slots.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import { pino } from 'pino'
import { z } from 'zod'
import { type Client, createClient } from '../../hub/cli/client.ts'
import { DeviceDetail } from '../../hub/fleet/documents.ts'
import { VersionDocument } from '../../hub/registry/documents.ts'
import { openStopped } from '../../hub/storage/database.ts'
import { StoredEvent } from '../../hub/telemetry/events.ts'
import { Totals, VersionTotals } from '../../hub/telemetry/windows.ts'
import { startTcpProxy, type TcpProxy } from '../../scripts/demo/tcp-proxy.ts'
import { type AgentProcess, runAgentCommand, startAgentProcess } from '../builders/agent-process.ts'
import { aHubProcess, type HubProcess } from '../builders/hub-process.ts'
import { replayAll } from '../hub/rollouts/replayed.ts'
import { until } from './waiting.ts'

export type Fleet = AsyncDisposable & {
  folder: string
  adminToken: string
  /** The hub that runs now, or ran last. */
  hub: () => HubProcess
  /** Asks that hub, not over the link. */
  operator: () => Client
  /** Between agents and hub: they know no other way. */
  link: { http: TcpProxy; mqtt: TcpProxy }
  /** Starts a hub on the same folder; the link leads to it from then on. */
  startHub: () => Promise<void>
  /** Enrols a device and says where it lives and serves; it does not run yet. */
  enrol: (name: string, options?: { folder?: string; profile?: string }) => Promise<Gateway>
}

/** A device that is enrolled. */
export type Gateway = {
  name: string
  folder: string
  servingUrl: string
  /** Starts an agent, which is killed with the fleet. Does not wait until it is ready. */
  start: (options?: StartOptions) => AgentProcess
  /** What its agent last wrote of itself; undefined before that. */
  status: () => Promise<Status | undefined>
  slots: () => Promise<Slots>
}

export type StartOptions = {
  args?: readonly string[]
  environment?: Readonly<Record<string, string>>
  nodeArgs?: readonly string[]
}

/** An impatient agent: short probation, quick to come back. Each may be given otherwise. */
const hurried = { ROOST_AGENT_PROBATION_MS: '1000', ROOST_AGENT_RECONNECT_SECONDS: '1' }

/** @param broker another than the hub's own: what the hub is told of it, and where it listens */
export async function aFleet(broker?: {
  environment: Record<string, string>
  port: number
  url: string
}): Promise<Fleet> {
  await using opened = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'roost-end-to-end-'))
  opened.defer(() => rmSync(folder, { recursive: true, force: true }))
  const hubFolder = join(folder, 'hub')
  // every verdict of its rollouts comes out the same from what is stored of it
  opened.defer(() => replayStopped(join(hubFolder, 'hub.db')))
  const start = () => aHubProcess({ folder: hubFolder, environment: broker?.environment ?? {} })
  let hub: HubProcess = await start()
  opened.defer(() => hub.kill())
  const adminToken = hub.adminToken
  if (adminToken === undefined) throw new Error('the hub told no admin token')
  const httpTarget = { port: hub.ports.http ?? 0 }
  const mqttTarget = { port: broker?.port ?? hub.ports.mqtt ?? 0 }
  const link = {
    http: opened.use(await startTcpProxy(httpTarget)),
    mqtt: opened.use(await startTcpProxy(mqttTarget)),
  }
  const operator = () => createClient(hub.url, adminToken)
  const agents = new Set<AgentProcess>()
  opened.defer(async () => {
    await Promise.all([...agents].map((agent) => agent.kill()))
  })
  const held = opened.move()

  return {
    folder,
    adminToken,
    hub: () => hub,
    operator,
    link,
    startHub: async () => {
      hub = await start()
      httpTarget.port = hub.ports.http ?? 0
      mqttTarget.port = broker?.port ?? hub.ports.mqtt ?? 0
    },
    enrol: async (name, { folder: given, profile = 'generic-x64' } = {}) => {
      const { token } = await operator().send('POST', '/v1/claims', { uses: 1 }, z.object({ token: z.string() }))
      const place = given ?? join(folder, name)
      const hubUrl = `http://127.0.0.1:${link.http.port}`
      const args = ['enrol', '--hub', hubUrl, '--token', token, '--dir', place, '--device', name, '--profile', profile]
      const { code, output } = await runAgentCommand({ args })
      if (code !== 0) throw new Error(`${name} could not enrol: ${output}`)
      const port = await freePort()
      const servingUrl = `http://127.0.0.1:${port}`
      return {
        name,
        folder: place,
        servingUrl,
        start: ({ args = [], environment = {}, nodeArgs = [] } = {}) => {
          const agent = startAgentProcess({
            args: ['run', '--dir', place, '--serve-port', String(port), ...args],
            environment: {
              ...hurried,
              ROOST_AGENT_MQTT_URL: `${new URL(broker?.url ?? 'mqtt://').protocol}//127.0.0.1:${link.mqtt.port}`,
              ...environment,
            },
            nodeArgs,
          })
          agents.add(agent)
          void agent.ended.then(() => agents.delete(agent))
          return agent
        },
        status: () => readStatus(place),
        slots: async () => (await loadSlots(place)).slots,
      }
    },
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  }
}

async function replayStopped(path: string): Promise<void> {
  const database = await openStopped(path, pino({ level: 'silent' }))
  try {
    await replayAll(database)
  } finally {
    await database.close()
  }
}

/** Below the ports that the kernel gives to whoever asks for any: nobody else takes it between two starts of an agent. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}

/** Waits until the agent says that it serves; fails as soon as it has ended. */
export async function ready(agent: AgentProcess): Promise<AgentProcess> {
  await untilAgent('the agent is ready', agent, () => agent.lines().some(({ msg }) => msg === 'agent ready'))
  return agent
}

/** Waits for what only a running agent brings about; fails as soon as it has ended. */
export function untilAgent(what: string, agent: AgentProcess, look: () => boolean): Promise<unknown> {
  const lookAtLiving = () => {
    if (!agent.isRunning()) throw new Error(`the agent ended before this: ${what}\n${agent.output()}`)
    return look()
  }
  return until(what, lookAtLiving, agent.output)
}

export type Registration = {
  model?: string
  metadata?: Record<string, unknown>
  golden?: unknown
  sample?: string
}

/** Registers a version over HTTP, signed by the hub's own release key unless the metadata says otherwise. */
export function register(
  operator: Client,
  onnx: Uint8Array,
  { model = 'scale', metadata = {}, golden, sample }: Registration = {},
): Promise<z.infer<typeof VersionDocument>> {
  const form = new FormData()
  form.set('metadata', new Blob([JSON.stringify(metadata)]), 'metadata.json')
  if (golden !== undefined) form.set('golden', new Blob([JSON.stringify(golden)]), 'golden.json')
  if (sample !== undefined) form.set('sample', new Blob([sample]), 'sample.csv')
  form.set('model', new Blob([Uint8Array.from(onnx)]), 'model.onnx')
  return operator.send('POST', `/v1/models/${model}/versions`, form, VersionDocument)
}

/** Says by hand what a device shall run. */
export function wish(operator: Client, device: string, version: number, model = 'scale'): Promise<DeviceDetail> {
  return operator.send('PUT', `/v1/devices/${device}/desired/${model}`, { model, version }, DeviceDetail)
}

export const shown = (operator: Client, device: string): Promise<DeviceDetail> =>
  operator.get(`/v1/devices/${device}`, DeviceDetail)

/** Waits until the hub has heard from the device itself that the version passed its probation and runs. */
export function untilRuns(operator: Client, device: string, version: number, model = 'scale'): Promise<unknown> {
  return until(
    `${device} runs ${model} ${version}`,
    async () => {
      const { reported } = await shown(operator, device)
      return reported.some(
        (row) =>
          row.model === model &&
          row.version === version &&
          row.running &&
          (row.state === 'succeeded' || row.state === 'already_current'),
      )
    },
    async () => (await shown(operator, device)).reported,
  )
}

/** Waits until the hub has confirmed everything the device had to say; its agent must be running.
 *  @param sinceMs the page of the agent must be newer: what was written before the last answer says nothing */
export function untilShipped({ name, status }: Gateway, sinceMs = 0): Promise<unknown> {
  return until(
    `${name} has sent all it had`,
    async () => {
      const now = await status()
      return now !== undefined && Date.parse(now.at) >= sinceMs && now.outbox.head === now.outbox.tail
    },
    status,
  )
}

/** Waits for the same of a device whose agent was stopped: what the hub could not confirm in the moment that a stop gives it
 *  goes with the next start. */
export async function untilShippedAfterStop(gateway: Gateway): Promise<void> {
  const left = await gateway.status()
  if (left !== undefined && left.outbox.head === left.outbox.tail) return
  await ready(gateway.start())
  await untilShipped(gateway, Date.now())
}

const Telemetry = z.object({ totals: Totals, versions: z.array(VersionTotals) })

/** What the hub has counted of a device since ever. */
export const countsOf = (operator: Client, device: string): Promise<z.infer<typeof Telemetry>> =>
  operator.get(`/v1/devices/${device}/telemetry?limit=1`, Telemetry)

/** Inferences that went well, by version. */
export async function okByVersion(operator: Client, device: string): Promise<Record<number, number>> {
  const { versions } = await countsOf(operator, device)
  return Object.fromEntries(versions.filter(({ ok }) => ok > 0).map(({ version, ok }) => [version, ok]))
}

const WindowPage = z.object({ windows: z.array(z.object({ report: WindowReport })), next: z.string().nullable() })

/** Every window report of a device that the hub keeps. */
export async function windowsOf(operator: Client, device: string): Promise<WindowReport[]> {
  return pages(async (query) => {
    const { windows, next } = await operator.get(`/v1/devices/${device}/telemetry?${query}`, WindowPage)
    return { items: windows.map(({ report }) => report), next }
  })
}

const EventPage = z.object({ events: z.array(StoredEvent), next: z.string().nullable() })

/** Everything a device told of itself beside its windows, newest first. */
export async function eventsOf(operator: Client, device: string): Promise<StoredEvent[]> {
  const pageOf = ({ events, next }: z.infer<typeof EventPage>) => ({ items: events, next })
  return pages(async (query) => pageOf(await operator.get(`/v1/devices/${device}/events?${query}`, EventPage)))
}

/** All items of a list that comes in pages. */
async function pages<T>(read: (query: string) => Promise<{ items: T[]; next: string | null }>): Promise<T[]> {
  const found: T[] = []
  let page = await read('limit=200')
  found.push(...page.items)
  while (page.next !== null) {
    page = await read(`limit=200&cursor=${encodeURIComponent(page.next)}`)
    found.push(...page.items)
  }
  return found
}
