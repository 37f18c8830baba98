// Hello, assignment, acknowledgement, through a real broker: what a device is told, when, and what it is not.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { downTopic, upKinds, upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { contentDigest, verifyAssignment } from '@roost/shared/trust/assignment.ts'
import { describe, expect, test } from 'vitest'
import { fitting } from '../../../hub/fleet/assign.ts'
import { floorStatements } from '../../../hub/fleet/desired.ts'
import { findDevice, revokeDevice } from '../../../hub/fleet/devices.ts'
import { reportedOf } from '../../../hub/fleet/progress.ts'
import { createSession, helloEveryMs, hellosAtOnceMax } from '../../../hub/fleet/session.ts'
import type { Hub } from '../../../hub/hub.ts'
import { aClient, closed, outcomeOf, silent, until } from './a-broker.ts'
import { aFleet, aFleetHub, aHello, anEnrolledDevice, aRelease, aSpeakingDevice, noReports } from './a-fleet.ts'

/** The assignment in a message, as the device would take it. */
const believe = (hub: Hub, bytes: Uint8Array, device: string, nonce: Uint8Array) =>
  verifyAssignment(bytes, hub.keys.root, { device, nonce, generation: 0, contentDigest: undefined })

describe('a hello', () => {
  test('is answered with what is wanted, signed for this device and this nonce, and with what is acknowledged', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const enrolled = await anEnrolledDevice(hub, 'd-1')
    const fleet = await aFleet(hub, {
      ...noReports,
      highWaterMark: async (device, epoch) => (device === 'd-1' && epoch === 'feedfeedfeedfeed' ? 77 : 0),
    })
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest, by: 'test' }])
    await hub.database.write(floorStatements('vibration', 1, 'test', 1))
    const device = await aSpeakingDevice(fleet, enrolled)
    const { nonce } = await device.hello({ outbox: { epoch: 'feedfeedfeedfeed', head: 90, tail: 1 } })
    await until(() => device.assigns.length === 1 && device.acks.length === 1)
    const message = device.assigns[0]
    if (message === undefined) throw new Error('no assignment')
    const assignment = believe(hub, message.assignment, 'd-1', nonce)
    expect(assignment).toMatchObject({
      generation: 3,
      deployments: [{ deployment: 'main', manifest, attempt: 1 }],
      floors: { vibration: 1 },
    })
    expect(Date.parse(assignment.expires)).toBeGreaterThan(Date.parse(assignment.issued))
    expect(message.manifests.map((bytes) => verifyManifest(bytes, hub.keys.root).digest)).toEqual([manifest])
    expect(message.roots).toEqual([])
    expect(device.acks[0]).toEqual({ epoch: 'feedfeedfeedfeed', seq: 77 })
    expect(() => believe(hub, message.assignment, 'd-2', nonce)).toThrow()
    expect(() => believe(hub, message.assignment, 'd-1', randomBytes(16))).toThrow()
  })

  test('of a device with nothing to run is answered too: it knows that it knows', async () => {
    const hub = await aFleetHub()
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    const { nonce } = await device.hello()
    await until(() => device.assigns.length === 1)
    const assignment = believe(hub, device.assigns[0]?.assignment ?? new Uint8Array(), 'd-1', nonce)
    expect(assignment).toMatchObject({ generation: 1, deployments: [], floors: {} })
  })

  test('with a new nonce gets the same wish under the same generation', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest, by: 'test' }])
    const first = await device.hello()
    await until(() => device.assigns.length === 1)
    const second = await device.hello()
    await until(() => device.assigns.length === 2)
    const [a, b] = device.assigns
    const one = believe(hub, a?.assignment ?? new Uint8Array(), 'd-1', first.nonce)
    const other = believe(hub, b?.assignment ?? new Uint8Array(), 'd-1', second.nonce)
    expect([one.generation, contentDigest(one)]).toEqual([other.generation, contentDigest(other)])
  })

  test('tells the hub what the device is and what runs there', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    const slot = {
      deployment: 'main',
      manifest,
      model: 'vibration',
      version: 1,
      attempt: 1,
      state: 'succeeded' as const,
    }
    await device.hello({ agent: '9.9.9', profile: 'raspberry-pi-5', generation: 4, stale: true, slots: [slot] })
    await until(() => device.assigns.length === 1)
    expect(await findDevice(hub.database, 'd-1')).toMatchObject({
      agent: '9.9.9',
      profile: 'raspberry-pi-5',
      reported_generation: 4,
      root_version: 1,
      stale: true,
    })
    expect(await reportedOf(hub.database, ['d-1'])).toMatchObject([
      { deployment: 'main', manifest, model: 'vibration', version: 1, state: 'succeeded', running: true },
    ])
  })

  test('of a device behind brings the roots it has not seen', async () => {
    const hub = await aFleetHub()
    const roots = [1, 2, 3, 4].map((version) => Buffer.from(`root ${version}`))
    const fleet = await aFleet({ ...hub, keys: { ...hub.keys, roots } })
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    await device.hello({ rootVersion: 2 })
    await until(() => device.assigns.length === 1)
    expect(device.assigns[0]?.roots.map((bytes) => Buffer.from(bytes).toString())).toEqual(['root 3', 'root 4'])
  })

  test('sent again and again costs no more signatures than allowed', async () => {
    let now = 1_800_000_000_000
    const hub = await aFleetHub({ clock: () => now })
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    for (let i = 0; i < 50; i += 1) await device.hello()
    expect(device.assigns.length).toBeLessThanOrEqual(hellosAtOnceMax)
    now += 3_000
    for (let i = 0; i < 50; i += 1) await device.hello()
    await until(() => device.acks.length === hellosAtOnceMax + 3)
    expect(device.assigns.length).toBe(hellosAtOnceMax + 3)
    const dropped = await hub.metrics.getSingleMetric('roost_messages_dropped_total')?.get()
    expect(dropped?.values).toEqual([{ labels: { reason: 'hello-too-often' }, value: 100 - hellosAtOnceMax - 3 }])
  })

  test('is answered also after the clock of the hub was set back', async () => {
    let now = 1_800_000_000_000
    const hub = await aFleetHub({ clock: () => now })
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    for (let i = 0; i < hellosAtOnceMax; i += 1) await device.hello()
    await until(() => device.acks.length === hellosAtOnceMax)
    now -= 3_600_000
    // one too many; from here on the hellos it may send fill up again
    await device.hello()
    now += helloEveryMs
    await device.hello()
    await until(() => device.acks.length === hellosAtOnceMax + 1)
  })
})

