// What aedes asks before it lets anything pass: who connects, what is published, subscribed to, and delivered.

import { DeviceId, type Digest } from '@roost/shared/protocol/names.ts'
import type { UpKind } from '@roost/shared/protocol/topics.ts'
import type { AedesOptions, AuthenticateError } from 'aedes'
import type { Logger } from 'pino'
import { addFilter, type Connection, type Connections, cut, type Refusal } from './connections.ts'
import { isDownTopic, judgeFilter, judgePublish, refuseConnect } from './topic-access.ts'

export type Decisions = {
  /** Whether `secret` is the device's. */
  authenticate: (device: string, secret: string) => Promise<boolean>
  /** Whether the blob is assigned to the device. */
  mayReadBlob: (device: string, blob: Digest) => Promise<boolean>
  /** Awaited before a QoS 1 message is acknowledged, one after the other for a device; a rejection cuts the
   *  connection, so that the device sends the message again. */
  onMessage: (device: string, kind: UpKind, payload: Uint8Array) => Promise<void>
}

type Hooks = Required<
  Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe' | 'authorizeForward'>
>

export function brokerHooks(
  connections: Connections,
  decisions: Decisions,
  limits: { subscriptionsMax: number; backlogBytesMax: number },
  refuse: (refusal: Refusal, device?: string) => void,
  log: Logger,
): Hooks {
  return {
    preConnect: (client, packet, done) => {
      const connection = connections.byClient.get(client)
      if (connection === undefined) return done(new Error('the connection is gone'), false)
      const { clientId, username, clean, will } = packet
      const named = clientId === username && DeviceId.safeParse(clientId).success
      connection.device = named ? clientId : undefined
      connection.refused = named ? refuseConnect(clientId, clean === true, will) : 'identity'
      // The broker sees for itself when a device goes; a will it kept would be fired when the device reconnects.
      delete packet.will
      // Refused in `authenticate`, where the device can be told so.
      done(null, true)
    },

    authenticate: (client, _username, password, done) => {
      const connection = connections.byClient.get(client)
      const { device, refused } = connection ?? {}
      if (connection === undefined || device === undefined || refused !== undefined || password === undefined) {
        refuse(refused ?? 'secret', device)
        return done(notAuthorized(refused ?? 'secret'), false)
      }
      decisions.authenticate(device, password.toString()).then(
        (right) => {
          if (!right) refuse('secret', device)
          connection.accepted = right
          done(right ? null : notAuthorized('secret'), right)
        },
        (error: unknown) => {
          log.error({ err: error, device }, 'could not tell whether a secret is right')
          done(unavailable(), false)
        },
      )
    },

    // Runs before PUBACK: what is awaited here is done when the device may forget the message.
    authorizePublish: (client, packet, done) => {
      const connection = client === null ? undefined : connections.byClient.get(client)
      const device = connection?.device
      if (connection === undefined || device === undefined) return done(new Error('the connection is gone'))
      const verdict = judgePublish(device, packet)
      if ('refused' in verdict) {
        refuse(verdict.refused, device)
        return done(new Error(verdict.refused))
      }
      const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload
      const release = connection.gate.take(payload.length)
      const handle = () =>
        isGone(connections, connection) ? undefined : decisions.onMessage(device, verdict.kind, payload)
      connection.handled = connection.handled
        .then(handle)
        .then(
          () => done(),
          (error: unknown) => {
            refuse('message-failed', device)
            log.error({ err: error, device, kind: verdict.kind }, 'a message could not be handled, the device is cut')
            done(new Error('message-failed'))
          },
        )
        .finally(release)
    },

    authorizeSubscribe: (client, subscription, done) => {
      const connection = connections.byClient.get(client)
      const device = connection?.device
      const verdict = device === undefined ? undefined : judgeFilter(device, subscription.topic)
      const deny = () => {
        refuse('subscription', device)
        done(null, null)
      }
      const allow = (allowed: Connection) => {
        if (allowed.filters.size >= limits.subscriptionsMax) return deny()
        addFilter(connections, allowed, subscription.topic)
        done(null, subscription)
      }
      if (connection === undefined || device === undefined || verdict === undefined || subscription.qos > 1)
        return deny()
      if (verdict === 'down') return allow(connection)
      decisions.mayReadBlob(device, verdict.blob).then(
        (may) => (may && !isGone(connections, connection) ? allow(connection) : deny()),
        (error: unknown) => {
          log.error({ err: error, device, blob: verdict.blob }, 'could not tell whether a blob may be read')
          deny()
        },
      )
    },

    // Second line: whatever was subscribed to, aedes delivers only what is said to this device. Chunks go another way.
    authorizeForward: (client, packet) => {
      const connection = connections.byClient.get(client)
      if (connection?.device === undefined || !isDownTopic(connection.device, packet.topic)) return null
      if (client.conn.writableLength <= limits.backlogBytesMax) return packet
      refuse('backlog', connection.device)
      cut(connection)
      return null
    },
  }
}

const isGone = (connections: Connections, connection: Connection) => !connections.byClient.has(connection.client)

/** CONNACK return codes, MQTT 3.1.1 §3.2.2.3. */
const notAuthorized = (reason: string): AuthenticateError => Object.assign(new Error(reason), { returnCode: 5 })
const unavailable = (): AuthenticateError => Object.assign(new Error('unavailable'), { returnCode: 3 })
