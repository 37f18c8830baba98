// What the hub does with what devices say: takes a hello into the record and answers it with what is wanted and what is
// acknowledged, hands reports to telemetry and wants to the chunk server. What cannot be read is counted and dropped.

import { type Ack, Hello, Presence, Reports, Want } from '@roost/shared/protocol/messages.ts'
import { downTopic, type UpKind } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import type { Hub } from '../hub.ts'
import type { Statement } from '../storage/database.ts'
import { passStatements } from './ahead.ts'
import type { Asked, Assigner } from './assign.ts'
import type { Broker } from './broker.ts'
import type { ChunkServer, WantRefusal } from './chunks.ts'
import { slotStatements } from './progress.ts'
import type { WriteGatherer } from './write-gatherer.ts'

/** Telemetry, as the session needs it. */
export type ReportsPort = {
  /** Resolves when the batch is committed: up to which sequence of its epoch all is; undefined where it was not taken
   *  because too much waits (the device sends it again). */
  take: (device: string, reports: Reports) => Promise<number | undefined>
  /** The highest sequence of the epoch that is committed; 0 for one never heard of. */
  highWaterMark: (device: string, epoch: string) => Promise<number>
}

/** Hellos one device may send in a row, and how long one more takes to be allowed: an answer is a signature. */
export const hellosAtOnceMax = 10
export const helloEveryMs = 1_000

export type Dropped = `unreadable-${UpKind}` | 'hello-too-often' | WantRefusal

export type Session = {
  onMessage: (device: string, kind: UpKind, payload: Uint8Array) => Promise<void>
  /** Forgets the connection: what it asked is not answered any more. */
  onDisconnect: (device: string) => void
  /** Says what is wanted to each of the devices that is connected and has said hello. */
  push: (devices: readonly string[]) => Promise<void>
  /** Messages dropped since the start, by reason. */
  dropped: () => ReadonlyMap<Dropped, number>
}

export type SessionParts = {
  hub: Pick<Hub, 'clock' | 'log'>
  publish: Broker['publish']
  assigner: Assigner
  writer: WriteGatherer
  chunks: Pick<ChunkServer, 'want'>
  reports: ReportsPort
}

/** Of a device that is connected. `answered` settles when what was said to it so far has left. */
type Known = { asked: Asked | undefined; hellosLeft: number; helloAt: number; answered: Promise<void> }

/** Assignments made at a time, of those pushed to many devices. */
const pushesAtOnce = 16

export function createSession({ hub, publish, assigner, writer, chunks, reports }: SessionParts): Session {
  const { clock, log } = hub
  const known = new Map<string, Known>()
  const dropped = new Map<Dropped, number>()

  const drop = (device: string, reason: Dropped, detail?: string) => {
    dropped.set(reason, (dropped.get(reason) ?? 0) + 1)
    log.debug({ device, reason, detail }, 'message dropped')
  }

  /** One after the other for a device: an older generation must not be said after a newer one. */
  const answer = (device: string, state: Known): Promise<void> => {
    const done = state.answered.then(async () => {
      const message = state.asked && (await assigner.answer(device, state.asked))
      if (message !== undefined) await publish(downTopic(device, 'assign'), message, 1)
    })
    state.answered = done.catch(() => undefined)
    return done
  }

  const onHello = async (device: string, payload: Uint8Array) => {
    const decoded = decode(Hello, payload)
    if (!decoded.ok) return drop(device, 'unreadable-hello', decoded.reason)
    const state = known.get(device) ?? newcomer(clock())
    known.set(device, state)
    if (!mayGreet(state, clock())) return drop(device, 'hello-too-often')
    const hello = decoded.message
    state.asked = {
      nonce: hello.nonce,
      rootVersion: hello.rootVersion,
      held: new Set(hello.slots.map(({ manifest }) => manifest)),
    }
    await writer.write(helloStatements(device, hello, clock()))
    await answer(device, state)
    const ack: Ack = { epoch: hello.outbox.epoch, seq: await reports.highWaterMark(device, hello.outbox.epoch) }
    await publish(downTopic(device, 'ack'), encode(ack), 1)
  }

  const onReports = async (device: string, payload: Uint8Array) => {
    const decoded = decode(Reports, payload)
    if (!decoded.ok) return drop(device, 'unreadable-reports', decoded.reason)
    const seq = await reports.take(device, decoded.message)
    if (seq === undefined) return
    const ack: Ack = { epoch: decoded.message.epoch, seq }
    await publish(downTopic(device, 'ack'), encode(ack), 1)
  }

  const onWant = async (device: string, payload: Uint8Array) => {
    const decoded = decode(Want, payload)
    if (!decoded.ok) return drop(device, 'unreadable-want', decoded.reason)
    const refusal = await chunks.want(device, decoded.message)
    if (refusal !== undefined) drop(device, refusal, decoded.message.blob)
  }

  /** That a device goes the broker sees by itself; over another broker this is how it is told. */
  const onPresence = (device: string, payload: Uint8Array) => {
    const decoded = decode(Presence, payload)
    if (!decoded.ok) drop(device, 'unreadable-presence', decoded.reason)
  }

  return {
    onMessage: async (device, kind, payload) => {
      switch (kind) {
        case 'hello':
          return onHello(device, payload)
        case 'reports':
          return onReports(device, payload)
        case 'want':
          return onWant(device, payload)
        case 'presence':
          return onPresence(device, payload)
      }
    },
    onDisconnect: (device) => {
      known.delete(device)
    },
    push: async (devices) => {
      const queue = [...new Set(devices)]
      const work = async () => {
        for (let device = queue.pop(); device !== undefined; device = queue.pop()) {
          const state = known.get(device)
          if (state === undefined) continue
          await answer(device, state).catch((error: unknown) => {
            log.error({ err: error, device }, 'a device could not be told what is wanted; its next hello asks')
          })
        }
      }
      await Promise.all(Array.from({ length: pushesAtOnce }, work))
    },
    dropped: () => dropped,
  }
}

const newcomer = (nowMs: number): Known => ({
  asked: undefined,
  hellosLeft: hellosAtOnceMax,
  helloAt: nowMs,
  answered: Promise.resolve(),
})

/** A bucket of hellos that fills with time. */
function mayGreet(state: Known, nowMs: number): boolean {
  // the clock was set back: it fills from now on, and not only from when the clock gets there again
  state.helloAt = Math.min(state.helloAt, nowMs)
  const refilled = Math.floor((nowMs - state.helloAt) / helloEveryMs)
  if (refilled > 0) {
    state.hellosLeft = Math.min(hellosAtOnceMax, state.hellosLeft + refilled)
    state.helloAt = nowMs
  }
  if (state.hellosLeft === 0) return false
  state.hellosLeft -= 1
  return true
}

function helloStatements(device: string, hello: Hello, nowMs: number): Statement[] {
  return [
    {
      sql: `UPDATE devices SET hello_at = ?, last_seen_at = ?, profile = ?, agent = ?, root_version = ?,
              reported_generation = ?, stale = ? WHERE id = ?`,
      args: [
        nowMs,
        nowMs,
        hello.profile,
        hello.agent,
        hello.rootVersion,
        hello.generation,
        Number(hello.stale),
        device,
      ],
    },
    ...passStatements(device, hello.generation),
    ...slotStatements(device, hello.slots, nowMs),
  ]
}
