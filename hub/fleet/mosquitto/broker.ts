// A broker of one's own in the embedded one's place. The hub is one of its clients: who is connected it knows from what
// devices say and from their wills, and after a gap it asks everybody. docs/decisions/mosquitto.md says what differs.

import { type Command, Presence } from '@roost/shared/protocol/messages.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { downTopic, parseChunkTopic, parseUpTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import type { Logger } from 'pino'
import type { Clock, Random } from '../../hub.ts'
import type { Broker } from '../broker.ts'
import type { Decisions } from '../broker-hooks.ts'
import type { Refusal } from '../connections.ts'
import { judgePublish } from '../topic-access.ts'
import { keepAccess } from './access.ts'
import { type Admitted, filesFilter, filesTopic, hubUser, upFilter } from './access-files.ts'
import { type Heard, openLink } from './link.ts'
import { passwordHash } from './password.ts'

export type MosquittoOptions = {
  /** Where it is, for the hub. */
  url: string
  /** The folder of its password and access files. */
  folder: string
  pidFile: string | undefined
  /** PEM of who signed its certificate; undefined: authorities that are publicly known. */
  brokerAuthority: string | undefined
  readAdmitted: () => Promise<Admitted[]>
  onMessage: Decisions['onMessage']
  onConnect: (device: string) => void
  onDisconnect: (device: string) => void
  clock: Clock
  random: Random
  log: Logger
  limits?: Partial<PresenceLimits>
}

export type PresenceLimits = {
  /** A device that said nothing for so long is asked whether it is there: its will may have been lost. */
  silentMs: number
  /** Without a word for so long after that it is gone. */
  answerMs: number
}

/** An agent reports its windows every few minutes, so that few are ever asked. */
export const presenceLimits: PresenceLimits = { silentMs: 900_000, answerMs: 60_000 }

const passwordBytes = 32
/** How long the broker may take to say back what it was asked. */
const echoMs = 250
/** Devices asked at a time, each until the broker has the question. */
const askedAtOnce = 32
const helloNow = encode({ kind: 'hello-now' } satisfies Command)

/** Does not wait until the broker is there.
 *  @throws what writing its files does */
