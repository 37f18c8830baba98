// The conversation with the hub: a fresh question at every connection, its answer recognised, a withheld one noticed
// (P3), and nothing left open when it ends.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { earlierMax } from '@roost/agent/link/link.ts'
import { Hello } from '@roost/shared/protocol/messages.ts'
import { downTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { describe, expect, test } from 'vitest'
import { startTcpProxy } from '../../../scripts/demo/tcp-proxy.ts'
import { aBroker, until } from '../../hub/fleet/a-broker.ts'
import { aLink, aScriptedBroker, connack, type Script, sessionOptions, wellBehaved } from './a-link.ts'

/** A broker of devices that say hello, the hellos it heard, and a way to answer one. */
async function aHearingBroker() {
  const hellos: Hello[] = []
  const broker = await aBroker({
    onMessage: async (_device, kind, payload) => {
      const decoded = kind === 'hello' ? decode(Hello, payload) : undefined
      if (decoded?.ok) hellos.push(decoded.message)
    },
  })
  const say = (kind: 'assign' | 'ack' | 'command', payload: Uint8Array) =>
    broker.publish(downTopic('d-1', kind), payload, 1)
  return { broker, hellos, say, port: broker.ports.tcp ?? 0 }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('a hello', () => {
  test('is said once a connection, each with a nonce of its own, and answers to earlier connections count nothing', async () => {
    const { hellos, say, port } = await aHearingBroker()
    await using proxy = await startTcpProxy({ port })
    const { link, states, assigns } = aLink(proxy.port)
    link.start()
    for (let connection = 1; connection <= 5; connection++) {
      await until(() => hellos.length === connection && link.isUp)
      await say('assign', Buffer.from(`answer ${connection}`))
      await until(() => assigns.length === connection)
      proxy.breakAll()
      await until(() => states.length === 2 * connection)
    }
    await until(() => hellos.length === 6)
    expect(new Set(hellos.map(({ nonce }) => hex(nonce))).size).toBe(6)
    expect(hellos.every(({ nonce, stale }) => nonce.length === 16 && !stale)).toBe(true)
    for (const [i, { latest, earlier, bytes }] of assigns.entries()) {
      expect(Buffer.from(bytes).toString()).toBe(`answer ${i + 1}`)
      expect([hex(latest.nonce), latest.ordinal]).toEqual([hex(hellos[i]?.nonce ?? new Uint8Array()), i + 1])
      expect(earlier).toEqual([])
    }
  })

  test('asked again names the ones before it, latest first, and no more of them than may be under way', async () => {
    const { hellos, say, port } = await aHearingBroker()
    const { link, assigns } = aLink(port)
    link.start()
    await until(() => hellos.length === 1)
    for (let i = 0; i < earlierMax + 5; i++) link.hello()
    await until(() => hellos.length === earlierMax + 6)
    await say('assign', Buffer.from('x'))
    await until(() => assigns.length === 1)
    const asked = hellos.map(({ nonce }) => hex(nonce)).reverse()
    const [{ latest, earlier } = { latest: undefined, earlier: [] }] = assigns
    expect(latest && hex(latest.nonce)).toBe(asked[0])
    expect(earlier.map(({ nonce }) => hex(nonce))).toEqual(asked.slice(1, earlierMax + 1))
  })

  test('that is not answered is said again, at growing distances; one that is answered is not', async () => {
    const { hellos, port } = await aHearingBroker()
    // a clock a thousand times as fast: the link looks at it every 250 s of its own time
    const now = () => performance.now() * 1_000
    const freshness = { helloIntervalMs: 36_000_000, helloRetryMs: 100_000, staleAfterMs: 360_000_000 }
    const { link } = aLink(port, { now, freshness })
    link.start()
    await until(() => hellos.length >= 4)
    const { count, at } = link.hellos
    link.answered()
    expect(link.withoutAnswerMs).toBeLessThan(now() - at)
    await delay(1_500)
    expect(link.hellos.count).toBe(count)
  })
})

describe('a withheld answer', () => {
  const freshness = { helloIntervalMs: 100, helloRetryMs: 50, staleAfterMs: 400 }

  test('makes the device stale, once, and the next hello says so; an answer makes it fresh again', async () => {
    const { hellos, port } = await aHearingBroker()
    const { link, stale } = aLink(port, { freshness })
    link.start()
    await until(() => link.isStale)
    const before = hellos.length
    await until(() => hellos.length > before + 1)
    expect(hellos.at(-1)?.stale).toBe(true)
    expect(stale).toEqual([true])
    link.answered()
    expect(link.isStale).toBe(false)
    expect(stale).toEqual([true, false])
    await until(() => link.isStale)
    expect(stale).toEqual([true, false, true])
  })

  test.each<[string, Script]>([
    ['whose broker refuses it', (_, socket) => void socket.end(connack(5))],
    ['whose broker cuts it', (_, socket) => socket.destroy()],
    ['whose broker hears it and says nothing', wellBehaved],
    ['whose broker sends rubbish', (_, socket) => void socket.write(Buffer.alloc(100, 0xff))],
  ])('is noticed by a device %s', async (_, script) => {
    const broker = await aScriptedBroker(script)
    const { link, stale } = aLink(broker.port, { freshness })
    link.start()
    await until(() => link.isStale)
    expect(stale).toEqual([true])
  })

  test('is not forgotten by a restart, and no assignment makes fresh by itself', async () => {
    const { say, hellos, port } = await aHearingBroker()
    const { link, assigns } = aLink(port, { alreadyWithoutMs: 700_000 })
    expect(link.isStale).toBe(true)
    link.start()
    await until(() => hellos.length === 1)
    expect(hellos[0]?.stale).toBe(true)
    await say('assign', Buffer.from('who knows'))
    await until(() => assigns.length === 1)
    // only whoever checked it may say so
    expect(link.isStale).toBe(true)
    link.answered()
    expect(link.isStale).toBe(false)
  })
})

describe('what the hub says', () => {
  test('arrives as acks and commands; what does not fit is dropped and the next is heard', async () => {
    const { hellos, say, port } = await aHearingBroker()
    const { link, acks, commands } = aLink(port)
    link.start()
    await until(() => hellos.length === 1)
    const bad = [
      Buffer.alloc(0),
      Buffer.from('not CBOR'),
      Buffer.from([0xff]),
      Buffer.from([0x9a, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from('81'.repeat(5_000), 'hex'),
      encode({}),
      encode({ epoch: 'x', seq: 1 }),
      encode({ epoch: '0123456789abcdef', seq: -1 }),
      encode({ kind: 'rm -rf' }),
      encode({ kind: 'log-level', level: 'silent' }),
      encode([1, 2, 3]),
    ]
    for (const payload of bad) {
      await say('ack', payload)
      await say('command', payload)
    }
    await say('ack', encode({ epoch: '0123456789abcdef', seq: 7, future: true }))
    await say('command', encode({ kind: 'report-now' }))
    await until(() => acks.length > 0 && commands.length > 0)
    expect(acks).toEqual([{ epoch: '0123456789abcdef', seq: 7 }])
    expect(commands).toEqual([{ kind: 'report-now' }])
    expect(link.isUp).toBe(true)
  })
})

describe('a process whose link is closed', () => {
  const refusesToAnswer: Script = () => undefined
  const neverGrants: Script = (packet, socket) => {
    if (packet.cmd === 'connect') socket.write(connack())
  }
  const neverAcknowledges: Script = (packet, socket) => {
    if (packet.cmd === 'connect' || packet.cmd === 'subscribe') wellBehaved(packet, socket)
  }

  test.each<[string, string, Script]>([
    ['while all is well', 'up', wellBehaved],
    ['while it waits to try again', 'waiting', (_, socket) => socket.destroy()],
    ['while the broker does not answer CONNECT', 'connecting', refusesToAnswer],
    ['while the broker does not answer SUBSCRIBE', 'greeting', neverGrants],
    ['while a hello and a report are not acknowledged', 'publishing', neverAcknowledges],
  ])('%s has no timer and no socket left, and ends by itself', async (_, state, script) => {
    const heard: string[] = []
    const broker = await aScriptedBroker((packet, socket) => {
      heard.push(packet.cmd)
      script(packet, socket)
    })
    const file = join(import.meta.dirname, 'closing-child.ts')
    const child = spawn(process.execPath, [file, String(broker.port), state], { stdio: ['pipe', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (piece) => {
      output += String(piece)
    })
    // not `exit`, which may come before the last of what it said
    const exited = once(child, 'close')
    if (state === 'connecting') await until(() => heard.includes('connect'))
    if (state === 'greeting') await until(() => heard.includes('subscribe'))
    child.stdin.write('close\n')
    // stdin stays open on this side: only the link could keep the process
    const [code] = await exited
    child.stdin.destroy()
    expect([code, output]).toEqual([0, 'closed []\n'])
    await until(() => broker.counts().open === 0)
  })

  test('never started has nothing to close', async () => {
    const { link } = aLink(1, sessionOptions(1))
    await link.close()
    expect(link.isUp).toBe(false)
  })
})
