// The hub's own connection to a broker: clean session, a new client for every attempt, everything bounded. While too much
// is in hand nothing more is read, so that the broker holds it back. What cannot be sent now is not sent at all: devices ask again.

import { type TlsFault, tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { connackByte, scanPackets, scanStart } from '@roost/shared/protocol/packet-guard.ts'
import { connect, type MqttClient } from 'mqtt'
import type { Logger } from 'pino'

export type LinkOptions = {
  /** mqtt://, mqtts://, ws:// or wss:// */
  url: string
  /** PEM of who may have signed its certificate; undefined: authorities that are publicly known. */
  ca: string | undefined
  user: string
  password: string
  /** Subscribed to, with QoS 1, before `onUp`. */
  filters: readonly string[]
  onUp: () => void
  onDown: () => void
  /** Settles when the message is dealt with. Must not reject. */
  onMessage: (message: Heard) => Promise<void>
  onViolation: () => void
  log: Logger
  /** For a publish, and for the answers to CONNECT and SUBSCRIBE. */
  deadlineMs?: number
}

export type Heard = { topic: string; qos: number; retain: boolean; payload: Uint8Array }

export type Link = {
  /** Whether the broker has it (QoS 1), or the socket (QoS 0). False: there is no connection, or it took too long. */
  publish: (topic: string, payload: Uint8Array, qos: 0 | 1) => Promise<boolean>
  close: () => Promise<void>
}

/** Messages taken and not dealt with, beyond which nothing more is read. */
export const inHandMax = 512
export const inHandBytesMax = 64 * messageBytesMax
const usualDeadlineMs = 10_000
const keepaliveSeconds = 20
const reconnectMsMin = 100
const reconnectMsMax = 3_000
/** Longest packets a broker may send: a message with its topic, and anything else. */
const packetLimits = {
  firstByte: connackByte,
  unacceptedBytesMax: 16_384,
  publishBytesMax: messageBytesMax + 1_024,
  controlBytesMax: 16_384,
}

export function openLink(options: LinkOptions): Link {
  const { url, ca, user, password, filters, log, deadlineMs = usualDeadlineMs } = options
  const held = heldMessages()
  let client: MqttClient | undefined
  let isUp = false
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let saidWhy = ''

  const open = () => {
    const opened = connect(url, {
      clientId: user,
      username: user,
      password,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      connectTimeout: deadlineMs,
      keepalive: keepaliveSeconds,
      reschedulePings: true,
      wsOptions: { maxPayload: 4 * packetLimits.publishBytesMax, perMessageDeflate: false },
      ...(ca === undefined ? {} : { ca }),
    })
    client = opened
    opened.handleMessage = ({ topic, payload, qos, retain }, taken) => {
      const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
      const release = held.take(bytes.length, taken)
      void options.onMessage({ topic, qos, retain, payload: bytes }).finally(release)
    }
    opened.on('connect', () => greet(opened))
    opened.on('error', (error) => {
      if (error.message !== saidWhy) log.warn({ err: error, url }, `no connection to the broker${whyAndNext(error)}`)
      saidWhy = error.message
    })
    opened.on('close', () => again(opened))
    guard(opened)
  }

  const greet = (greeted: MqttClient) => {
    const late = setTimeout(() => {
      log.warn({ url }, 'the broker does not answer')
      greeted.end(true)
    }, deadlineMs)
    greeted.once('close', () => clearTimeout(late))
    greeted.subscribe([...filters], { qos: 1 }, (error, granted = []) => {
      clearTimeout(late)
      if (greeted !== client || closed) return
      if (error || granted.length < filters.length || granted.some(({ qos }) => qos > 1)) {
        log.error({ err: error, url }, 'the broker refuses the hub its topics')
        greeted.end(true)
        return
      }
      isUp = true
      failures = 0
      saidWhy = ''
      log.info({ url }, 'connected to the broker')
      options.onUp()
    })
  }

  const again = (gone: MqttClient) => {
    if (gone !== client) return
    client = undefined
    gone.end(true)
    if (isUp) {
      isUp = false
      log.warn({ url }, 'the broker is gone')
      options.onDown()
    }
    if (closed) return
    timer = setTimeout(open, Math.min(reconnectMsMax, reconnectMsMin * 2 ** failures))
    failures += 1
  }

  /** MQTT.js buffers whatever length a packet declares. */
  const guard = (guarded: MqttClient) => {
    let scan = scanStart
    guarded.stream.on('data', (bytes: Uint8Array) => {
      const next = scanPackets(scan, bytes, packetLimits, true)
      if (typeof next !== 'string') {
        scan = next
        return
      }
      log.error({ violation: next, url }, 'the broker does not speak MQTT as it should, and is left')
      options.onViolation()
      guarded.stream.destroy()
    })
  }

  open()
  return {
    publish: (topic, payload, qos) => {
      const through = client
      if (through === undefined || !isUp) return Promise.resolve(false)
      return new Promise((resolve) => {
        const late = setTimeout(() => resolve(false), deadlineMs)
        through.publish(topic, Buffer.from(payload.buffer, payload.byteOffset, payload.length), { qos }, (error) => {
          clearTimeout(late)
          resolve(!error)
        })
      })
    },
    close: async () => {
      closed = true
      clearTimeout(timer)
      const last = client
      if (last === undefined) return
      const gone = new Promise<void>((resolve) => last.once('close', () => resolve()))
      last.end(!isUp)
      // MQTT.js waits for what is never acknowledged
      const patience = setTimeout(() => last.stream.destroy(), 1_000)
      await gone
      clearTimeout(patience)
    },
  }
}

/** What is wrong with its TLS, and the next step. */
function whyAndNext(error: Error): string {
  const fault = tlsFaultOf(error)
  return fault === undefined ? '' : `: ${tlsFaultWords[fault]}; ${tlsFaultSteps[fault]}`
}

/** For whoever runs the hub. */
export const tlsFaultSteps: Readonly<Record<TlsFault, string>> = {
  expired: 'renew it, and have Mosquitto read it by SIGHUP; the hub tries on',
  'not-yet-valid': 'look at the clock of this machine',
  'other-name': 'write a name that stands in it into ROOST_MQTT_URL, or get one for that name',
  'unknown-authority': 'name the PEM file of who signed it in ROOST_MQTT_CA_FILE and restart the hub',
  'no-tls': 'write mqtt:// or ws:// in ROOST_MQTT_URL, or give Mosquitto a listener with TLS',
}

type Held = {
  /** Notes a message, and calls `taken` when there is room for the next one. @returns what says that it is dealt with */
  take: (bytes: number, taken: () => void) => () => void
}

function heldMessages(): Held {
  let messages = 0
  let held = 0
  const waiting: (() => void)[] = []
  const hasRoom = () => messages < inHandMax && held < inHandBytesMax
  return {
    take: (bytes, taken) => {
      messages += 1
      held += bytes
      if (hasRoom()) taken()
      else waiting.push(taken)
      return () => {
        messages -= 1
        held -= bytes
        while (hasRoom()) {
          const next = waiting.shift()
          if (next === undefined) break
          next()
        }
      }
    },
  }
}
