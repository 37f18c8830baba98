// The main job over a Mosquitto of one's own: versions reach devices by its chunks, what they see reaches the hub once,
// through kills of broker and hub; and who is revoked is out. Where no Mosquitto is installed nothing is run, which is said.

import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aMosquitto, mosquittoVersion } from '../builders/mosquitto.ts'
import { aFleet, okByVersion, ready, register, shown, untilRuns, untilShipped, wish } from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { until } from './waiting.ts'

console.info(mosquittoVersion ?? 'no mosquitto is installed: nothing of end-to-end/mosquitto.test.ts runs')

const byMqtt = { args: ['--download', 'mqtt'] }
/** So that the first version is too large for one chunk. */
const paddingBytes = 5 * chunkBytes

describe.runIf(mosquittoVersion !== undefined)('over a real Mosquitto', () => {
  test('versions come, everything is counted once through kills of broker and hub, a revoked device is out', async () => {
    await using broker = await aMosquitto()
    await using fleet = await aFleet(broker)
    await broker.start()
    const operator = fleet.operator()
    const gateway = await fleet.enrol('gateway')
    const other = await fleet.enrol('other')
    const agent = await ready(gateway.start(byMqtt))
    const otherAgent = await ready(other.start(byMqtt))
    const isThere = async (name: string) => (await shown(fleet.operator(), name)).connected

    const first = await register(operator, aVersion(1, paddingBytes), {
      metadata: { window: { seconds: 3600, rows: 25 } },
    })
    for (const { name } of [gateway, other]) await wish(operator, name, first.version)
    for (const { name } of [gateway, other]) await untilRuns(operator, name, first.version)

    await using application = startApplication({ url: gateway.servingUrl, pauseMs: 20 })
    const answersMore = (count: number) => {
      const before = application.answers.length
      return until('it answers', () => application.answers.length >= before + count, agent.output)
    }
    await answersMore(60)

    // the broker dies, and forgets everything
    await broker.kill()
    await until('the hub sees nobody', async () => !(await isThere('gateway')))
    await answersMore(60)
    await broker.start()
    await until('it is back', () => isThere('gateway'), agent.output)
    const second = await register(operator, aVersion(2, paddingBytes), {
      metadata: { window: { seconds: 3600, rows: 25 } },
    })
    await wish(operator, gateway.name, second.version)
    await untilRuns(operator, gateway.name, second.version)

    // the hub dies, and with it what the broker had for it
    await answersMore(60)
    await fleet.hub().kill()
    await answersMore(120)
    await fleet.startHub()
    await until('it is asked, and there', () => isThere('gateway'), agent.output)
    await answersMore(30)
    await application.stop()
    expect(application.failures).toEqual([])
    // closes the last window
    expect(await agent.stop()).toBe(0)
    await until('it has said that it goes', async () => !(await isThere('gateway')))
    const again = await ready(gateway.start(byMqtt))
    await until('it is back after its restart', () => isThere('gateway'), again.output)
    await untilShipped(gateway, Date.now())
    expect(await okByVersion(fleet.operator(), gateway.name)).toEqual(application.byVersion())

    await fleet.operator().send('DELETE', '/v1/devices/gateway', undefined, z.unknown())
    await until('it is disconnected', () => again.logged('disconnected').length > 0, again.output)
    const knocks = fleet.link.mqtt.connections()
    await until('it has tried again', () => fleet.link.mqtt.connections() > knocks + 1)
    expect([again.logged('connected').length, await isThere('gateway')]).toEqual([1, false])
    await until('the other one is there', () => isThere('other'), otherAgent.output)
    expect(otherAgent.logged('connected')).toHaveLength(2)
  }, 240_000)
})
