// Who is connected to the broker, what each may hear, and what was refused: the state the broker's hooks share.

import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Digest } from '@roost/shared/protocol/names.ts'
import type { PacketViolation } from '@roost/shared/protocol/packet-guard.ts'
import { parseChunkFilter } from '@roost/shared/protocol/topics.ts'
import type { Client } from 'aedes'
import type { AdmissionRefusal } from './admission.ts'
import type { ReadGate } from './read-gate.ts'
import type { ConnectRefusal, PublishRefusal } from './topic-access.ts'

export type Refusal =
  | AdmissionRefusal
  | PacketViolation
  | ConnectRefusal
  | PublishRefusal
  | 'unaccepted-bytes' // over WebSocket, before login
  | 'identity' // client id, user name and device id are not one and the same
  | 'secret'
  | 'subscription'
  | 'backlog' // the device takes too slowly what is said to it
  | 'message-failed' // the hub could not handle it; the device is to send it again

export type Connection = {
  client: Client
  stream: Duplex
  socket: Socket
  gate: ReadGate
  /** As claimed in CONNECT, from then on; true only once `accepted`. */
  device: string | undefined
  refused: ConnectRefusal | 'identity' | undefined
  /** The secret was right. */
  accepted: boolean
  filters: Set<string>
  /** Settles when the messages taken so far are dealt with. */
  handled: Promise<void>
}

export type Connections = {
  byClient: Map<Client, Connection>
  /** Those that are logged in, one for a device. */
  byDevice: Map<string, Connection>
  /** Who listens to the chunks of a blob. */
  listeners: Map<Digest, Set<Duplex>>
}

export const noConnections = (): Connections => ({ byClient: new Map(), byDevice: new Map(), listeners: new Map() })

export const cut = (connection: Connection): void => connection.client.close()

export function addFilter(connections: Connections, connection: Connection, filter: string): void {
  connection.filters.add(filter)
  const blob = parseChunkFilter(filter)
  if (blob === undefined) return
  const listening = connections.listeners.get(blob) ?? new Set()
  connections.listeners.set(blob, listening.add(connection.stream))
}

export function removeFilter(connections: Connections, connection: Connection, filter: string): void {
  connection.filters.delete(filter)
  const blob = parseChunkFilter(filter)
  const listening = blob === undefined ? undefined : connections.listeners.get(blob)
  if (blob === undefined || listening === undefined) return
  listening.delete(connection.stream)
  if (listening.size === 0) connections.listeners.delete(blob)
}

/** Forgets a connection that has ended. @returns the device that is thereby no longer connected */
export function removeConnection(connections: Connections, connection: Connection): string | undefined {
  connections.byClient.delete(connection.client)
  for (const filter of connection.filters) removeFilter(connections, connection, filter)
  connection.gate.close()
  const { device } = connection
  if (device === undefined || connections.byDevice.get(device) !== connection) return undefined
  connections.byDevice.delete(device)
  return device
}
