// One device, one connection: takeovers, revocation, and what one bad connection may do to all others.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import { chunkFilter, chunkTopic, downFilter, downTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { aBroker, aClient, aSocket, closed, connected, outcomeOf, until } from './a-broker.ts'

const blob = 'c'.repeat(64)

describe('a device that is connected', () => {
  test('stays so when somebody else comes with its name and a wrong secret, a hundred times', async () => {
    const events: string[] = []
    const broker = await aBroker({
      onConnect: (device) => events.push(`+${device}`),
      onDisconnect: (device) => events.push(`-${device}`),
    })
    const victim = await connected(aClient(broker, 'd-1'))
    await victim.subscribeAsync(downFilter('d-1'))
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => outcomeOf(aClient(broker, 'd-1', { password: 'wrong' }))),
    )
    expect(outcomes.every(({ connected }) => !connected)).toBe(true)
    let got = 0
    victim.on('message', () => {
      got += 1
    })
    await broker.publish(downTopic('d-1', 'ack'), Buffer.from('x'), 1)
    await until(() => got === 1)
    await victim.publishAsync(upTopic('d-1', 'hello'), 'x', { qos: 1 })
    expect(events).toEqual(['+d-1'])
    expect(broker.refusals().get('secret')).toBe(100)
  })

  test('is replaced by its own new connection, and is reported gone and back in this order', async () => {
    const events: string[] = []
    const broker = await aBroker({
      onConnect: (device) => events.push(`+${device}`),
      onDisconnect: (device) => events.push(`-${device}`),
    })
    const first = await connected(aClient(broker, 'd-1'))
    const end = closed(first)
    const second = await connected(aClient(broker, 'd-1'))
    await end
    let got = 0
    second.on('message', () => {
      got += 1
    })
    await second.subscribeAsync(downFilter('d-1'))
    await broker.publish(downTopic('d-1', 'ack'), Buffer.from('x'), 1)
    await until(() => got === 1)
    expect(broker.isConnected('d-1')).toBe(true)
    expect(events).toEqual(['+d-1', '-d-1', '+d-1'])
  })

  test('ends with one connection when twenty of its own race', async () => {
    let balance = 0
    const broker = await aBroker({
      onConnect: () => {
        balance += 1
      },
      onDisconnect: () => {
        balance -= 1
      },
    })
    const clients = Array.from({ length: 20 }, () => aClient(broker, 'd-1'))
    await Promise.all(clients.map(outcomeOf))
    await until(() => clients.filter((client) => client.connected).length === 1 && balance === 1)
    const winner = clients.find((client) => client.connected)
    await winner?.subscribeAsync(downFilter('d-1'))
    let got = 0
    winner?.on('message', () => {
      got += 1
    })
    await broker.publish(downTopic('d-1', 'ack'), Buffer.from('x'), 1)
    await until(() => got === 1)
    broker.disconnect('d-1', 'test')
    await until(() => balance === 0)
    expect(broker.connectedDevices()).toEqual([])
  })

  test('is cut by disconnect, also while it is logging in', async () => {
    let answer: (right: boolean) => void = () => undefined
    let asked = 0
    const broker = await aBroker({
      authenticate: (device) => {
        if (device === 'd-1') return Promise.resolve(true)
        asked += 1
        return new Promise((resolve) => {
          answer = resolve
        })
      },
    })
    const online = await connected(aClient(broker, 'd-1'))
    const other = await connected(aClient(broker, 'd-1', { clientId: 'd-1' }))
    const end = closed(other)
    broker.disconnect('d-1', 'revoked')
    await end
    await until(() => !online.connected)

    const arriving = aClient(broker, 'd-2')
    const outcome = outcomeOf(arriving)
    await until(() => asked === 1)
    broker.disconnect('d-2', 'revoked')
    answer(true)
    expect((await outcome).connected).toBe(false)
    expect(broker.connectedDevices()).toEqual([])
  })
})

describe('a device that takes nothing', () => {
  test('does not keep thirty others from their chunks', async () => {
    const broker = await aBroker({ mayReadBlob: async () => true, limits: { drainTimeoutMs: 60_000 } })
    const chunks = 400
    const payload = Buffer.alloc(65_536, 7)
    const stalled = await connected(aClient(broker, 'stalled'))
    await stalled.subscribeAsync([chunkFilter(blob), downFilter('stalled')])
    stalled.stream.pause()
    const counts = await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const client = await connected(aClient(broker, `d-${i}`))
        const seen = new Set<string>()
        client.on('message', (topic) => seen.add(topic))
        await client.subscribeAsync(chunkFilter(blob))
        return seen
      }),
    )
    // as the chunk server does: four at a time, and again what somebody still misses
    for (;;) {
      const missing = Array.from({ length: chunks }, (_, i) => chunkTopic(blob, i)).filter((topic) =>
        counts.some((seen) => !seen.has(topic)),
      )
      if (missing.length === 0) break
      for (let i = 0; i < missing.length; i += 4) {
        await Promise.all(missing.slice(i, i + 4).map((topic) => broker.publish(topic, payload, 0)))
      }
    }
    expect(stalled.connected).toBe(true)
  })

  test('does not keep others from what is said to them, and is cut', async () => {
    const left: string[] = []
    const broker = await aBroker({
      limits: { drainTimeoutMs: 1_000 },
      onDisconnect: (device) => left.push(device),
    })
    const stalled = await connected(aClient(broker, 'stalled'))
    const fast = await connected(aClient(broker, 'fast'))
    await stalled.subscribeAsync(downFilter('stalled'))
    await fast.subscribeAsync(downFilter('fast'))
    stalled.stream.pause()
    let got = 0
    fast.on('message', () => {
      got += 1
    })
    const sent: Promise<void>[] = []
    for (let i = 0; i < 300; i += 1) {
      sent.push(broker.publish(downTopic('stalled', 'assign'), Buffer.alloc(65_536), 1))
      sent.push(broker.publish(downTopic('fast', 'assign'), Buffer.alloc(100), 1))
    }
    await until(() => got === 300)
    await until(() => left.includes('stalled'))
    await Promise.all(sent)
    expect(broker.isConnected('fast')).toBe(true)
  })

  test('is cut when too much waits for it, before the time limit', async () => {
    const broker = await aBroker({ limits: { drainTimeoutMs: 600_000, backlogBytesMax: 1_000_000 } })
    const stalled = await connected(aClient(broker, 'stalled'))
    await stalled.subscribeAsync(downFilter('stalled'))
    stalled.stream.pause()
    const sent: Promise<void>[] = []
    for (let i = 0; broker.isConnected('stalled') && i < 1_000; i += 1) {
      sent.push(broker.publish(downTopic('stalled', 'assign'), Buffer.alloc(65_536), 1))
      await delay(1)
    }
    await Promise.all(sent)
    expect(broker.refusals().get('backlog')).toBeGreaterThanOrEqual(1)
    expect(broker.isConnected('stalled')).toBe(false)
  })
})

