// The MQTT connection of a device: clean session, nothing queued in memory, a new client for every attempt.
// MQTT.js's own queue loses messages silently past 65,535 and its publishes never settle while offline
// (github.com/mqttjs/MQTT.js #398, #1243, #2015): here a publish is taken only while connected, and has a deadline.

import { type TlsFault, tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import { messageBytesMax, Presence } from '@roost/shared/protocol/messages.ts'
import { connackByte, scanPackets, scanStart } from '@roost/shared/protocol/packet-guard.ts'
import { type DownKind, downFilter, downKinds, downTopic, type UpKind, upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { connect, type MqttClient } from 'mqtt'
import type { Logger } from 'pino'
import { type Backoff, backoffMs, unitOf } from './backoff.ts'

export type SessionOptions = {
  /** mqtt://, mqtts://, ws:// or wss:// */
  url: string
  device: string
  secret: string
  /** PEM of the authority that signed the broker's certificate, where it is not a public one. */
  ca: string | undefined
  backoff: Backoff
  /** How long a publish or subscribe may wait for its acknowledgement. */
  deadlineMs: number
  /** From the first SYN to the broker's answer; 15 s unless told otherwise. */
  connectTimeoutMs?: number
  /** A broker that says nothing for one and a half times as long is gone; 60 s unless told otherwise. */
  keepaliveSeconds?: number
  now: () => number
  random: (size: number) => Uint8Array
  log: Pick<Logger, 'debug' | 'info' | 'warn'>
}

export type SessionHandlers = {
  /** Connected and subscribed to what the hub says to this device. */
  onUp: () => void
  onDown: () => void
  onMessage: (kind: DownKind, bytes: Uint8Array) => void
  /** Anything on a topic that was subscribed beside the device's own. */
  onOther: (topic: string, bytes: Uint8Array) => void
}

const goneMessage = Buffer.from(encode(Presence.parse({ state: 'gone' })))

/** A connection that held so long was a good one: the next failure starts the backoff anew. */
export const stableMs = 30_000
/** CONNACK return codes (MQTT 3.1.1, table 3.1). */
const badCredentials = 4
const notAuthorized = 5
export const connectTimeoutMs = 15_000
export const keepaliveSeconds = 60
/** What a broker may send: the longest message of ours with its topic. MQTT.js buffers whatever length a packet declares. */
const packetLimits = {
  firstByte: connackByte,
  unacceptedBytesMax: 16_384,
  publishBytesMax: messageBytesMax + 1_024,
  controlBytesMax: 16_384,
}
/** Topics subscribed beside the device's own: the blobs being fetched. More is a bug. */
export const filtersMax = 64

export class Session {
  readonly #options: SessionOptions
  readonly #handlers: SessionHandlers
  readonly #filters = new Set<string>()
  #client: MqttClient | undefined
  /** Until it connects again. */
  #timer: NodeJS.Timeout | undefined
  /** Until the broker has granted this device its topics. */
  #greeting: NodeJS.Timeout | undefined
  #isUp = false
  #isRefused = false
  /** What was wrong with the broker's certificate last, and was said. */
  #tlsFault: TlsFault | undefined
  #upAt = 0
  #failures = 0
  #closed = false

  constructor(options: SessionOptions, handlers: SessionHandlers) {
    this.#options = options
    this.#handlers = handlers
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** The broker turned this device away when it last asked. */
  get isRefused(): boolean {
    return this.#isRefused
  }

  start(): void {
    this.#connect()
  }

  /** True once the broker has it (QoS 1) or the socket took it (QoS 0). False while there is no connection and where the
   *  deadline passed; it may have arrived all the same. */
  publish(kind: UpKind, bytes: Uint8Array, qos: 0 | 1): Promise<boolean> {
    const topic = upTopic(this.#options.device, kind)
    return this.#within((client, done) => client.publish(topic, Buffer.from(bytes), { qos }, done))
  }

  /** Subscribes now and after every reconnect until `unsubscribe`. False where that has to wait for the next connection. */
  async subscribe(filter: string): Promise<boolean> {
    if (this.#filters.size >= filtersMax) throw new RangeError(`more than ${filtersMax} subscriptions`)
    this.#filters.add(filter)
    return this.#within((client, done) => client.subscribe(filter, { qos: 0 }, done))
  }

  async unsubscribe(filter: string): Promise<void> {
    this.#filters.delete(filter)
    await this.#within((client, done) => client.unsubscribe(filter, done))
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    clearTimeout(this.#greeting)
    const client = this.#client
    this.#client = undefined
    if (client === undefined) return
    // Politely while there is a connection, so that the broker does not send the last will.
    const wasUp = this.#isUp
    this.#isUp = false
    const gone = new Promise<void>((resolve) => client.once('close', () => resolve()))
    // The hub does not see connections end where the broker is not its own.
    if (wasUp) client.publish(upTopic(this.#options.device, 'presence'), goneMessage, { qos: 0 })
    client.end(!wasUp)
    // Not `end(true)`: MQTT.js ignores it while a polite end waits for what is never acknowledged.
    const timer = setTimeout(() => client.stream.destroy(), this.#options.deadlineMs)
    await gone
    clearTimeout(timer)
  }

  #connect(): void {
    const { url, device, secret, ca } = this.#options
    const client = connect(url, {
      clientId: device,
      username: device,
      password: secret,
      clean: true,
      protocolVersion: 4,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      connectTimeout: this.#options.connectTimeoutMs ?? connectTimeoutMs,
      keepalive: this.#options.keepaliveSeconds ?? keepaliveSeconds,
      wsOptions: { maxPayload: 4 * packetLimits.publishBytesMax, perMessageDeflate: false },
      reschedulePings: true,
      will: {
        topic: upTopic(device, 'presence'),
        payload: goneMessage,
        qos: 1,
        retain: false,
      },
      ...(ca === undefined ? {} : { ca }),
    })
    this.#client = client
    client.on('connect', () => this.#greet(client))
    client.on('message', (topic, payload) => {
      if (client === this.#client) this.#dispatch(topic, payload)
    })
    client.on('error', (error) => this.#fail(error))
    client.on('close', () => this.#retry(client))
    this.#guard(client)
  }

  /** A refusal is said once: it may last for years. */
  #fail(error: Error): void {
    const refused = 'code' in error && (error.code === badCredentials || error.code === notAuthorized)
    if (refused && this.#isRefused) return
    this.#isRefused = refused
    if (refused) this.#options.log.warn({ event: 'login_refused' }, 'the hub turns this device away: is it revoked?')
    else this.#distrust(error)
  }

  /** Said once, too: it lasts until somebody does something. Other failures pass. */
  #distrust(error: Error): void {
    const { log } = this.#options
    const fault = tlsFaultOf(error)
    if (fault === undefined) log.info({ reason: error.message }, 'MQTT connection failed')
    else if (fault !== this.#tlsFault) {
      const words = `the broker is not trusted: ${tlsFaultWords[fault]}; roost-agent doctor says what to do`
      log.warn({ event: 'broker_not_trusted', reason: error.message }, words)
    }
    this.#tlsFault = fault
  }

  /** Cuts a broker that announces more than it may say, before it is buffered. */
  #guard(client: MqttClient): void {
    let scan = scanStart
    client.stream.on('data', (bytes: Uint8Array) => {
      const next = scanPackets(scan, bytes, packetLimits, true)
      if (typeof next !== 'string') {
        scan = next
        return
      }
      this.#options.log.warn({ violation: next }, 'the broker does not speak MQTT as it should, and is left')
      client.stream.destroy()
    })
  }

  #greet(client: MqttClient): void {
    const { device, deadlineMs, log } = this.#options
    this.#greeting = setTimeout(() => client.end(true), deadlineMs)
    // First these: a broker answers in order, so that when its word on our own topics is there, they are settled.
    for (const filter of this.#filters) this.#subscribeAgain(client, filter)
    client.subscribe(downFilter(device), { qos: 1 }, (error, granted) => {
      if (client !== this.#client) return
      clearTimeout(this.#greeting)
      // A broker that refuses a device its own topics is of no use: try again later, elsewhere it may be another.
      if (error || granted?.[0] === undefined || granted[0].qos > 1) {
        log.warn({ err: error }, 'the broker refuses this device its topics')
        client.end(true)
        return
      }
      this.#isUp = true
      this.#isRefused = false
      this.#tlsFault = undefined
      this.#upAt = this.#options.now()
      this.#handlers.onUp()
    })
  }

  /** Each by itself: what a blob's chunks are refused for (the wish was withdrawn meanwhile) is no fault of the rest, and
   *  the word of it comes over this very connection. */
  #subscribeAgain(client: MqttClient, filter: string): void {
    client.subscribe(filter, { qos: 0 }, (error) => {
      if (error) this.#options.log.debug({ err: error, filter }, 'a subscription was not granted again')
    })
  }

  #dispatch(topic: string, payload: Uint8Array): void {
    const kind = downKinds.find((one) => topic === downTopic(this.#options.device, one))
    if (kind === undefined) this.#handlers.onOther(topic, payload)
    else this.#handlers.onMessage(kind, payload)
  }

  #retry(client: MqttClient): void {
    if (client !== this.#client || this.#closed) return
    this.#client = undefined
    clearTimeout(this.#greeting)
    client.end(true)
    if (this.#isUp) {
      this.#isUp = false
      if (this.#options.now() - this.#upAt >= stableMs) this.#failures = 0
      this.#handlers.onDown()
    }
    const delayMs = backoffMs(this.#failures++, this.#options.backoff, unitOf(this.#options.random))
    this.#options.log.debug({ delayMs, failures: this.#failures }, 'MQTT reconnects')
    this.#timer = setTimeout(() => this.#connect(), delayMs)
  }

  #within(act: (client: MqttClient, done: (error?: Error | null) => void) => void): Promise<boolean> {
    const client = this.#client
    if (client === undefined || !this.#isUp) return Promise.resolve(false)
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), this.#options.deadlineMs)
      act(client, (error) => {
        clearTimeout(timer)
        resolve(!error)
      })
    })
  }
}
