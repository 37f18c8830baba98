// P3: somebody between hub and device lets everything through but the assignments. The device notices, says so to whoever
// stands beside it and to the hub, serves on, and installs nothing; once it is answered again, all is well.

import { expect, test } from 'vitest'
import { aFleet, eventsOf, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { startAssignFilter } from './assign-filter.ts'
import { aVersion } from './versions.ts'
import { until } from './waiting.ts'

test('a device whose assignments are withheld calls itself stale, here and at the hub, and serves on', async () => {
  await using fleet = await aFleet()
  const operator = fleet.operator()
  await using filter = await startAssignFilter({ port: fleet.link.mqtt.port })
  const gateway = await fleet.enrol('gateway')
  const start = () =>
    gateway.start({
      environment: {
        ROOST_AGENT_MQTT_URL: `mqtt://127.0.0.1:${filter.port}`,
        ROOST_AGENT_HELLO_SECONDS: '1',
        ROOST_AGENT_STALE_SECONDS: '5',
      },
    })
  const agent = await ready(start())
  const first = await register(operator, aVersion(1))
  const second = await register(operator, aVersion(2))
  await wish(operator, gateway.name, first.version)
  await untilRuns(operator, gateway.name, first.version)
  await using application = startApplication({ url: gateway.servingUrl })
  const stale = async () => (await shown(operator, gateway.name)).stale
  await until('it is fresh', async () => (await stale()) === false && (await gateway.status())?.stale === false)

  filter.setWithholding(true)
  await wish(operator, gateway.name, second.version)
  await until('it calls itself stale', async () => (await gateway.status())?.stale, gateway.status)
  await until('the hub has heard so', async () => (await stale()) === true)
  expect(filter.withheld()).toBeGreaterThan(0)
  expect((await shown(operator, gateway.name)).connected).toBe(true)
  const told = async (event: string) => (await eventsOf(operator, gateway.name)).some((one) => one.event === event)
  await until('the hub has its event', () => told('stale'))
  const answers = application.answers.length
  await until('it serves on', () => application.answers.length > answers + 20)
  expect(application.byVersion()[second.version]).toBeUndefined()

  filter.setWithholding(false)
  await untilRuns(operator, gateway.name, second.version)
  await until('it is fresh again', async () => (await stale()) === false && (await gateway.status())?.stale === false)
  await until('the hub has that event too', () => told('fresh'))
  await application.stop()
  expect(application.failures).toEqual([])
  expect(agent.logged('disconnected')).toEqual([])

  // a restart does not make it forget
  filter.setWithholding(true)
  await until('it is stale again', async () => (await gateway.status())?.stale, gateway.status)
  await agent.stop()
  const next = await ready(start())
  const running = async () => (await gateway.status())?.running === true
  await until('it calls itself stale', async () => (await running()) && (await gateway.status())?.stale, gateway.status)
  expect(next.logged('stale'), 'it knows so from the start').toEqual([])
}, 240_000)
