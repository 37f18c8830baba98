// Builders for the link's tests: sessions and links with short times, and a broker that does what a script says.

import { randomBytes } from 'node:crypto'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Link, type LinkHandlers, type LinkOptions, type Question } from '@roost/agent/link/link.ts'
import { Session, type SessionOptions } from '@roost/agent/link/session.ts'
import type { Ack, Command } from '@roost/shared/protocol/messages.ts'
import type { DownKind } from '@roost/shared/protocol/topics.ts'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { onTestFinished } from 'vitest'
import { secretOf } from '../../hub/fleet/a-broker.ts'
import { aHello } from '../../hub/fleet/a-fleet.ts'

const nothing = () => undefined
export const silentLog = { debug: nothing, info: nothing, warn: nothing }
export const random = (length: number) => new Uint8Array(randomBytes(length))

/** Patient enough for a busy machine, short enough for a test of what never comes. */
export const sessionOptions = (port: number, over: Partial<SessionOptions> = {}): SessionOptions => ({
  url: `mqtt://127.0.0.1:${port}`,
  device: 'd-1',
  secret: secretOf('d-1'),
  ca: undefined,
  backoff: { minMs: 5, maxMs: 40 },
  deadlineMs: 5_000,
  connectTimeoutMs: 5_000,
  now: () => performance.now(),
  random,
  log: silentLog,
  ...over,
})

export type HeardSession = {
  session: Session
  /** `up` and `down` in the order they were told. */
  states: string[]
  messages: { kind: DownKind; text: string }[]
  others: { topic: string; text: string }[]
}

/** A session that was started; closed when the test ends. */
export function aSession(options: SessionOptions): HeardSession {
  const states: string[] = []
  const messages: HeardSession['messages'] = []
  const others: HeardSession['others'] = []
  const session = new Session(options, {
    onUp: () => states.push('up'),
    onDown: () => states.push('down'),
    onMessage: (kind, bytes) => messages.push({ kind, text: Buffer.from(bytes).toString() }),
    onOther: (topic, bytes) => others.push({ topic, text: Buffer.from(bytes).toString() }),
  })
  session.start()
  onTestFinished(() => session.close())
  return { session, states, messages, others }
}

export type HeardLink = {
  link: Link
  states: string[]
  stale: boolean[]
  assigns: { bytes: Uint8Array; latest: Question; earlier: readonly Question[] }[]
  acks: Ack[]
  commands: Command[]
}

/** A link with its own clock if wanted; not started yet. Closed when the test ends. */
export function aLink(port: number, over: Partial<LinkOptions> = {}, on: Partial<LinkHandlers> = {}): HeardLink {
  const heard = { states: [], stale: [], assigns: [], acks: [], commands: [] }
  const { states, stale, assigns, acks, commands }: Omit<HeardLink, 'link'> = heard
  const link = new Link(
    {
      ...sessionOptions(port),
      freshness: { helloIntervalMs: 60_000, helloRetryMs: 60_000, staleAfterMs: 600_000 },
      alreadyWithoutMs: 0,
      describe: () => {
        const { nonce: _, stale: __, ...rest } = aHello()
        return rest
      },
      ...over,
    },
    {
      onAssign: (bytes, questions) => assigns.push({ bytes, ...questions }),
      onAck: (ack) => acks.push(ack),
      onCommand: (command) => commands.push(command),
      onOther: nothing,
      onUp: () => states.push('up'),
      onDown: () => states.push('down'),
      onStale: (now) => stale.push(now),
      ...on,
    },
  )
  onTestFinished(() => link.close())
  return { link, states, stale, assigns, acks, commands }
}

/** What the scripted broker does with a packet. */
export type Script = (packet: Packet, socket: Socket) => void

export type ScriptedBroker = {
  port: number
  /** Changes what it does from the next packet on. */
  follow: (script: Script) => void
  /** Cuts all that are connected. */
  cut: () => void
  /** Connections so far, those open now, and the most that were open at a time. */
  counts: () => { connections: number; open: number; openMost: number }
}

/** A peer on the other end that reads MQTT and answers as `script` says. */
export async function aScriptedBroker(first: Script, onConnection: (socket: Socket) => void = nothing) {
  let script = first
  const open = new Set<Socket>()
  const counts = { connections: 0, openMost: 0 }
  const server = createServer((socket) => {
    counts.connections += 1
    open.add(socket)
    counts.openMost = Math.max(counts.openMost, open.size)
    socket.on('error', nothing)
    socket.once('close', () => open.delete(socket))
    const parser = mqttPacket.parser()
    parser.on('packet', (packet) => script(packet, socket))
    parser.on('error', () => socket.destroy())
    socket.on('data', (data) => parser.parse(data))
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const socket of open) socket.destroy()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  })
  const broker: ScriptedBroker = {
    port: (server.address() as AddressInfo).port, // listening on TCP, so it is no pipe name and not null
    follow: (next) => {
      script = next
    },
    cut: () => {
      for (const socket of open) socket.destroy()
    },
    counts: () => ({ ...counts, open: open.size }),
  }
  return broker
}

export const connack = (returnCode = 0) => mqttPacket.generate({ cmd: 'connack', returnCode, sessionPresent: false })

export const published = (topic: string, payload: string | Buffer) =>
  mqttPacket.generate({ cmd: 'publish', topic, payload, qos: 0, dup: false, retain: false })

/** What an honest broker answers. */
export const wellBehaved: Script = (packet, socket) => {
  if (packet.cmd === 'connect') socket.write(connack())
  if (packet.cmd === 'subscribe') {
    const { messageId = 0, subscriptions } = packet
    socket.write(mqttPacket.generate({ cmd: 'suback', messageId, granted: subscriptions.map(() => 1) }))
  }
  if (packet.cmd === 'publish' && packet.qos === 1)
    socket.write(mqttPacket.generate({ cmd: 'puback', messageId: packet.messageId ?? 0 }))
  if (packet.cmd === 'unsubscribe')
    socket.write(mqttPacket.generate({ cmd: 'unsuback', messageId: packet.messageId ?? 0, granted: [] }))
  if (packet.cmd === 'pingreq') socket.write(mqttPacket.generate({ cmd: 'pingresp' }))
  if (packet.cmd === 'disconnect') socket.destroy()
}