describe('a change', () => {
  test('is pushed with the latest nonce to the devices concerned, and to no other', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const [one, other, mute] = [
      await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1')),
      await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-2')),
      await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-3')),
    ]
    await one.hello()
    const { nonce } = await one.hello()
    await other.hello()
    await until(() => one.assigns.length === 2 && other.assigns.length === 1)
    await fleet.desire(
      ['d-1', 'd-3', 'd-unknown'].map((device) => ({ device, deployment: 'main', manifest, by: 'test' })),
    )
    await until(() => one.assigns.length === 3)
    const assignment = believe(hub, one.assigns[2]?.assignment ?? new Uint8Array(), 'd-1', nonce)
    expect(assignment).toMatchObject({ generation: 2, deployments: [{ manifest }] })
    // without a hello there is no nonce to answer
    expect([other.assigns.length, mute.assigns.length]).toEqual([1, 0])
  })

  test('after another never arrives before it: generations rise, however fast they come', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    const { nonce } = await device.hello()
    await until(() => device.assigns.length === 1)
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        fleet.desire([
          { device: 'd-1', deployment: `p-${i % 3}`, manifest: i % 2 === 0 ? manifest : null, by: 'test' },
        ]),
      ),
    )
    await until(() => device.assigns.length === 41)
    const all = device.assigns.map(({ assignment }) => believe(hub, assignment, 'd-1', nonce))
    const generations = all.map(({ generation }) => generation)
    expect(generations).toEqual(generations.toSorted((a, b) => a - b))
    const contents = new Map(all.map((assignment) => [assignment.generation, contentDigest(assignment)]))
    for (const assignment of all) expect(contents.get(assignment.generation)).toBe(contentDigest(assignment))
  })

  test('that takes longer to be signed is still said before the next', async () => {
    const said: string[] = []
    let answers = 0
    const session = createSession({
      hub: { clock: Date.now, log: silent },
      publish: async (topic, payload) => {
        if (topic === downTopic('d-1', 'assign')) said.push(Buffer.from(payload).toString())
      },
      assigner: {
        answer: async () => {
          answers += 1
          const name = `answer ${answers}`
          await delay(answers === 1 ? 50 : 0)
          return Buffer.from(name)
        },
      },
      writer: { write: async () => undefined, close: async () => undefined },
      chunks: { want: async () => undefined },
      reports: noReports,
    })
    const greeting = session.onMessage('d-1', 'hello', encode(aHello()))
    await delay(10)
    await Promise.all([greeting, session.push(['d-1']), session.push(['d-1'])])
    expect(said).toEqual(['answer 1', 'answer 2', 'answer 3'])
  })

  test('is not told to a connection that has not said hello, though the one before had', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const enrolled = await anEnrolledDevice(hub, 'd-1')
    const first = await aSpeakingDevice(fleet, enrolled)
    await first.hello()
    await until(() => first.assigns.length === 1)
    const second = await aSpeakingDevice(fleet, enrolled)
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest, by: 'test' }])
    await second.hello()
    await until(() => second.acks.length === 1)
    expect(second.assigns).toHaveLength(1)
  })
})

