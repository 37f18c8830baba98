// The six gateways as they run: enrolled with a claim token of their site, each an agent with its own folder, replaying
// its mote; one of them behind a link that can be cut.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type AgentPlace, type AgentProcess, enrolAgent, startAgent } from './agent-process.ts'
import type { Asking } from './asking.ts'
import { cutOff, type Gateway, gateways, replayCsv } from './gateways.ts'
import { count, listed } from './narration.ts'
import type { Scene } from './story.ts'
import { startTcpProxy } from './tcp-proxy.ts'
import { DemoError, until } from './waiting.ts'
import { isConnected } from './watching.ts'

/** The motes said something every five seconds; here the same readings come so often. */
export const replayEveryMs = 8
const recordedEveryMs = 5_000
const connectMsMax = 60_000

export type Fleet = {
  /** Between `cutOff` and the hub. */
  link: Link
  places: ReadonlyMap<string, AgentPlace>
  /** By gateway; whatever runs now. */
  agents: Map<string, AgentProcess>
  /** Applications by the gateway they ask. */
  asking: Map<string, Asking>
}

export type Link = { cut: () => void; restore: () => void }

/** @throws DemoError */
export async function startFleet(scene: Scene): Promise<Fleet> {
  const { narration, hub, crew, folder, operator } = scene
  const tokens = await claimTokens(scene)
  const { link, hubUrl, mqttUrl } = await startLink(scene)
  const direct = { hubUrl: hub.url, mqttUrl: `mqtt://127.0.0.1:${hub.mqttPort}` }
  const root = join(folder, 'gateways')
  await mkdir(root)
  const places = new Map<string, AgentPlace>()
  for (const { name } of gateways) {
    const way = name === cutOff ? { hubUrl, mqttUrl } : direct
    places.set(name, { name, folder: join(root, name), ...way })
  }
  const fleet: Fleet = { link, places, agents: new Map(), asking: new Map() }

  await Promise.all(
    gateways.map(async (gateway) => {
      await enrolAgent(crew, placeOf(fleet, gateway.name), tokens[gateway.site])
      await writeReplay(scene, gateway)
      await startGateway(scene, fleet, gateway)
    }),
  )
  await untilConnected(scene)

  const { devices } = await operator.get('/v1/devices', z.object({ devices: z.array(z.object({ id: z.string() })) }))
  narration.say(
    `${listed(gateways.map(({ name }) => name))}: a claim token for each site let three in and carries its label; ${devices.length} devices are known and connected, each with keys of its own.`,
  )
  narration.say(
    `Each agent is a process with a folder, and replays the day of a mote, ${count(Math.round(recordedEveryMs / replayEveryMs))} times as fast as it was, without the day's first hours. indoor-3 is silent until an application asks it.`,
  )
  return fleet
}

/** Starts all six agents, with the readings of their motes, and waits until they serve.
 *  @throws DemoError */
export async function startAgents(scene: Scene, fleet: Fleet): Promise<void> {
  await Promise.all(gateways.map((gateway) => startGateway(scene, fleet, gateway)))
}

async function startGateway(scene: Scene, fleet: Fleet, { name, source }: Gateway): Promise<void> {
  const replay = source === 'replay' ? { file: replayFile(scene, name), everyMs: replayEveryMs } : undefined
  fleet.agents.set(name, await startAgent(scene.crew, placeOf(fleet, name), replay, scene.signal))
}

/** Asks all to stop and waits until they have.
 *  @throws DemoError where one does not stop well */
export async function stopAgents(fleet: Fleet): Promise<void> {
  const stopped = [...fleet.agents.values()].map(({ member }) => member.stop())
  fleet.agents.clear()
  await Promise.all(stopped)
}

export async function untilConnected({ operator, signal }: Scene): Promise<void> {
  const waiting = new Set(gateways.map(({ name }) => name))
  const wait = {
    what: 'all six gateways are connected',
    timeoutMs: connectMsMax,
    signal,
    instead: () => `${listed([...waiting])} missing`,
    logOf: 'hub',
  }
  await until(wait, async () => {
    for (const name of waiting) if (await isConnected(operator, name)) waiting.delete(name)
    return waiting.size === 0 ? true : undefined
  })
}

export function placeOf({ places }: Pick<Fleet, 'places'>, name: string): AgentPlace {
  const place = places.get(name)
  if (place === undefined) throw new DemoError(`there is no gateway ${name}`)
  return place
}

/** A token for each site, good for its three gateways. */
async function claimTokens({ operator }: Scene): Promise<Record<Gateway['site'], string>> {
  const claim = async (site: Gateway['site']) => {
    const uses = gateways.filter((gateway) => gateway.site === site).length
    const body = { uses, expiresInHours: 1, labels: { site } }
    return (await operator.send('POST', '/v1/claims', body, z.object({ token: z.string() }))).token
  }
  const [indoor, outdoor] = await Promise.all([claim('indoor'), claim('outdoor')])
  return { indoor, outdoor }
}

/** HTTP and MQTT go over it: a gateway that is cut off reaches nothing. */
async function startLink({ hub, opened }: Scene): Promise<{ link: Link; hubUrl: string; mqttUrl: string }> {
  const http = opened.use(await startTcpProxy({ port: Number(new URL(hub.url).port) }))
  const mqtt = opened.use(await startTcpProxy({ port: hub.mqttPort }))
  const both = [http, mqtt]
  return {
    hubUrl: `http://127.0.0.1:${http.port}`,
    mqttUrl: `mqtt://127.0.0.1:${mqtt.port}`,
    link: {
      cut: () => {
        for (const proxy of both) proxy.cut()
      },
      restore: () => {
        for (const proxy of both) proxy.restore()
      },
    },
  }
}

const replayFile = ({ folder }: Scene, name: string): string => join(folder, 'gateways', `${name}.csv`)

async function writeReplay(scene: Scene, { name, mote: id, source, firstReading }: Gateway): Promise<void> {
  const mote = scene.motes.find((mote) => mote.id === id)
  if (mote === undefined) throw new DemoError(`there are no readings of mote ${id}`)
  if (source === 'replay') await writeFile(replayFile(scene, name), replayCsv(mote, firstReading))
}
