// Devices that report over real MQTT while their hub is being killed. One kind is rude: it repeats, overlaps and doubles
// what it sends as no well-made device would. The other is made of the agent's own outbox, shipper and link.
// Both know to the unit what they recorded.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Link } from '@roost/agent/link/link.ts'
import { Outbox } from '@roost/agent/outbox/outbox.ts'
import { createShipper } from '@roost/agent/outbox/shipping.ts'
import { Ack } from '@roost/shared/protocol/messages.ts'
import type { RecordBody } from '@roost/shared/protocol/records.ts'
import { downFilter, downTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import mqtt, { type MqttClient } from 'mqtt'
import { pino } from 'pino'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHello } from '../fleet/a-fleet.ts'

const silent = pino({ level: 'silent' })
const random = (length: number) => new Uint8Array(randomBytes(length))

export type Counts = { ok: number; error: number; refused: number; windows: number; events: number }
export const noCounts: Counts = { ok: 0, error: 0, refused: 0, windows: 0, events: 0 }

export type ReportingDevice = {
  device: string
  epoch: string
  /** Everything recorded up to and including this sequence. */
  countsUpTo: (seq: number) => Counts
  /** The highest sequence recorded, and the highest that the hub said it has. */
  recorded: () => number
  acknowledged: () => number
  /** What the hub may never have said: a lower sequence than before, one that was not sent. */
  lies: () => readonly string[]
  /** From now on nothing new is recorded; what there is goes on being sent. */
  endRecording: () => void
  close: () => Promise<void>
}

export type Account = { device: string; secret: string; url: string }

/** The nth record of any device: a window whose counts tell it from all others, or an event. */
function nthRecord(n: number): RecordBody {
  if (n % 5 === 0) return { kind: 'event', event: 'started', at: n, detail: `record ${n}` }
  return { ...window, counts: countsOf(n) }
}
const window = aWindow()
const countsOf = (n: number) => ({ ok: n, error: 1, refused: n % 3 })

function countsUpTo(seq: number): Counts {
  const sums = { ...noCounts }
  for (let n = 1; n <= seq; n++) {
    const body = nthRecord(n)
    if (body.kind !== 'window') sums.events += 1
    else {
      sums.windows += 1
      sums.ok += body.counts.ok
      sums.error += body.counts.error
      sums.refused += body.counts.refused
    }
  }
  return sums
}

/** Remembers what the hub confirmed, and where it contradicted itself. */
function hearAcks(epoch: string, recorded: () => number) {
  const heard = { seq: 0, lies: [] as string[] }
  const hear = (ack: Ack) => {
    if (ack.epoch !== epoch) return
    if (ack.seq < heard.seq) heard.lies.push(`confirmed ${heard.seq}, then only ${ack.seq}`)
    if (ack.seq > recorded()) heard.lies.push(`confirmed ${ack.seq} of ${recorded()}`)
    heard.seq = Math.max(heard.seq, ack.seq)
  }
  return { heard, hear }
}

