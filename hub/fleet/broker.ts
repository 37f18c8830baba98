// The embedded MQTT broker: aedes, and around it everything aedes does not guard by itself (docs/protocol.md lists it).
// It knows devices, topics and secrets, and nothing of what the messages mean. mosquitto/broker.ts can stand in its place.

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { connectByte } from '@roost/shared/protocol/packet-guard.ts'
import { parseChunkTopic } from '@roost/shared/protocol/topics.ts'
import { Aedes, type PublishPacket } from 'aedes'
import type { Logger } from 'pino'
import { type AdmissionLimits, createAdmission } from './admission.ts'
import { broadcast, publishPacket } from './broadcast.ts'
import { brokerHooks, type Decisions } from './broker-hooks.ts'
import { type Connection, cut, noConnections, type Refusal, removeConnection, removeFilter } from './connections.ts'
import { type ListenOptions, openListeners, type Ports } from './listeners.ts'
import { guardReads, readBudget } from './read-gate.ts'

export type BrokerLimits = AdmissionLimits & {
  /** A device whose socket takes nothing for this long is cut. */
  drainTimeoutMs: number
  /** Longest keep-alive a device may ask for; none at all is refused. */
  keepAliveSecondsMax: number
  /** Filters one device may have at a time; the next one is refused. */
  subscriptionsMax: number
  /** Bytes waiting in a device's socket beyond which it is cut: what it needs it gets after its next hello. */
  backlogBytesMax: number
  /** Messages in hand and unfinished packets, over all devices; beyond that nothing more is read. */
  heldBytesMax: number
}

export const brokerLimits: BrokerLimits = {
  connectionsMax: 20_000,
  // a site with many gateways behind one address
  connectionsPerAddressMax: 2_000,
  unacceptedMax: 2_000,
  unacceptedPerAddressMax: 500,
  connectTimeoutMs: 10_000,
  drainTimeoutMs: 10_000,
  keepAliveSecondsMax: 300,
  // 64 deployments of 4 files, twice while an assignment changes
  subscriptionsMax: 512,
  backlogBytesMax: 4 * messageBytesMax,
  heldBytesMax: 64 * messageBytesMax,
}

export type BrokerOptions = Decisions & {
  listen: ListenOptions
  limits?: Partial<BrokerLimits>
  onConnect: (device: string) => void
  onDisconnect: (device: string) => void
  log: Logger
}

export type Broker = {
  ports: Ports
  /** Chunk topics go to all who listen (QoS 0, see broadcast.ts), others to the one device that may hear them.
   *  Resolves when the bytes are handed over or the receiver is given up; nothing is kept for who is not there. */
  publish: (topic: string, payload: Uint8Array, qos: 0 | 1) => Promise<void>
  /** Devices came or went, or a device may read other blobs. Resolves when the broker goes by it, or after some seconds. */
  accessChanged: () => Promise<void>
  /** Cuts every connection of the device, one that is just logging in included. */
  disconnect: (device: string, reason: string) => void
  connectedDevices: () => string[]
  isConnected: (device: string) => boolean
  /** Whether anyone would get a chunk of the blob. */
  isListenedFor: (blob: Digest) => boolean
  /** What was refused since the start, by reason. */
  refusals: () => ReadonlyMap<Refusal, number>
  /** Cuts everybody and waits for the messages in hand. */
  close: () => Promise<void>
}

/** A CONNECT with a will, a SUBSCRIBE to every blob of a device: both stay far below. */
export const controlBytesMax = 16_384
/** Topic and packet id of a PUBLISH, beside its payload. */
const publishOverheadBytes = 256
const packetLimits = {
  firstByte: connectByte,
  unacceptedBytesMax: controlBytesMax,
  publishBytesMax: messageBytesMax + publishOverheadBytes,
  controlBytesMax,
}