describe('WebSocket', () => {
  const listen = { webSocket: { host: '127.0.0.1', port: 0 } }

  test('carries the same protocol under the same rules', async () => {
    const heard: string[] = []
    const broker = await aBroker({
      listen,
      onMessage: async (device, kind) => {
        heard.push(`${device} ${kind}`)
      },
    })
    const url = `ws://127.0.0.1:${broker.ports.webSocket}`
    const client = await connected(aClient(broker, 'd-1', { url }))
    await client.subscribeAsync(downFilter('d-1'))
    await expect(client.subscribeAsync('#')).rejects.toThrow()
    await client.publishAsync(upTopic('d-1', 'hello'), Buffer.alloc(500_000), { qos: 1 })
    expect(heard).toEqual(['d-1 hello'])
    expect((await outcomeOf(aClient(broker, 'd-1', { url, password: 'wrong' }))).connected).toBe(false)
    broker.disconnect('d-1', 'test')
    await until(() => !client.connected)
  })

  test('a long frame before login is cut long before it is whole', async () => {
    const broker = await aBroker({ listen })
    const socket = new WebSocket(`ws://127.0.0.1:${broker.ports.webSocket}`, ['mqtt'])
    socket.on('error', () => undefined)
    await new Promise((resolve) => socket.once('open', resolve))
    const end = new Promise((resolve) => socket.once('close', resolve))
    socket.send(Buffer.alloc(1_000_000, 0x10))
    await end
    expect(broker.refusals().get('unaccepted-bytes')).toBe(1)
  })

  test('an upgrade that trickles in, and one never followed by MQTT, meet the time limit', async () => {
    const broker = await aBroker({ listen, limits: { connectTimeoutMs: 300 } })
    const half = await aSocket(broker, broker.ports.webSocket)
    half.write('GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n')
    const idle = new WebSocket(`ws://127.0.0.1:${broker.ports.webSocket}`, ['mqtt'])
    idle.on('error', () => undefined)
    await Promise.all([closed(half), new Promise((resolve) => idle.once('close', resolve))])
    expect(broker.refusals().get('connect-timeout')).toBe(2)
  })

  test('plain HTTP is told to upgrade', async () => {
    const broker = await aBroker({ listen })
    const response = await fetch(`http://127.0.0.1:${broker.ports.webSocket}/`)
    expect(response.status).toBe(426)
  })
})

describe('TLS', () => {
  const tls = {
    key: readFileSync(new URL('../../fixtures/tls/key.pem', import.meta.url)),
    cert: readFileSync(new URL('../../fixtures/tls/cert.pem', import.meta.url)),
  }
  const listen = { tcp: { host: '127.0.0.1', port: 0 }, webSocket: { host: '127.0.0.1', port: 0 }, tls }

  test('serves both ways in, with the same login', async () => {
    const broker = await aBroker({ listen })
    const options = { ca: [tls.cert], servername: 'localhost' }
    const urls = [`mqtts://127.0.0.1:${broker.ports.tcp}`, `wss://localhost:${broker.ports.webSocket}`]
    for (const [i, url] of urls.entries()) {
      const client = await connected(aClient(broker, `d-${i}`, { ...options, url }))
      await client.publishAsync(upTopic(`d-${i}`, 'hello'), 'x', { qos: 1 })
      expect((await outcomeOf(aClient(broker, `d-${i}`, { ...options, url, password: 'no' }))).connected).toBe(false)
    }
    expect(broker.connectedDevices().toSorted()).toEqual(['d-0', 'd-1'])
  })

  test('a handshake that never ends, and one never followed by MQTT, meet the time limit', async () => {
    const broker = await aBroker({ listen, limits: { connectTimeoutMs: 400 } })
    const half = await aSocket(broker)
    half.write(Buffer.from([0x16, 3, 1]))
    const idle = tlsConnect({ host: '127.0.0.1', port: broker.ports.tcp, ca: [tls.cert], servername: 'localhost' })
    await Promise.all([closed(half), closed(idle)])
    expect(broker.refusals().get('connect-timeout')).toBe(2)
  })

  test('256 MiB announced inside TLS are cut as well', async () => {
    const broker = await aBroker({ listen })
    const socket = tlsConnect({ host: '127.0.0.1', port: broker.ports.tcp, ca: [tls.cert], servername: 'localhost' })
    socket.write(Buffer.from([0x10, 0xff, 0xff, 0xff, 0x7f]))
    await closed(socket)
    expect(broker.refusals().get('packet-too-long')).toBe(1)
  })
})
