// The fleet as a running thing: broker, sessions, chunk server and presence, put together and taken apart here.
// Others speak to devices only through this.

import type { Command } from '@roost/shared/protocol/messages.ts'
import { downTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { createDeltas } from '../deltas/deltas.ts'
import type { Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { createAssigner } from './assign.ts'
import { type Broker, type BrokerLimits, type BrokerOptions, startBroker } from './broker.ts'
import { type ChunkServerLimits, createChunkServer } from './chunks.ts'
import { storeWishes, type Wish } from './desired.ts'
import { addFleetMetrics } from './metrics.ts'
import { admittedDevices } from './mosquitto/admitted.ts'
import { startMosquitto } from './mosquitto/broker.ts'
import { createPresence } from './presence.ts'
import { createSession, type ReportsPort } from './session.ts'
import { createWriteGatherer } from './write-gatherer.ts'

export type Fleet = {
  ports: Broker['ports']
  isConnected: (device: string) => boolean
  connectedDevices: () => string[]
  /** Writes the wishes, then tells those of the devices that are connected. `change` is recorded if they change anything. */
  desire: (wishes: readonly Wish[], change?: Change) => Promise<void>
  /** Tells these devices, those that are connected, what is wanted of them now. Does not wait for them. */
  push: (devices: readonly string[]) => void
  command: (device: string, command: Command) => Promise<void>
  /** Devices came or went. Resolves when the broker lets them in or keeps them out, or after some seconds. */
  accessChanged: () => Promise<void>
  /** Cuts the device off. It comes back unless it was revoked. */
  disconnect: (device: string, reason: string) => void
  chunkCounts: () => Readonly<{ read: number; published: number }>
  /** Makes the patches that the devices of a rollout will need. Does not wait for them. */
  prepare: (rollout: string) => void
  /** Resolves when every patch that was asked for is made, or will not be. */
  patchesMade: () => Promise<void>
  close: () => Promise<void>
}

export type FleetOptions = { brokerLimits?: Partial<BrokerLimits>; chunkLimits?: Partial<ChunkServerLimits> }

/** @throws the error of listen(2) */
export async function startFleet(hub: Hub, reports: ReportsPort, options: FleetOptions = {}): Promise<Fleet> {
  const { database, blobs, clock, log } = hub
  const onError = (error: unknown) => log.error({ err: error }, 'a device could not be told, or noted')
  const writer = createWriteGatherer(database)
  const publish: Broker['publish'] = (topic, payload, qos) => broker.publish(topic, payload, qos)
  const chunks = createChunkServer({
    blobs,
    publish,
    mayReadBlob: hub.mayReadBlob,
    isListenedFor: (blob) => broker.isListenedFor(blob),
    clock,
    log,
    ...(options.chunkLimits === undefined ? {} : { limits: options.chunkLimits }),
  })
  const deltas = createDeltas(hub, (devices) => push(devices))
  const session = createSession({ hub, publish, assigner: createAssigner(hub, deltas.offer), writer, chunks, reports })
  const presence = createPresence({
    write: writer.write,
    connectedDevices: () => broker.connectedDevices(),
    clock,
    onError,
  })
  const broker: Broker = await openBroker(hub, options.brokerLimits, {
    onMessage: session.onMessage,
    onConnect: (device) => log.debug({ device }, 'device connected'),
    onDisconnect: (device) => {
      log.debug({ device }, 'device gone')
      session.onDisconnect(device)
      presence.onDisconnect(device)
    },
  }).catch(async (error: unknown) => {
    await presence.close()
    throw error
  })
  addFleetMetrics(hub.metrics, broker, session, chunks)

  const push = (devices: readonly string[]) => {
    void broker.accessChanged()
    chunks.holdWhile(session.push(devices))
  }
  return {
    ports: broker.ports,
    isConnected: broker.isConnected,
    connectedDevices: broker.connectedDevices,
    desire: async (wishes, change) => {
      await storeWishes(database, wishes, clock(), change)
      push(wishes.map(({ device }) => device))
    },
    push,
    command: (device, command) => publish(downTopic(device, 'command'), encode(command), 1),
    accessChanged: broker.accessChanged,
    disconnect: broker.disconnect,
    chunkCounts: chunks.counts,
    prepare: (rollout) => void deltas.prepare(rollout).catch(onError),
    patchesMade: deltas.settled,
    close: async () => {
      await broker.close()
      await chunks.close()
      await deltas.close()
      await presence.close()
      await writer.close()
    },
  }
}

/** The hub's own, or the operator's where the settings name one.
 *  @throws the error of listen(2), or of writing the other broker's files */
function openBroker(
  hub: Hub,
  limits: Partial<BrokerLimits> | undefined,
  handlers: Pick<BrokerOptions, 'onMessage' | 'onConnect' | 'onDisconnect'>,
): Promise<Broker> {
  const { config, database, clock, random, log } = hub
  if (config.broker !== undefined) {
    const readAdmitted = () => admittedDevices(database)
    const { brokerAuthority } = hub
    return startMosquitto({ ...config.broker, brokerAuthority, ...handlers, readAdmitted, clock, random, log })
  }
  return startBroker({
    ...handlers,
    listen: {
      tcp: { host: config.mqttHost, port: config.mqttPort },
      webSocket: { host: config.mqttHost, port: config.mqttWsPort },
      tls: hub.tls,
    },
    authenticate: hub.authenticateDevice,
    mayReadBlob: hub.mayReadBlob,
    log,
    ...(limits === undefined ? {} : { limits }),
  })
}