describe('a message that cannot be read', () => {
  test('is counted and dropped, and the device goes on being served', async () => {
    const hub = await aFleetHub()
    const taken: string[] = []
    const fleet = await aFleet(hub, { ...noReports, take: async (device) => void taken.push(device) })
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    const bad = [
      Buffer.alloc(0),
      Buffer.from('not CBOR'),
      Buffer.from([0xff]),
      Buffer.from([0x9f, 0x9f, 0x9f]),
      // an array that says it has 2^32 elements, a string of 2^60 bytes
      Buffer.from([0x9a, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0x5b, 0x10, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from('81'.repeat(5_000), 'hex'),
      Buffer.from(encode({})),
      Buffer.from(encode({ ...aHello(), nonce: new Uint8Array(15) })),
      Buffer.from(encode({ ...aHello(), slots: Array.from({ length: 65 }, () => 1) })),
      Buffer.from(encode({ epoch: 'x', records: [] })),
      randomBytes(1_000),
    ]
    for (const kind of upKinds) {
      for (const payload of bad) await device.client.publishAsync(upTopic('d-1', kind), payload, { qos: 1 })
    }
    await device.hello()
    await until(() => device.acks.length === 1)
    expect(taken).toEqual([])
    const dropped = await hub.metrics.getSingleMetric('roost_messages_dropped_total')?.get()
    expect(dropped?.values.reduce((sum, { value }) => sum + value, 0)).toBe(bad.length * upKinds.length)
  })
})

describe('reports', () => {
  const reports = { epoch: '0123456789abcdef', records: [{ seq: 5, from: 5, body: new Uint8Array(3) }] }

  test('are acknowledged when they are taken, and not when they are not', async () => {
    const hub = await aFleetHub()
    let taken = 0
    const fleet = await aFleet(hub, {
      highWaterMark: async () => 0,
      take: async () => {
        taken += 1
        return taken === 1 ? undefined : 5
      },
    })
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    for (let i = 0; i < 2; i += 1) {
      await device.client.publishAsync(upTopic('d-1', 'reports'), Buffer.from(encode(reports)), { qos: 1 })
    }
    await until(() => device.acks.length === 1)
    expect(taken).toBe(2)
    expect(device.acks).toEqual([{ epoch: reports.epoch, seq: 5 }])
  })

  test('that could not be committed cost the connection, so that they are sent again', async () => {
    const hub = await aFleetHub()
    const fleet = await aFleet(hub, { ...noReports, take: () => Promise.reject(new Error('disk full')) })
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    const end = closed(device.client)
    device.client.publish(upTopic('d-1', 'reports'), Buffer.from(encode(reports)), { qos: 1 })
    await end
    expect(device.acks).toEqual([])
  })
})

describe('a revoked device', () => {
  test('is cut off, cannot come back with any secret, and is told nothing more', async () => {
    const hub = await aFleetHub()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const fleet = await aFleet(hub)
    const enrolled = await anEnrolledDevice(hub, 'd-1')
    const device = await aSpeakingDevice(fleet, enrolled)
    const bystander = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-2'))
    await device.hello()
    await until(() => device.assigns.length === 1)
    const end = closed(device.client)
    await hub.database.write([revokeDevice('d-1', 1)])
    fleet.disconnect('d-1', 'revoked')
    await end
    const attempts = Array.from({ length: 10 }, () => outcomeOf(aClient(fleet, 'd-1', { password: enrolled.secret })))
    for (const outcome of await Promise.all(attempts)) expect(outcome).toEqual({ connected: false, returnCode: 5 })
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest, by: 'test' }])
    expect(fleet.connectedDevices()).toEqual(['d-2'])
    expect(bystander.client.connected).toBe(true)
  })
})

describe('when a device was last seen', () => {
  test('is written when it goes', async () => {
    let now = 1_800_000_000_000
    const hub = await aFleetHub({ clock: () => now })
    const fleet = await aFleet(hub)
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    now += 5_000
    await device.client.endAsync(true)
    await until(async () => (await findDevice(hub.database, 'd-1'))?.last_seen_at === now)
  })
})

describe('an assignment that does not fit into one message', () => {
  test('tells first what the device does not hold, and the rest when there is room', () => {
    const envelopes = new Map(['a', 'b', 'c', 'd'].map((name) => [name, Buffer.from(name.repeat(400_000))]))
    const names = (held: string[], bytesMax: number) =>
      fitting(envelopes, new Set(held), bytesMax).map((bytes) => Buffer.from(bytes).toString('utf8', 0, 1))
    expect(names([], 10_000_000)).toEqual(['a', 'b', 'c', 'd'])
    expect(names([], messageBytesMax)).toEqual(['a', 'b'])
    expect(names(['a', 'b'], messageBytesMax)).toEqual(['c', 'd'])
    expect(names(['a', 'b', 'c', 'd'], 500_000)).toEqual(['a'])
    expect(names([], 100)).toEqual([])
  })
})
