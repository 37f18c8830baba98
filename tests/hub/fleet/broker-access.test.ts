// P4 through real sockets and a real client: a device reads and writes only its own topics and the chunks of blobs
// assigned to it, whatever it puts into client id, will, filter or topic.

import { once } from 'node:events'
import {
  chunkFilter,
  chunkTopic,
  downFilter,
  downKinds,
  downTopic,
  parseUpTopic,
  shardOf,
  upKinds,
  upTopic,
} from '@roost/shared/protocol/topics.ts'
import type { MqttClient } from 'mqtt'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { aBroker, aClient, aSocket, closed, connected, outcomeOf, secretOf, until } from './a-broker.ts'

const assigned = 'a'.repeat(64)
const notAssigned = 'b'.repeat(64)

const collect = (client: MqttClient) => {
  const got: { topic: string; text: string }[] = []
  client.on('message', (topic, payload) => got.push({ topic, text: payload.toString() }))
  return got
}

/** Filters of every kind a device may not have; `other` is another device. */
const forbiddenFilters = (device: string, other: string): string[] => [
  '#',
  '+',
  '+/#',
  '/#',
  'roost/#',
  'roost/1/#',
  'roost/+/s/+/d/+/down/+',
  'roost/1/s/#',
  'roost/1/s/+/d/+/down/+',
  `roost/1/s/${shardOf(device)}/#`,
  `roost/1/s/${shardOf(device)}/d/${device}/#`,
  `roost/1/s/${shardOf(device)}/d/${device}/+/+`,
  `roost/1/s/${shardOf(device)}/d/+/down/assign`,
  `roost/1/s/+/d/${device}/down/+`,
  `${downFilter(device)}/`,
  `${downTopic(device, 'assign')}/#`,
  `/${downFilter(device)}`,
  downFilter(device).toUpperCase(),
  upTopic(device, 'hello'),
  upTopic(device, 'reports'),
  downFilter(other),
  ...downKinds.map((kind) => downTopic(other, kind)),
  ...upKinds.map((kind) => upTopic(other, kind)),
  `$share/g/${downFilter(other)}`,
  `$share/g/${downFilter(device)}`,
  '$share/g/#',
  '$share//#',
  '$SYS/#',
  '$SYS/+/new/clients',
  '$queue/#',
  'roost/1/c/#',
  'roost/1/c/+/+',
  `roost/1/c/${assigned}/#`,
  `roost/1/c/${assigned}`,
  `roost/1/c/${assigned}/+/+`,
  `roost/1/c/${assigned.toUpperCase()}/+`,
  `roost/1/c/${notAssigned}/+`,
  chunkTopic(assigned, 0),
  chunkTopic(notAssigned, 0),
  `${downFilter(device)}\u0000`,
  '../../#',
  'a/'.repeat(60),
]

/** Subscribes with one filter; whether the broker granted it. A connection that is cut granted nothing. */
async function isGranted(client: MqttClient, filter: string): Promise<boolean> {
  if (client.disconnected || !client.connected) return false
  return new Promise((resolve) => {
    client.once('close', () => resolve(false))
    client.subscribe(filter, { qos: 1 }, (error, grants) => {
      resolve(error === null && grants !== undefined && grants.length > 0 && grants.every(({ qos }) => qos < 128))
    })
  })
}

