// P10 over a link that cuts connections, holds data back, loses it and falls silent, while a version is downloaded and reports
// are sent: in the end the version runs, and everything that was answered is counted once.

import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { TcpProxy } from '../../scripts/demo/tcp-proxy.ts'
import { aFleet, countsOf, okByVersion, ready, register, untilRuns, untilShipped, wish } from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { seededChance, until } from './waiting.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20261125)
const troubles = 40
const calmMsMax = 600
const troubleMsMax = 300
const ways = ['mqtt', 'http', 'auto'] as const

const kinds: Record<string, { begin: (link: TcpProxy) => void; end: (link: TcpProxy) => void }> = {
  cut: { begin: (link) => link.cut(), end: (link) => link.restore() },
  break: { begin: (link) => link.breakAll(), end: () => undefined },
  delay: { begin: (link) => link.setDelay(200), end: (link) => link.setDelay(0) },
  // what is said meanwhile never arrives, and the connections live on as if it had
  lose: { begin: (link) => link.setSilent(true), end: (link) => link.setSilent(false) },
  stall: {
    begin: (link) => link.setSilent(true),
    end: (link) => {
      link.breakAll()
      link.setSilent(false)
    },
  },
}

test(`over a link that breaks in every way all arrives once (seed ${seed})`, async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  const chance = seededChance(seed)
  const gateways = await Promise.all(ways.map((way) => fleet.enrol(way)))
  const agents = await Promise.all(
    gateways.map((gateway) => ready(gateway.start({ environment: { ROOST_AGENT_DOWNLOAD: gateway.name } }))),
  )
  const metadata = { window: { seconds: 3600, rows: 20 } }
  const first = await register(operator, aVersion(1), { metadata })
  const second = await register(operator, aVersion(2, 32 * chunkBytes), { metadata })
  await Promise.all(gateways.map(({ name }) => wish(operator, name, first.version)))
  await Promise.all(gateways.map(({ name }) => untilRuns(operator, name, first.version)))
  const applications = gateways.map(({ servingUrl }) =>
    startApplication({ url: servingUrl, connections: 1, pauseMs: 10 }),
  )
  try {
    const connections = fleet.link.mqtt.connections()
    const links = [fleet.link.mqtt, fleet.link.http]
    for (let trouble = 0; trouble < troubles; trouble++) {
      if (trouble === 5) await Promise.all(gateways.map(({ name }) => wish(operator, name, second.version)))
      await delay(chance() * calmMsMax)
      const drawn = Object.values(kinds)[Math.floor(chance() * Object.keys(kinds).length)]
      for (const link of links) drawn?.begin(link)
      await delay(chance() * troubleMsMax)
      for (const link of links) drawn?.end(link)
    }
    // whoever still waits for what was lost finds out now
    for (const link of links) link.breakAll()
    await Promise.all(gateways.map(({ name }) => untilRuns(operator, name, second.version)))
    expect(fleet.link.mqtt.connections()).toBeGreaterThan(connections + gateways.length)
    await until('v2 answers', () => applications.every(({ byVersion }) => (byVersion()[second.version] ?? 0) > 20))
  } finally {
    await Promise.all(applications.map(({ stop }) => stop()))
  }
  expect(applications.flatMap(({ failures }) => failures)).toEqual([])
  expect(await Promise.all(agents.map((agent) => agent.stop()))).toEqual(agents.map(() => 0))
  for (const [i, gateway] of gateways.entries()) {
    await ready(gateway.start())
    await untilShipped(gateway, Date.now())
    expect(await okByVersion(operator, gateway.name), gateway.name).toEqual(applications[i]?.byVersion())
    expect((await countsOf(operator, gateway.name)).totals).toMatchObject({ error: 0, refused: 0, interrupted: 0 })
  }
}, 300_000)
