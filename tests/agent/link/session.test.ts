// The MQTT session against brokers of every kind: it comes up where it can, says so truly, and comes back.

import { setTimeout as delay } from 'node:timers/promises'
import { filtersMax } from '@roost/agent/link/session.ts'
import { messageBytesMax, Presence } from '@roost/shared/protocol/messages.ts'
import { chunkFilter, chunkTopic, downFilter, downTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import mqttPacket from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { startTcpProxy } from '../../../scripts/demo/tcp-proxy.ts'
import { aBroker, aClient, connected, secretOf, until } from '../../hub/fleet/a-broker.ts'
import { seeded } from '../download/builders.ts'
import {
  aScriptedBroker,
  aSession,
  connack,
  published,
  type Script,
  sessionOptions,
  silentLog,
  wellBehaved,
} from './a-link.ts'

const seed = Number(process.env.ROOST_TEST_SEED ?? 20_261_125)
const bytes = (text: string) => Buffer.from(text)
const endless = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])

describe('a broker that', () => {
  const quick = { deadlineMs: 60, connectTimeoutMs: 60, keepaliveSeconds: 1 }
  const afterConnect =
    (...answers: Uint8Array[]): Script =>
    (packet, socket) => {
      if (packet.cmd === 'connect') for (const answer of answers) socket.write(answer)
    }
  const onSubscribe =
    (answer: (messageId: number) => Uint8Array): Script =>
    (packet, socket) => {
      if (packet.cmd === 'connect') socket.write(connack())
      if (packet.cmd === 'subscribe') socket.write(answer(packet.messageId ?? 0))
    }
  test.each<[string, Script]>([
    ['never answers CONNECT', () => undefined],
    ['cuts at CONNECT', (_, socket) => socket.destroy()],
    ['refuses the secret', afterConnect(connack(5))],
    ['is unavailable', afterConnect(connack(3))],
    ['speaks another version', afterConnect(connack(1))],
    ['answers in HTTP', afterConnect(bytes('HTTP/1.1 400 Bad Request\r\n\r\n'))],
    ['answers with zeros', afterConnect(Buffer.alloc(1_000))],
    ['answers with 0xff', afterConnect(Buffer.alloc(1_000, 0xff))],
    ['says CONNACK and cuts', (_, socket) => void socket.end(connack())],
    ['says CONNACK and then rubbish', afterConnect(connack(), Buffer.alloc(1_000, 0xf7))],
    ['never answers SUBSCRIBE', afterConnect(connack())],
    ['refuses the device its own topics', onSubscribe((messageId) => suback(messageId, [128]))],
    ['announces 256 MiB', onSubscribe(() => endless)],
    ['announces 256 MiB instead of CONNACK', afterConnect(endless)],
  ])('%s is left and tried again, one connection at a time, until it behaves', async (_, script) => {
    const broker = await aScriptedBroker(script)
    const { session, states } = aSession(sessionOptions(broker.port, quick))
    await until(() => broker.counts().connections >= 4)
    expect(states).toEqual([])
    expect(session.isUp).toBe(false)
    expect(await session.publish('reports', bytes('x'), 1)).toBe(false)
    // the old socket is destroyed before the next is opened; its end may be seen a moment later at the other side
    expect(broker.counts().openMost).toBeLessThanOrEqual(2)
    broker.follow(wellBehaved)
    await until(() => session.isUp)
    expect(states).toEqual(['up'])
  })

  test('no longer grants the chunks of a blob at a reconnect is still a broker: the word of it comes over this connection', async () => {
    const blob = 'ab'.repeat(32)
    const broker = await aScriptedBroker(wellBehaved)
    const { session, states } = aSession(sessionOptions(broker.port))
    await until(() => session.isUp)
    expect(await session.subscribe(chunkFilter(blob))).toBe(true)
    const asked: string[][] = []
    broker.follow((packet, socket) => {
      if (packet.cmd !== 'subscribe') return wellBehaved(packet, socket)
      const topics = packet.subscriptions.map(({ topic }) => topic)
      asked.push(topics)
      socket.write(
        suback(
          packet.messageId ?? 0,
          topics.map((topic) => (topic === chunkFilter(blob) ? 128 : 1)),
        ),
      )
    })
    broker.cut()
    await until(() => states.length === 3 && asked.length === 2)
    expect([states, asked]).toEqual([
      ['up', 'down', 'up'],
      [[chunkFilter(blob)], [downFilter('d-1')]],
    ])
    expect(await session.publish('hello', bytes('x'), 1)).toBe(true)
    expect(session.isUp).toBe(true)
  })

  test('turns the device away again and again is told of once, and no more when it lets it in', async () => {
    const broker = await aScriptedBroker(afterConnect(connack(5)))
    const warned: string[] = []
    const log = { ...silentLog, warn: (_: unknown, text?: string) => void warned.push(text ?? '') }
    // no connection may be given up before it was refused: that would be told as something else
    const { session } = aSession({ ...sessionOptions(broker.port), log })
    await until(() => broker.counts().connections >= 5)
    expect(warned).toEqual([expect.stringContaining('turns this device away')])
    expect(session.isRefused).toBe(true)
    broker.follow(wellBehaved)
    await until(() => session.isUp)
    expect(session.isRefused).toBe(false)
  })

  test('announces 256 MiB while all is well is left before they are sent', async () => {
    const broker = await aScriptedBroker(wellBehaved)
    const warned: string[] = []
    const log = { ...silentLog, warn: (_: unknown, text?: string) => void warned.push(text ?? '') }
    const { session, states, messages } = aSession({ ...sessionOptions(broker.port), log })
    await until(() => session.isUp)
    broker.follow((packet, socket) => {
      if (packet.cmd !== 'publish') return wellBehaved(packet, socket)
      socket.write(endless)
      const piece = Buffer.alloc(1_048_576)
      for (let i = 0; i < 64; i++) socket.write(piece)
    })
    const before = process.memoryUsage().arrayBuffers
    const sent = session.publish('hello', bytes('x'), 1)
    await until(() => states.includes('down'))
    expect(await sent).toBe(false)
    expect(warned).toContain('the broker does not speak MQTT as it should, and is left')
    // all of the 64 MiB are the other side's: one buffer, and what its socket could not hand over
    expect((process.memoryUsage().arrayBuffers - before) / 1_048_576).toBeLessThan(100)
    broker.follow(wellBehaved)
    await until(() => session.isUp)
    expect(messages).toEqual([])
  })

  test('sends what nobody asked for costs nothing, and what is ours still arrives', async () => {
    const broker = await aScriptedBroker((packet, socket) => {
      wellBehaved(packet, socket)
      if (packet.cmd !== 'subscribe') return
      socket.write(published('$SYS/uptime', 'x'))
      socket.write(published(downTopic('d-2', 'assign'), 'not yours'))
      socket.write(published(upTopic('d-1', 'hello'), 'an echo'))
      socket.write(published(`${downTopic('d-1', 'assign')}/x`, 'x'))
      socket.write(mqttPacket.generate({ cmd: 'puback', messageId: 4711 }))
      socket.write(mqttPacket.generate({ cmd: 'unsuback', messageId: 4712, granted: [] }))
      for (let i = 0; i < 1_000; i++) socket.write(mqttPacket.generate({ cmd: 'pingresp' }))
      socket.write(published(downTopic('d-1', 'assign'), Buffer.alloc(messageBytesMax, 1)))
      socket.write(published(downTopic('d-1', 'ack'), 'yours'))
    })
    const { session, states, messages, others } = aSession(sessionOptions(broker.port))
    await until(() => messages.length === 2)
    expect(messages.map(({ kind, text }) => [kind, text.length])).toEqual([
      ['assign', messageBytesMax],
      ['ack', 5],
    ])
    // told as heard on another topic; whoever subscribed there picks what is its own
    expect(others.map(({ text }) => text)).toEqual(['x', 'not yours', 'an echo', 'x'])
    expect([states, session.isUp]).toEqual([['up'], true])
  })

  test('acknowledges nothing: a publish ends at its deadline with no, and the session stays', async () => {
    const broker = await aScriptedBroker((packet, socket) => {
      if (packet.cmd !== 'publish') wellBehaved(packet, socket)
    })
    const { session } = aSession(sessionOptions(broker.port, { deadlineMs: 200 }))
    await until(() => session.isUp)
    const all = Array.from({ length: 500 }, (_, i) => session.publish('reports', bytes(`${i}`), 1))
    expect(new Set(await Promise.all(all))).toEqual(new Set([false]))
    expect(session.isUp).toBe(true)
  })

  test('falls silent is found out by the keep-alive, whatever is published meanwhile', async () => {
    const broker = await aScriptedBroker(wellBehaved)
    const { session, states } = aSession(
      sessionOptions(broker.port, { keepaliveSeconds: 1, deadlineMs: 100, connectTimeoutMs: 200 }),
    )
    await until(() => session.isUp)
    broker.follow(() => undefined)
    while (session.isUp) {
      await session.publish('reports', bytes('x'), 1)
      await delay(50)
    }
    expect(states).toEqual(['up', 'down'])
    broker.follow(wellBehaved)
    await until(() => session.isUp)
  })
})

