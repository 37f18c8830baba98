// Peers that are not devices, or do not behave as such: what they send must cost the broker next to nothing.

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { upTopic } from '@roost/shared/protocol/topics.ts'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { aBroker, aClient, aSocket, closed, connected, outcomeOf, secretOf, until } from './a-broker.ts'

const connectPacket = (device: string, secret = secretOf(device)) =>
  mqttPacket.generate({
    cmd: 'connect',
    clientId: device,
    username: device,
    password: Buffer.from(secret),
    protocolId: 'MQTT',
    protocolVersion: 4,
    clean: true,
    keepalive: 60,
  })

const mebibyte = 1_048_576

describe('before login', () => {
  test('twenty sockets that announce 256 MiB are cut and cost no memory', async () => {
    const broker = await aBroker()
    const rssBefore = process.memoryUsage().rss
    const sockets = await Promise.all(Array.from({ length: 20 }, () => aSocket(broker)))
    const ends = sockets.map(closed)
    // one buffer for all of them: what the attackers hold is not to be mistaken for what the broker holds
    const filler = Buffer.alloc(mebibyte, 0x61)
    for (const socket of sockets) {
      socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
      for (let i = 0; i < 8; i += 1) socket.write(filler)
    }
    await Promise.all(ends)
    expect(broker.refusals().get('packet-too-long')).toBe(20)
    // bare aedes: 169 MiB more, and the sockets stay open
    expect((process.memoryUsage().rss - rssBefore) / mebibyte).toBeLessThan(40)
  })

  test('a CONNECT that trickles in is cut at the time limit, one that ends in time is not', async () => {
    const broker = await aBroker({ limits: { connectTimeoutMs: 500 } })
    // who is cut is looked for from the first byte on: a busy machine may take as long for the next line
    const ends = [aSocket(broker), aSocket(broker)].map(async (opening, i) => {
      const socket = await opening
      const end = closed(socket)
      const trickle = i === 0 ? setInterval(() => socket.write(connectPacket('d-2').subarray(0, 1)), 50) : undefined
      await end
      clearInterval(trickle)
    })
    await Promise.all(ends)
    expect(broker.refusals().get('connect-timeout')).toBe(2)
    let honest = aClient(broker, 'd-1')
    while (!(await outcomeOf(honest)).connected) honest = aClient(broker, 'd-1')
    await delay(600)
    expect(honest.connected).toBe(true)
  })

  test('a peer whose secret is being checked for ever is cut at the time limit', async () => {
    const never = new Promise<boolean>(() => undefined)
    const broker = await aBroker({ authenticate: () => never, limits: { connectTimeoutMs: 200 } })
    const socket = await aSocket(broker)
    socket.write(connectPacket('d-1'))
    await closed(socket)
    expect(broker.refusals().get('connect-timeout')).toBe(1)
  })

  test('one address gets so many connections and no more, and gets new ones when old ones end', async () => {
    const broker = await aBroker({ limits: { connectionsPerAddressMax: 3 } })
    const clients = await Promise.all(['d-1', 'd-2', 'd-3'].map((device) => connected(aClient(broker, device))))
    expect((await outcomeOf(aClient(broker, 'd-4'))).connected).toBe(false)
    expect(broker.refusals().get('too-many-from-address')).toBe(1)
    await clients[0]?.endAsync()
    await until(() => !broker.isConnected('d-1'))
    await connected(aClient(broker, 'd-4'))
  })

  test('sockets that do not log in cannot take the place of all who would', async () => {
    const broker = await aBroker({ limits: { unacceptedPerAddressMax: 5 } })
    const idle = await Promise.all(Array.from({ length: 5 }, () => aSocket(broker)))
    const sixth = await aSocket(broker)
    await closed(sixth)
    expect(broker.refusals().get('too-many-unaccepted')).toBe(1)
    idle[0]?.destroy()
    await until(async () => (await outcomeOf(aClient(broker, 'd-1'))).connected)
  })

  test('what is not MQTT is cut at its first byte', async () => {
    const broker = await aBroker()
    const socket = await aSocket(broker)
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await closed(socket)
    expect(broker.refusals().get('not-mqtt')).toBe(1)
  })

  test('a flood behind CONNECT is not read until the secret is checked', async () => {
    let answer: (right: boolean) => void = () => undefined
    const asked = new Promise<boolean>((resolve) => {
      answer = resolve
    })
    const broker = await aBroker({ authenticate: () => asked })
    const socket = await aSocket(broker)
    socket.write(connectPacket('d-1'))
    await delay(100)
    const flood = mqttPacket.generate({
      cmd: 'publish',
      topic: upTopic('d-1', 'want'),
      payload: Buffer.alloc(10_000),
      qos: 0,
      dup: false,
      retain: false,
    })
    for (let i = 0; i < 3_000; i += 1) socket.write(flood)
    await delay(500)
    expect(socket.writableLength).toBeGreaterThan(10 * mebibyte)
    answer(false)
    await closed(socket)
  })
})

