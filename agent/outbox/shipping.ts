// Sends what the outbox holds to the hub: in order, a few batches at a time, each until the hub has confirmed it.
// Starts only when the hub's answer to hello has told what it holds already; ends with the connection. Nothing is ever
// left to the MQTT client's own queue, and the broker's acknowledgement means nothing here.

import type { Ack, Reports } from '@roost/shared/protocol/messages.ts'
import type { Logger } from 'pino'
import { aheadMax } from './holes.ts'
import type { ReadRecord } from './reading.ts'

export const batchBytesMax = 131_072
export const batchRecordsMax = 1024
export const batchesInFlightMax = 4
/** Without a confirmation for so long everything after the last one is sent again; twice as long every time. */
export const confirmMs = 15_000
export const confirmMsMax = 300_000

/** What shipping needs of an outbox. */
export type Source = {
  readonly epoch: string
  /** The highest sequence given so far. */
  readonly head: number
  read(afterSeq: number, limits: { bytesMax: number; recordsMax: number }): Promise<ReadRecord[]>
  acknowledge(seq: number): Promise<void>
  onDurable(listener: () => void): () => void
}

export type ShipperOptions = {
  outbox: Source
  /** Gives a message to a connection that is up, now or never. Whether that worked shows in the hub's confirmation. */
  publish: (reports: Reports) => Promise<unknown>
  log: Logger
  random: (length: number) => Uint8Array
  confirmMs?: number
}

export type Shipper = {
  /** The hub's word, in answer to hello or to reports. The first one of a connection starts the shipping. */
  onAck(ack: Ack): void
  onDisconnect(): void
  /** Nothing is sent after this. */
  close(): Promise<void>
}

/** One connection's shipping. `again`: something became durable while the outbox was being read. */
type Voyage = {
  acked: number
  sent: number
  inFlight: number[]
  patienceMs: number
  filling: boolean
  again: boolean
}

export function createShipper(options: ShipperOptions): Shipper {
  const { outbox, publish, log, random } = options
  const firstPatienceMs = options.confirmMs ?? confirmMs
  let voyage: Voyage | undefined
  let timer: NodeJS.Timeout | undefined
  let working: Promise<unknown> = Promise.resolve()

  const fill = () => {
    const current = voyage
    if (current === undefined) return
    current.again = true
    if (current.filling) return
    current.filling = true
    working = fillWhileAsked(current)
      .catch((error: unknown) => {
        log.warn({ err: error }, 'the outbox cannot be read, shipping waits')
        wait(current)
      })
      .finally(() => {
        current.filling = false
      })
  }

  const fillWhileAsked = async (current: Voyage) => {
    while (current.again) {
      current.again = false
      await fillWindow(current)
    }
  }

  const fillWindow = async (current: Voyage) => {
    while (voyage === current && current.inFlight.length < batchesInFlightMax) {
      const { sent } = current
      const records = await outbox.read(sent, { bytesMax: batchBytesMax, recordsMax: batchRecordsMax })
      // while it was read the connection may have ended, or a time-out may have taken it back
      if (voyage !== current || current.sent !== sent) continue
      const last = records.at(-1)?.seq
      if (last === undefined) return
      // a batch that gets lost must not be covered up by the next one
      const after = current.inFlight.length === 0 ? {} : { after: sent }
      current.sent = last
      current.inFlight.push(last)
      publish({ epoch: outbox.epoch, ...after, records }).catch((error: unknown) =>
        log.debug({ err: error }, 'reports not sent'),
      )
      if (timer === undefined) wait(current)
    }
  }

  const wait = (current: Voyage) => {
    // the timer is the next connection's then
    if (voyage !== current) return
    clearTimeout(timer)
    // spread over half as much again, so that devices of a hub that was busy do not come back all at once
    const spread = 1 + (random(1)[0] ?? 0) / 510
    timer = setTimeout(() => resend(current), current.patienceMs * spread)
  }

  const resend = (current: Voyage) => {
    timer = undefined
    log.info({ from: current.acked, batches: current.inFlight.length }, 'reports were not confirmed, sending again')
    current.sent = current.acked
    current.inFlight = []
    current.patienceMs = Math.min(current.patienceMs * 2, confirmMsMax)
    fill()
  }

  const confirm = (current: Voyage, seq: number) => {
    current.acked = seq
    current.sent = Math.max(current.sent, seq)
    current.patienceMs = firstPatienceMs
    current.inFlight = current.inFlight.filter((last) => last > seq)
    clearTimeout(timer)
    timer = undefined
    if (current.inFlight.length > 0) wait(current)
  }

  const stop = () => {
    voyage = undefined
    clearTimeout(timer)
    timer = undefined
  }

  const endListening = outbox.onDurable(fill)

  return {
    onAck: ({ epoch, seq }) => {
      if (epoch !== outbox.epoch) {
        log.debug({ epoch }, 'a confirmation for another outbox')
        return
      }
      if (seq > Math.max(outbox.head, aheadMax)) {
        log.error({ seq, head: outbox.head }, 'a confirmation of more than can be')
        return
      }
      working = Promise.all([working, outbox.acknowledge(seq)])
      voyage ??= { acked: seq, sent: seq, inFlight: [], patienceMs: firstPatienceMs, filling: false, again: false }
      if (seq > voyage.acked) confirm(voyage, seq)
      fill()
    },
    onDisconnect: stop,
    close: async () => {
      stop()
      endListening()
      await working
    },
  }
}