const suback = (messageId: number, granted: number[]) => mqttPacket.generate({ cmd: 'suback', messageId, granted })

describe('through aedes and a bad link', () => {
  test('a publish that said yes was taken, one while there is no connection says no at once', async () => {
    const taken = new Set<string>()
    const broker = await aBroker({ onMessage: async (_device, _kind, payload) => void taken.add(payload.toString()) })
    await using proxy = await startTcpProxy({ port: broker.ports.tcp ?? 0 })
    const { session, states } = aSession(sessionOptions(proxy.port))
    expect(await session.publish('hello', bytes('too early'), 1)).toBe(false)
    const chance = seeded(seed)
    const confirmed: string[] = []
    let refused = 0
    for (let cuts = 0; cuts < 25; cuts++) {
      await until(() => session.isUp)
      const burst = Array.from({ length: 20 }, async (_, i) => {
        const name = `${cuts}-${i}`
        if (await session.publish('reports', bytes(name), 1)) confirmed.push(name)
        else refused += 1
      })
      proxy.setDelay(Math.floor(chance() * 4))
      await delay(chance() * 12)
      if (cuts % 5 === 0) {
        proxy.cut()
        await until(() => !session.isUp)
        expect(await session.publish('reports', bytes('nobody there'), 1)).toBe(false)
        proxy.restore()
      } else {
        proxy.breakAll()
      }
      await Promise.all(burst)
    }
    proxy.setDelay(0)
    await until(() => session.isUp)
    expect(
      confirmed.filter((name) => !taken.has(name)),
      `seed ${seed}`,
    ).toEqual([])
    expect(confirmed.length + refused).toBe(500)
    // told in turn, never twice the same
    expect(states.every((state, i) => state === (i % 2 === 0 ? 'up' : 'down'))).toBe(true)
    expect(states.length).toBeGreaterThan(20)
    expect(taken.has('nobody there') || taken.has('too early')).toBe(false)
  })

  test('what was subscribed is heard again after every cut, what was given up is not', async () => {
    const broker = await aBroker({ mayReadBlob: async () => true })
    await using proxy = await startTcpProxy({ port: broker.ports.tcp ?? 0 })
    const { session, messages, others } = aSession(sessionOptions(proxy.port))
    const [kept, givenUp] = ['a'.repeat(64), 'b'.repeat(64)]
    // before there is a connection: it waits for the first one
    expect(await session.subscribe(chunkFilter(kept))).toBe(false)
    await until(() => session.isUp)
    expect(await session.subscribe(chunkFilter(givenUp))).toBe(true)
    await session.unsubscribe(chunkFilter(givenUp))
    for (let round = 0; round < 3; round++) {
      await broker.publish(chunkTopic(givenUp, round), bytes('not any more'), 0)
      await broker.publish(downTopic('d-1', 'ack'), bytes(`ack ${round}`), 1)
      await until(() => messages.length === round + 1)
      // a chunk at QoS 0 may come before the broker has looked up that the blob may be heard: it is asked for again
      while (!others.some(({ topic }) => topic === chunkTopic(kept, round))) {
        await broker.publish(chunkTopic(kept, round), bytes(`chunk ${round}`), 0)
        await delay(20)
      }
      proxy.breakAll()
      await until(() => !session.isUp)
      await until(() => session.isUp)
    }
    expect(messages.map(({ text }) => text)).toEqual(['ack 0', 'ack 1', 'ack 2'])
    expect([...new Set(others.map(({ topic }) => topic))]).toEqual([0, 1, 2].map((index) => chunkTopic(kept, index)))
  })

  test('subscriptions are bounded', async () => {
    const broker = await aBroker({ mayReadBlob: async () => true })
    const { session } = aSession(sessionOptions(broker.ports.tcp ?? 0))
    await until(() => session.isUp)
    const filterOf = (i: number) => chunkFilter(i.toString(16).padStart(64, '0'))
    for (let i = 0; i < filtersMax; i++) expect(await session.subscribe(filterOf(i))).toBe(true)
    await expect(session.subscribe(filterOf(filtersMax))).rejects.toThrow(RangeError)
    await session.unsubscribe(filterOf(0))
    expect(await session.subscribe(filterOf(filtersMax))).toBe(true)
  })

  test('a link that swallows everything is noticed, and the session is up again when it carries', async () => {
    const broker = await aBroker()
    await using proxy = await startTcpProxy({ port: broker.ports.tcp ?? 0 })
    const { session, states } = aSession(
      sessionOptions(proxy.port, { keepaliveSeconds: 1, deadlineMs: 500, connectTimeoutMs: 300 }),
    )
    await until(() => session.isUp)
    proxy.setSilent(true)
    expect(await session.publish('reports', bytes('x'), 1)).toBe(false)
    await until(() => !session.isUp)
    proxy.setSilent(false)
    await until(() => session.isUp)
    expect(states).toEqual(['up', 'down', 'up'])
  })

  test('a revoked secret keeps the session down and asking, a right one brings it back', async () => {
    let revoked = false
    const asked: number[] = []
    const broker = await aBroker({
      authenticate: async (device, secret) => {
        asked.push(1)
        return !revoked && secret === secretOf(device)
      },
    })
    const { session } = aSession(sessionOptions(broker.ports.tcp ?? 0))
    await until(() => session.isUp)
    revoked = true
    broker.disconnect('d-1', 'revoked')
    await until(() => asked.length > 4)
    expect(session.isUp).toBe(false)
    revoked = false
    await until(() => session.isUp)
  })

  test('closing says that it goes, and goodbye: no will is fired, nothing is heard after it', async () => {
    const heard: string[] = []
    const said: unknown[] = []
    const broker = await aScriptedBroker((packet, socket) => {
      heard.push(packet.cmd)
      if (packet.cmd === 'publish') said.push(packet.topic, decode(Presence, Buffer.from(packet.payload)))
      // what was on its way when the device left
      if (packet.cmd === 'disconnect') socket.write(published(downTopic('d-1', 'ack'), 'late'))
      else wellBehaved(packet, socket)
    })
    const { session, states, messages } = aSession(sessionOptions(broker.port))
    await until(() => session.isUp)
    await session.close()
    expect(heard.at(-1)).toBe('disconnect')
    expect(said).toEqual([upTopic('d-1', 'presence'), { ok: true, message: { state: 'gone' } }])
    expect([states, messages]).toEqual([['up'], []])
    expect(await session.publish('hello', bytes('x'), 1)).toBe(false)
    await until(() => broker.counts().open === 0)
  })

  test('the presence it leaves behind is its own topic’s, small, and not retained', async () => {
    const wills: unknown[] = []
    const broker = await aScriptedBroker((packet, socket) => {
      if (packet.cmd === 'connect') wills.push(packet.will)
      wellBehaved(packet, socket)
    })
    const { session } = aSession(sessionOptions(broker.port))
    await until(() => session.isUp)
    expect(wills).toMatchObject([{ topic: upTopic('d-1', 'presence'), qos: 1, retain: false }])
  })

  test('another client with the device’s secret and the device take turns; both come back', async () => {
    const broker = await aBroker()
    const { session, states } = aSession(sessionOptions(broker.ports.tcp ?? 0))
    await until(() => session.isUp)
    const other = await connected(aClient(broker, 'd-1'))
    await other.subscribeAsync(downFilter('d-1')).catch(() => undefined)
    await until(() => states.length >= 3)
    expect(states.slice(0, 3)).toEqual(['up', 'down', 'up'])
  })
})
