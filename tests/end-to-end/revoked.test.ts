// P4 and P9: a revoked device is cut off and cannot come back, by any door and under its own name; and it goes on serving its
// last good version.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Identity } from '@roost/agent/identity/device.ts'
import mqtt from 'mqtt'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { runAgentCommand } from '../builders/agent-process.ts'
import { aFleet, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { aVersion } from './versions.ts'
import { until } from './waiting.ts'

/** How the broker answers somebody with the device's name and secret. */
function knock(url: string, { device, secret }: Identity): Promise<string> {
  const client = mqtt.connect(url, { clientId: device, username: device, password: secret, reconnectPeriod: 0 })
  return new Promise<string>((resolve) => {
    client.on('connect', () => resolve('let in'))
    client.on('error', (error) => resolve(error.message))
    client.on('close', () => resolve('hung up'))
  }).finally(() => client.end(true))
}

test('a revoked device is disconnected, comes back by no door, and serves on, also after its own restart', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const gateway = await fleet.enrol('gateway')
  const agent = await ready(gateway.start())
  const { version, files } = await register(operator, aVersion(1))
  await wish(operator, gateway.name, version)
  await untilRuns(operator, gateway.name, version)
  await using application = startApplication({ url: gateway.servingUrl })
  await until('it answers', () => application.answers.length > 20)

  const identity = Identity.parse(JSON.parse(await readFile(join(gateway.folder, 'identity', 'device.json'), 'utf8')))
  const { mqtt: tcpPort, mqttWebSocket: wsPort } = z
    .object({ mqtt: z.number(), mqttWebSocket: z.number() })
    .parse(fleet.hub().ports)
  const doors = [`mqtt://127.0.0.1:${tcpPort}`, `ws://127.0.0.1:${wsPort}`]
  const authorization = `Basic ${Buffer.from(`${identity.device}:${identity.secret}`).toString('base64')}`
  const byHttp = async (path: string, method: string) =>
    (await fetch(new URL(path, fleet.hub().url), { method, headers: { authorization } })).status
  const blob = `/v1/blobs/${files[0]?.sha256}`
  expect(await byHttp(blob, 'GET'), 'before that the secret opens').toBe(200)

  await operator.send('DELETE', `/v1/devices/${gateway.name}`, undefined, z.unknown())
  await until('it is disconnected', () => agent.logged('disconnected').length > 0, agent.output)
  await until('the hub says so', async () => !(await shown(operator, gateway.name)).connected)
  for (const door of doors) expect(await knock(door, identity), door).not.toBe('let in')
  expect(await byHttp(blob, 'GET')).toBe(401)
  expect(await byHttp(`/v1/devices/${gateway.name}/secret`, 'POST')).toBe(401)
  const { token } = await operator.send('POST', '/v1/claims', { uses: 1 }, z.object({ token: z.string() }))
  const again = ['--token', token, '--dir', join(fleet.folder, 'again'), '--device', gateway.name]
  const enrolled = await runAgentCommand({ args: ['enrol', '--hub', fleet.hub().url, ...again] })
  expect(enrolled.code).toBe(1)
  expect(enrolled.output).toMatch(/^roost-agent: the hub refuses: .+\n$/)

  // it knocks a few more times, and all the while it serves
  const knocks = fleet.link.mqtt.connections()
  await until('it has tried again', () => fleet.link.mqtt.connections() > knocks + 2)
  expect(agent.logged('connected')).toHaveLength(1)
  await application.stop()
  expect(application.failures).toEqual([])
  expect(await agent.stop()).toBe(0)

  const restarted = await ready(gateway.start())
  await using later = startApplication({ url: gateway.servingUrl })
  await until('it answers after a restart', () => (later.byVersion()[version] ?? 0) > 20)
  expect(restarted.logged('connected')).toHaveLength(0)
  expect((await shown(operator, gateway.name)).connected).toBe(false)
}, 240_000)