/** @throws the error of listen(2) */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const { onConnect, onDisconnect, log } = options
  const limits: BrokerLimits = { ...brokerLimits, ...options.limits }
  const connections = noConnections()
  const budget = readBudget(limits.heldBytesMax)
  const refusals = new Map<Refusal, number>()

  const refuse = (refusal: Refusal, device?: string) => {
    refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1)
    log.debug({ refusal, device }, 'MQTT refused')
  }
  const admission = createAdmission(limits, refuse)

  const aedes = await Aedes.createBroker({
    ...brokerHooks(connections, options, limits, refuse, log),
    // No bound on messages on their way through aedes as a whole: with one, some stalled devices stop all others.
    // Each device has its own instead (backlogBytesMax).
    concurrency: 0,
    connectTimeout: limits.connectTimeoutMs,
    drainTimeout: limits.drainTimeoutMs,
    keepaliveLimit: limits.keepAliveSecondsMax,
    maxInflightInbound: 1,
  })
  aedes.on('clientReady', (client) => {
    const connection = connections.byClient.get(client)
    if (connection?.device === undefined || client.closed) return
    const previous = connections.byDevice.get(connection.device)
    if (previous !== undefined) end(previous)
    connections.byDevice.set(connection.device, connection)
    admission.accept(connection.socket)
    onConnect(connection.device)
  })
  aedes.on('unsubscribe', (filters, client) => {
    const connection = connections.byClient.get(client)
    if (connection !== undefined) for (const filter of filters) removeFilter(connections, connection, filter)
  })

  const end = (connection: Connection) => {
    cut(connection)
    const gone = removeConnection(connections, connection)
    if (gone !== undefined) onDisconnect(gone)
  }

  const serve = (stream: Duplex, socket: Socket) => {
    const isAccepted = () => connection.accepted
    const gate = guardReads(stream, budget, packetLimits, isAccepted, (violation) => {
      refuse(violation, connection.device)
      stream.destroy()
    })
    // aedes never reads in this call, so `connection` is there before the first byte.
    const connection: Connection = {
      client: aedes.handle(stream),
      stream,
      socket,
      gate,
      device: undefined,
      refused: undefined,
      accepted: false,
      filters: new Set(),
      handled: Promise.resolve(),
    }
    connections.byClient.set(connection.client, connection)
    stream.once('close', () => end(connection))
    return isAccepted
  }

  const webSocketLimits = {
    messageBytesMax: packetLimits.publishBytesMax + publishOverheadBytes,
    unacceptedReadBytesMax: 4 * controlBytesMax,
    onRefused: refuse,
  }
  const stopAedes = () => new Promise<void>((resolve) => aedes.close(resolve))
  const listeners = await openListeners(options.listen, admission, webSocketLimits, serve, log).catch(
    async (error: unknown) => {
      await stopAedes()
      throw error
    },
  )

  return {
    ports: listeners.ports,
    publish: async (topic, payload, qos) => {
      const chunk = parseChunkTopic(topic)
      if (chunk === undefined) return publishThrough(aedes, topic, payload, qos)
      const listening = connections.listeners.get(chunk.blob)
      if (listening !== undefined) await broadcast(listening, publishPacket(topic, payload))
    },
    // it asks each time
    accessChanged: () => Promise.resolve(),
    disconnect: (device, reason) => {
      const theirs = [...connections.byClient.values()].filter((connection) => connection.device === device)
      if (theirs.length > 0) log.info({ device, reason }, 'device disconnected')
      for (const connection of theirs) end(connection)
    },
    connectedDevices: () => [...connections.byDevice.keys()],
    isListenedFor: (blob) => connections.listeners.has(blob),
    isConnected: (device) => connections.byDevice.has(device),
    refusals: () => refusals,
    close: async () => {
      const inHand = [...connections.byClient.values()].map(({ handled }) => handled)
      await listeners.close()
      await Promise.all(inHand)
      await stopAedes()
    },
  }
}

function publishThrough(aedes: Aedes, topic: string, payload: Uint8Array, qos: 0 | 1): Promise<void> {
  const packet: PublishPacket = { cmd: 'publish', topic, payload: Buffer.from(payload), qos, retain: false, dup: false }
  return new Promise((resolve, reject) => {
    aedes.publish(packet, (error) => (error ? reject(error) : resolve()))
  })
}