describe('subscriptions', () => {
  test('fifty devices get none of forty forbidden filters, and hear nothing that is said to others', async () => {
    const broker = await aBroker({ mayReadBlob: async (_device, blob) => blob === assigned })
    const devices = Array.from({ length: 50 }, (_, i) => `d-${i}`)
    const listeners = await Promise.all(
      devices.map(async (device, i) => {
        const other = devices[(i + 1) % devices.length] ?? ''
        const heard: string[] = []
        const granted: string[] = []
        for (const filter of forbiddenFilters(device, other)) {
          // some filters are malformed and cost the connection: a new one for each
          const client = await connected(aClient(broker, device))
          client.on('message', (topic) => heard.push(topic))
          if (await isGranted(client, filter)) granted.push(filter)
          await client.endAsync(true)
        }
        const client = await connected(aClient(broker, device))
        const got = collect(client)
        expect(await isGranted(client, downFilter(device))).toBe(true)
        expect(await isGranted(client, chunkFilter(assigned))).toBe(true)
        expect(await isGranted(client, chunkFilter(notAssigned))).toBe(false)
        return { device, granted, heard, got }
      }),
    )
    for (const device of devices) await broker.publish(downTopic(device, 'assign'), Buffer.from(device), 1)
    await broker.publish(chunkTopic(notAssigned, 0), Buffer.from('secret'), 0)
    await broker.publish(chunkTopic(assigned, 0), Buffer.from('chunk'), 0)
    await until(() => listeners.every(({ got }) => got.length >= 2))
    for (const { device, granted, heard, got } of listeners) {
      expect(granted).toEqual([])
      expect(heard).toEqual([])
      expect(got.toSorted((a, b) => a.topic.localeCompare(b.topic))).toEqual([
        { topic: chunkTopic(assigned, 0), text: 'chunk' },
        { topic: downTopic(device, 'assign'), text: device },
      ])
    }
  })

  test('a refused filter does not take the allowed ones of the same packet with it', async () => {
    const broker = await aBroker()
    const client = await connected(aClient(broker, 'd-1'))
    const grants = await client
      .subscribeAsync({ [downFilter('d-1')]: { qos: 1 }, '#': { qos: 1 }, [downFilter('d-2')]: { qos: 0 } })
      .catch(() => [])
    const got = collect(client)
    await broker.publish(downTopic('d-2', 'ack'), Buffer.from('not yours'), 1)
    await broker.publish(downTopic('d-1', 'ack'), Buffer.from('yours'), 1)
    await until(() => got.length > 0)
    expect(got).toEqual([{ topic: downTopic('d-1', 'ack'), text: 'yours' }])
    expect(grants.filter(({ qos }) => qos < 128).length).toBeLessThanOrEqual(1)
  })

  test('QoS 2 is not granted, and the number of filters is bounded', async () => {
    const broker = await aBroker({ limits: { subscriptionsMax: 3 }, mayReadBlob: async () => true })
    const client = await connected(aClient(broker, 'd-1'))
    await expect(client.subscribeAsync(downFilter('d-1'), { qos: 2 })).rejects.toThrow()
    const blobs = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(64))
    const granted = []
    for (const blob of blobs) granted.push(await isGranted(client, chunkFilter(blob)))
    expect(granted).toEqual([true, true, true, false])
    await client.unsubscribeAsync(chunkFilter(blobs[0] ?? ''))
    expect(await isGranted(client, chunkFilter(blobs[3] ?? ''))).toBe(true)
  })

  test('a chunk is no longer heard after unsubscribing, nor by the next connection', async () => {
    const broker = await aBroker({ mayReadBlob: async () => true })
    const client = await connected(aClient(broker, 'd-1'))
    const other = await connected(aClient(broker, 'd-2'))
    const got = collect(client)
    const gotByOther = collect(other)
    for (const one of [client, other]) expect(await isGranted(one, chunkFilter(assigned))).toBe(true)
    await client.unsubscribeAsync(chunkFilter(assigned))
    await broker.publish(chunkTopic(assigned, 1), Buffer.from('1'), 0)
    await until(() => gotByOther.length === 1)
    expect(got).toEqual([])
    await client.endAsync(true)
    const again = await connected(aClient(broker, 'd-1'))
    const gotAgain = collect(again)
    await broker.publish(chunkTopic(assigned, 2), Buffer.from('2'), 0)
    await until(() => gotByOther.length === 2)
    expect(gotAgain).toEqual([])
  })

  test('asking whether a blob is assigned may fail; then it is not', async () => {
    const broker = await aBroker({ mayReadBlob: () => Promise.reject(new Error('disk')) })
    const client = await connected(aClient(broker, 'd-1'))
    expect(await isGranted(client, chunkFilter(assigned))).toBe(false)
    expect(client.connected).toBe(true)
  })
})