describe('after login', () => {
  test('a message of the longest length passes, one byte more is cut', async () => {
    const lengths: number[] = []
    const broker = await aBroker({
      onMessage: async (_device, _kind, payload) => {
        lengths.push(payload.length)
      },
    })
    const client = await connected(aClient(broker, 'd-1'))
    await client.publishAsync(upTopic('d-1', 'reports'), Buffer.alloc(messageBytesMax), { qos: 1 })
    expect(lengths).toEqual([messageBytesMax])
    const end = closed(client)
    client.publish(upTopic('d-1', 'reports'), Buffer.alloc(messageBytesMax + 1), { qos: 1 })
    await end
    expect(lengths).toEqual([messageBytesMax])
  })

  test('a SUBSCRIBE or PINGREQ cannot be as long as a PUBLISH', async () => {
    const broker = await aBroker()
    const socket = await aSocket(broker)
    socket.write(connectPacket('d-1'))
    await once(socket, 'data')
    socket.write(Buffer.from([0x82, 0x80, 0x80, 0x02]))
    await closed(socket)
    expect(broker.refusals().get('packet-too-long')).toBe(1)
  })

  test('while the hub does not get on, a device is not read any further', async () => {
    let started = 0
    let goOn: () => void = () => undefined
    const held = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const broker = await aBroker({
      onMessage: async () => {
        started += 1
        await held
      },
    })
    const socket = await aSocket(broker)
    socket.write(connectPacket('d-1'))
    await once(socket, 'data')
    const message = mqttPacket.generate({
      cmd: 'publish',
      topic: upTopic('d-1', 'reports'),
      payload: Buffer.alloc(50_000),
      qos: 0,
      dup: false,
      retain: false,
    })
    const count = 1_000
    // one at a time, each a readable event of its own: aedes alone would take them all
    for (let i = 0; i < count; i += 1) {
      socket.write(message)
      if (i % 20 === 0) await delay(1)
    }
    await until(() => started > 0)
    await delay(300)
    expect(started).toBe(1)
    expect(socket.writableLength).toBeGreaterThan(10 * mebibyte)
    goOn()
    await until(() => started === count)
  })

  test('messages in hand over all devices are bounded, and all arrive in the end', async () => {
    let inHand = 0
    let inHandMost = 0
    let done = 0
    const broker = await aBroker({
      limits: { heldBytesMax: 2 * mebibyte },
      onMessage: async (_device, _kind, payload) => {
        inHand += payload.length
        inHandMost = Math.max(inHandMost, inHand)
        await delay(5)
        inHand -= payload.length
        done += 1
      },
    })
    const clients = await Promise.all(Array.from({ length: 30 }, (_, i) => connected(aClient(broker, `d-${i}`))))
    await Promise.all(
      clients.flatMap((client, i) =>
        Array.from({ length: 4 }, () =>
          client.publishAsync(upTopic(`d-${i}`, 'reports'), Buffer.alloc(400_000), { qos: 1 }),
        ),
      ),
    )
    expect(done).toBe(120)
    // one that crosses the bound, and what else had begun by then
    expect(inHandMost).toBeLessThanOrEqual(3 * mebibyte)
  })

  test('a device without keep-alive, or with one of a day, is refused', async () => {
    const broker = await aBroker()
    expect((await outcomeOf(aClient(broker, 'd-1', { keepalive: 0 }))).connected).toBe(false)
    expect((await outcomeOf(aClient(broker, 'd-1', { keepalive: 60_000 }))).connected).toBe(false)
    expect((await outcomeOf(aClient(broker, 'd-1', { keepalive: 60 }))).connected).toBe(true)
  })
})