export async function startMosquitto(options: MosquittoOptions): Promise<Broker> {
  const { clock, random, log } = options
  const limits = { ...presenceLimits, ...options.limits }
  const heardAt = new Map<string, number>()
  /** Since when an answer is waited for, of those that are asked whether they are there. */
  const askedAt = new Map<string, number>()
  const handling = new Map<string, Promise<void>>()
  const refusals = new Map<Refusal, number>()
  const echoes = new Map<string, () => void>()
  let closed = false

  const refuse = (refusal: Refusal, device?: string) => {
    refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1)
    log.debug({ refusal, device }, 'MQTT refused')
  }

  const gone = (device: string) => {
    askedAt.delete(device)
    if (heardAt.delete(device)) options.onDisconnect(device)
  }

  const isThere = (device: string) => {
    const isNew = !heardAt.has(device)
    heardAt.set(device, clock())
    askedAt.delete(device)
    if (isNew) options.onConnect(device)
  }

  /** One after the other for a device, as it said them. */
  const onHeard = async ({ topic, qos, retain, payload }: Heard): Promise<void> => {
    const echo = echoes.get(topic)
    if (echo !== undefined) return echo()
    const said = parseUpTopic(topic)
    // an echo that came late
    if (said === undefined) return
    const { device } = said
    const turn = (handling.get(device) ?? Promise.resolve()).then(() => handle(device, { topic, qos, retain, payload }))
    handling.set(device, turn)
    await turn
    if (handling.get(device) === turn) handling.delete(device)
  }

  const handle = async (device: string, heard: Heard): Promise<void> => {
    // The broker keeps strangers out. Whoever was revoked a moment ago may still be there.
    if (!access.admitted().has(device) || closed) return refuse('secret', device)
    const verdict = judgePublish(device, heard)
    if ('refused' in verdict) return refuse(verdict.refused, device)
    const isGone = verdict.kind === 'presence' && decode(Presence, heard.payload).ok
    if (!isGone) isThere(device)
    try {
      await options.onMessage(device, verdict.kind, heard.payload)
    } catch (error) {
      refuse('message-failed', device)
      log.error({ err: error, device, kind: verdict.kind }, 'a message could not be handled; the device says it again')
    }
    if (isGone) gone(device)
  }

  /** Whoever hears it says hello, and is there. */
  const ask = async (devices: readonly string[]): Promise<void> => {
    const queue = [...devices]
    const work = async () => {
      for (let device = queue.pop(); device !== undefined && !closed; device = queue.pop()) {
        await link.publish(downTopic(device, 'command'), helloNow, 1)
      }
    }
    await Promise.all(Array.from({ length: askedAtOnce }, work))
  }

  /** Neither their wills nor their silence reach a hub that is cut off: from then on nobody is known to be there. */
  const onDown = () => {
    for (const device of [...heardAt.keys()]) gone(device)
  }

  const lookForSilent = () => {
    const now = clock()
    // gone is only who was asked: a clock that jumps ahead must not end the whole fleet
    for (const [device, at] of askedAt) if (now - at >= limits.answerMs) gone(device)
    const silent = [...heardAt].flatMap(([device, at]) => (now - at >= limits.silentMs ? [device] : []))
    for (const device of silent) askedAt.set(device, askedAt.get(device) ?? now)
    void ask(silent)
  }

  const password = Buffer.from(random(passwordBytes)).toString('base64url')
  const access = await keepAccess({
    folder: options.folder,
    pidFile: options.pidFile,
    hubPassword: passwordHash(password, random),
    read: async () => {
      const admitted = await options.readAdmitted()
      const names = new Set(admitted.map(({ device }) => device))
      for (const device of [...heardAt.keys()]) if (!names.has(device)) gone(device)
      return admitted
    },
    confirm: async (fingerprint) => {
      const topic = filesTopic(fingerprint)
      const echo = Promise.withResolvers<boolean>()
      const late = setTimeout(() => echo.resolve(false), echoMs)
      echoes.set(topic, () => echo.resolve(true))
      const sent = await link.publish(topic, new Uint8Array(), 0)
      const came = sent && (await echo.promise)
      clearTimeout(late)
      echoes.delete(topic)
      return came
    },
    log,
  })
  const link = openLink({
    url: options.url,
    ca: options.brokerAuthority,
    user: hubUser,
    password,
    filters: [upFilter, filesFilter],
    onUp: () => void ask([...access.admitted()]),
    onDown,
    onMessage: onHeard,
    onViolation: () => refuse('packet-too-long'),
    log,
  })
  const watch = setInterval(lookForSilent, Math.min(limits.answerMs, limits.silentMs))

  return {
    ports: { tcp: undefined, webSocket: undefined },
    publish: async (topic, payload, qos) => {
      if (parseChunkTopic(topic) === undefined) {
        await link.publish(topic, payload, qos)
        return
      }
      // Whoever asked for it may hear it only once the broker knows.
      await access.settled()
      // With QoS 1 the broker says when it has handed it to everybody who keeps up, which is the pace. Devices listen
      // with QoS 0.
      await link.publish(topic, payload, 1)
    },
    accessChanged: access.changed,
    disconnect: (device, reason) => {
      log.info({ device, reason }, 'device disconnected')
      gone(device)
      void access.changed()
    },
    connectedDevices: () => [...heardAt.keys()],
    // Only the broker knows. Whoever wants chunks listens for them.
    isListenedFor: (_blob: Digest) => true,
    isConnected: (device) => heardAt.has(device),
    refusals: () => refusals,
    close: async () => {
      clearInterval(watch)
      closed = true
      await access.close()
      await link.close()
      await Promise.all(handling.values())
      onDown()
    },
  }
}