describe('publications', () => {
  const foreignTopics = [
    ...upKinds.map((kind) => upTopic('victim', kind)),
    ...downKinds.map((kind) => downTopic('victim', kind)),
    ...downKinds.map((kind) => downTopic('d-1', kind)),
    'roost/1/s/0/d/d-1/up/hello',
    `roost/1/s/0${shardOf('d-1')}/d/d-1/up/hello`,
    `${upTopic('d-1', 'hello')}/x`,
    `${upTopic('d-1', 'hello')}/`,
    upTopic('d-1', 'hello').replace('hello', 'unknown'),
    chunkTopic(assigned, 0),
    '$SYS/broker/new/clients',
    'anything',
    'x/'.repeat(90),
  ]

  test.each(foreignTopics)('to %s cuts the connection and reaches nobody', async (topic) => {
    const messages: string[] = []
    const broker = await aBroker({
      mayReadBlob: async () => true,
      onMessage: async (device, kind) => {
        messages.push(`${device} ${kind}`)
      },
    })
    const victim = await connected(aClient(broker, 'victim'))
    const got = collect(victim)
    await victim.subscribeAsync([downFilter('victim'), chunkFilter(assigned)])
    const client = await connected(aClient(broker, 'd-1'))
    const end = closed(client)
    client.publish(topic, 'poison', { qos: 1 })
    await end
    expect(messages).toEqual([])
    await broker.publish(downTopic('victim', 'ack'), Buffer.from('true'), 1)
    await until(() => got.length > 0)
    expect(got.map(({ text }) => text)).toEqual(['true'])
  })

  test.each([
    { what: 'retained', options: { retain: true, qos: 1 } as const },
    { what: 'QoS 2', options: { qos: 2 } as const },
  ])('$what are refused, also on the device’s own topic', async ({ options }) => {
    let taken = 0
    const broker = await aBroker({
      onMessage: async () => {
        taken += 1
      },
    })
    const client = await connected(aClient(broker, 'd-1'))
    const end = closed(client)
    client.publish(upTopic('d-1', 'hello'), 'x', options)
    await end
    expect(taken).toBe(0)
  })

  test('come in order and one at a time for a device, and are acknowledged only when they are dealt with', async () => {
    const events: string[] = []
    const broker = await aBroker({
      onMessage: async (_device, kind, payload) => {
        events.push(`begin ${kind} ${payload}`)
        await new Promise((resolve) => setTimeout(resolve, 10))
        events.push(`end ${kind} ${payload}`)
      },
    })
    const client = await connected(aClient(broker, 'd-1'))
    await Promise.all(
      [1, 2, 3].map((n) =>
        client
          .publishAsync(upTopic('d-1', 'reports'), String(n), { qos: 1 })
          .then(() => events.push(`acknowledged ${n}`)),
      ),
    )
    expect(events.filter((event) => !event.startsWith('acknowledged'))).toEqual(
      [1, 2, 3].flatMap((n) => [`begin reports ${n}`, `end reports ${n}`]),
    )
    for (const n of [1, 2, 3]) {
      expect(events.indexOf(`acknowledged ${n}`)).toBeGreaterThan(events.indexOf(`end reports ${n}`))
    }
  })

  test('that the hub cannot handle are not acknowledged', async () => {
    const broker = await aBroker({ onMessage: () => Promise.reject(new Error('disk full')) })
    const client = await connected(aClient(broker, 'd-1'))
    const end = closed(client)
    let acknowledged = false
    client.publish(upTopic('d-1', 'reports'), 'x', { qos: 1 }, (error) => {
      acknowledged = error === undefined || error === null
    })
    await end
    expect(acknowledged).toBe(false)
    expect(broker.refusals().get('message-failed')).toBe(1)
  })
})