/** Sends runs of its records that begin anywhere before what is missing, some of them twice, whatever was acknowledged. */
export function startRudeDevice({ device, secret, url }: Account, chance: () => number): ReportingDevice {
  const epoch = Buffer.from(random(8)).toString('hex')
  const state = { recorded: 0, recording: true, closed: false }
  const { heard, hear } = hearAcks(epoch, () => state.recorded)
  let client: MqttClient | undefined

  const sendUntilCut = async (connection: MqttClient) => {
    const cut = new Promise<false>((resolve) => connection.once('close', () => resolve(false)))
    const say = (kind: 'hello' | 'reports', bytes: Uint8Array) =>
      Promise.race([
        cut,
        connection.publishAsync(upTopic(device, kind), Buffer.from(bytes), { qos: 1 }).then(
          () => true,
          () => false,
        ),
      ])
    await connection.subscribeAsync(downFilter(device), { qos: 1 })
    const outbox = { epoch, head: state.recorded, tail: heard.seq }
    for (let up = await say('hello', encode(aHello({ outbox }))); up; ) {
      if (state.recording) state.recorded += Math.floor(chance() * 6)
      const start = Math.max(1, heard.seq + 1 - Math.floor(chance() * 15))
      const end = Math.min(state.recorded, start + 40)
      if (end < start) {
        up = await Promise.race([cut, delay(20).then(() => connection.connected)])
        continue
      }
      const records = Array.from({ length: end - start + 1 }, (_, i) => aRecord(start + i, nthRecord(start + i)))
      const message = encode({ epoch, records })
      const copies = chance() < 0.3 ? [message, message] : [message]
      const taken = await Promise.all(copies.map((copy) => say('reports', copy)))
      up = taken.every(Boolean) && connection.connected
      await delay(5)
    }
  }

  const run = async () => {
    while (!state.closed) {
      const connection = mqtt.connect(url, { clientId: device, username: device, password: secret, reconnectPeriod: 0 })
      client = connection
      connection.on('error', () => undefined)
      connection.on('message', (topic, payload) => {
        const decoded = decode(Ack, payload)
        if (topic === downTopic(device, 'ack') && decoded.ok) hear(decoded.message)
      })
      const up = await new Promise<boolean>((resolve) => {
        connection.once('connect', () => resolve(true))
        connection.once('close', () => resolve(false))
      })
      if (up) await sendUntilCut(connection).catch(() => undefined)
      connection.end(true)
      await delay(20 + chance() * 50)
    }
  }
  const running = run()

  return {
    device,
    epoch,
    countsUpTo,
    recorded: () => state.recorded,
    acknowledged: () => heard.seq,
    lies: () => heard.lies,
    endRecording: () => {
      state.recording = false
    },
    close: async () => {
      state.closed = true
      client?.end(true)
      await running
    },
  }
}

/** A device as it is shipped: nothing between it and the hub is the test's own. */
export async function startHonestDevice(account: Account, folder: string): Promise<ReportingDevice> {
  const outbox = await Outbox.open(folder, { bytesMax: 16_777_216, clock: Date.now, random, log: silent })
  const { heard, hear } = hearAcks(outbox.epoch, () => outbox.head)
  const shipper = createShipper({
    outbox,
    publish: (reports) => link.publish('reports', encode(reports), 1),
    log: silent,
    random,
    confirmMs: 500,
  })
  const nothing = () => undefined
  const link = new Link(
    {
      ...account,
      ca: undefined,
      backoff: { minMs: 20, maxMs: 200 },
      deadlineMs: 5_000,
      now: () => performance.now(),
      random,
      log: silent,
      freshness: { helloIntervalMs: 60_000, helloRetryMs: 2_000, staleAfterMs: 600_000 },
      alreadyWithoutMs: 0,
      describe: () => {
        const { nonce: _, stale: __, ...rest } = aHello()
        return { ...rest, outbox: { epoch: outbox.epoch, head: outbox.head, tail: outbox.tail } }
      },
    },
    {
      onAssign: nothing,
      onAck: (ack) => {
        hear(ack)
        shipper.onAck(ack)
      },
      onCommand: nothing,
      onOther: nothing,
      onUp: nothing,
      onDown: () => shipper.onDisconnect(),
      onStale: nothing,
    },
  )
  link.start()
  let recording = true
  const record = async () => {
    for (let n = 1; recording; n += 5)
      await Promise.all([0, 1, 2, 3, 4].map((step) => outbox.append(nthRecord(n + step))))
  }
  const recorder = record()
  return {
    device: account.device,
    epoch: outbox.epoch,
    countsUpTo,
    recorded: () => outbox.head,
    acknowledged: () => heard.seq,
    lies: () => heard.lies,
    endRecording: () => {
      recording = false
    },
    close: async () => {
      recording = false
      await recorder
      await shipper.close()
      await link.close()
      await outbox.close()
    },
  }
}