describe('login', () => {
  test.each([
    { what: 'another user name', options: { username: 'd-2' } },
    { what: 'another’s client id', options: { clientId: 'victim' } },
    { what: 'an empty client id', options: { clientId: '' } },
    { what: 'a wrong password', options: { password: 'guess' } },
    { what: 'another’s password', options: { password: secretOf('victim') } },
    { what: 'a name that is no device’s', options: { clientId: 'D_1', username: 'D_1', password: secretOf('D_1') } },
    { what: 'a name with a wildcard', options: { clientId: '+', username: '+', password: secretOf('+') } },
    { what: 'a name with a slash', options: { clientId: 'd-1/x', username: 'd-1/x', password: secretOf('d-1/x') } },
    {
      what: 'the name __proto__',
      options: { clientId: '__proto__', username: '__proto__', password: secretOf('__proto__') },
    },
    { what: 'a session to be kept', options: { clean: false } },
    { what: 'MQTT 5', options: { protocolVersion: 5 as const } },
  ])('with $what is refused', async ({ options }) => {
    const asked: string[] = []
    const broker = await aBroker({
      authenticate: async (device, secret) => {
        asked.push(device)
        return secret === secretOf(device)
      },
    })
    const outcome = await outcomeOf(aClient(broker, 'd-1', options))
    expect(outcome.connected).toBe(false)
    expect(broker.connectedDevices()).toEqual([])
  })

  test('without a password is refused', async () => {
    const broker = await aBroker({ authenticate: async () => true })
    const socket = await aSocket(broker)
    const fields = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60 } as const
    socket.write(mqttPacket.generate({ ...fields, clientId: 'd-1', username: 'd-1' }))
    const [answer] = await once(socket, 'data')
    expect(answer).toEqual(Buffer.from([0x20, 2, 0, 5]))
  })

  const wills = [
    { what: 'to another device’s presence', will: { topic: upTopic('victim', 'presence') } },
    { what: 'to a down topic', will: { topic: downTopic('victim', 'assign') } },
    { what: 'to its own reports', will: { topic: upTopic('d-1', 'reports') } },
    { what: 'retained', will: { topic: upTopic('d-1', 'presence'), retain: true } },
    { what: 'at QoS 2', will: { topic: upTopic('d-1', 'presence'), qos: 2 as const } },
    { what: 'of a kilobyte', will: { topic: upTopic('d-1', 'presence'), payload: Buffer.alloc(1_000, 1) } },
    { what: 'to a chunk', will: { topic: chunkTopic(assigned, 0) } },
  ]
  test.each(wills)('with a will $what is refused', async ({ will }) => {
    const broker = await aBroker()
    const full = { payload: Buffer.from('x'), qos: 1 as const, retain: false, ...will }
    expect(await outcomeOf(aClient(broker, 'd-1', { will: full }))).toEqual({ connected: false, returnCode: 5 })
    expect(broker.refusals().get('will')).toBe(1)
  })

  test('with its own will is granted, and the will is not fired at others when the device goes', async () => {
    const messages: string[] = []
    const left: string[] = []
    const broker = await aBroker({
      onMessage: async (device, kind) => {
        messages.push(`${device} ${kind}`)
      },
      onDisconnect: (device) => left.push(device),
    })
    const will = { topic: upTopic('d-1', 'presence'), payload: Buffer.from('gone'), qos: 1 as const, retain: false }
    const client = await connected(aClient(broker, 'd-1', { will }))
    client.stream.destroy()
    await until(() => left.length > 0)
    expect({ messages, left }).toEqual({ messages: [], left: ['d-1'] })
  })

  test('tells the device why: not authorized, or come back later', async () => {
    const broker = await aBroker({
      authenticate: async (device) => {
        if (device === 'd-2') throw new Error('database')
        return false
      },
    })
    expect(await outcomeOf(aClient(broker, 'd-1'))).toEqual({ connected: false, returnCode: 5 })
    expect(await outcomeOf(aClient(broker, 'd-2'))).toEqual({ connected: false, returnCode: 3 })
  })

  test('a name of 63 characters has topics of its own', async () => {
    const device = 'a'.repeat(63)
    const heard: string[] = []
    const broker = await aBroker({
      onMessage: async (id, kind) => {
        heard.push(`${id} ${kind}`)
      },
    })
    const client = await connected(aClient(broker, device))
    await client.publishAsync(upTopic(device, 'hello'), 'x', { qos: 1 })
    expect(heard).toEqual([`${device} hello`])
    expect(parseUpTopic(upTopic(device, 'hello'))).toEqual({ device, kind: 'hello' })
  })
})
