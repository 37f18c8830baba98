// Devices for the ingest benchmark: enrolled over HTTP, connected over MQTT with the agent's own session and shipping.
// Only their outbox is simulated: it lies in memory, is full from the start, and every record in it is encoded already.

import { randomBytes } from 'node:crypto'
import { EnrolResponse, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import type { Hello } from '@roost/shared/protocol/messages.ts'
import { Ack, type OutboxRecord } from '@roost/shared/protocol/messages.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { generateKeyPair } from '@roost/shared/trust/keys.ts'
import { pino } from 'pino'
import nacl from 'tweetnacl'
import { z } from 'zod'
import { Session } from '../../agent/link/session.ts'
import { createShipper } from '../../agent/outbox/shipping.ts'

export type Credentials = { device: string; secret: string }
/** `root`: the envelope to pin. */
export type Enrolled = Credentials & { root: Uint8Array }

const random = (size: number) => new Uint8Array(randomBytes(size))
const log = pino({ level: 'silent' })
const ignore = () => undefined

/** New devices, one after the other. */
export async function enrolDevices(hub: { url: string; adminToken: string }, names: string[]): Promise<Enrolled[]> {
  const claim = await postJson(`${hub.url}/v1/claims`, { uses: names.length }, hub.adminToken)
  const { token } = z.object({ token: z.string() }).parse(claim)
  const enrolled: Enrolled[] = []
  for (const device of names) {
    const pair = generateKeyPair(random)
    const request = {
      token,
      device,
      profile: 'generic-x64',
      signKey: Buffer.from(pair.publicKey).toString('base64'),
      sealKey: Buffer.from(random(32)).toString('base64'),
    }
    const proof = Buffer.from(nacl.sign.detached(enrolmentClaim(request), pair.secretKey)).toString('base64')
    const { secret, root } = EnrolResponse.parse(await postJson(`${hub.url}/v1/enrol`, { ...request, proof }))
    enrolled.push({ device, secret, root: new Uint8Array(Buffer.from(root, 'base64')) })
  }
  return enrolled
}

async function postJson(url: string, body: object, token?: string): Promise<unknown> {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomBytes(8).toString('hex') }
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, ...authorization },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  return response.json()
}

export type ShippingDevice = {
  /** Begins to ship; resolves when the hub has confirmed the last record. */
  ship: () => Promise<void>
  close: () => Promise<void>
}

/** Connects and says hello. The hub's answer, which begins the shipping, is kept until `ship`.
 *  @param recordsMax records in one message at most, where the agent would send more */
export async function connectDevice(
  url: string,
  { device, secret }: Credentials,
  records: readonly OutboxRecord[],
  recordsMax: number,
): Promise<ShippingDevice> {
  const epoch = randomBytes(8).toString('hex')
  const last = records.length
  const answered = Promise.withResolvers<Ack>()
  const confirmed = Promise.withResolvers<void>()
  const outbox = {
    epoch,
    head: last,
    read: (afterSeq: number, limits: { bytesMax: number; recordsMax: number }) =>
      Promise.resolve(upTo(records, afterSeq, { ...limits, recordsMax: Math.min(recordsMax, limits.recordsMax) })),
    acknowledge: (seq: number) => {
      if (seq === last) confirmed.resolve()
      return Promise.resolve()
    },
    onDurable: () => ignore,
  }
  const session = new Session(
    {
      url,
      device,
      secret,
      ca: undefined,
      backoff: { minMs: 100, maxMs: 1_000 },
      deadlineMs: 30_000,
      now: Date.now,
      random,
      log,
    },
    {
      onUp: () => void session.publish('hello', encode(hello(epoch, last)), 1),
      onDown: () => answered.reject(new Error(`${device} was cut off`)),
      onMessage: (kind, bytes) => {
        if (kind !== 'ack') return
        const ack = decode(Ack, bytes)
        if (!ack.ok) throw new Error(ack.reason)
        if (ack.message.seq === 0) answered.resolve(ack.message)
        else shipper.onAck(ack.message)
      },
      onOther: ignore,
    },
  )
  const publish = (reports: object) => session.publish('reports', encode(reports), 1)
  const shipper = createShipper({ outbox, publish, log, random })
  session.start()
  const first = await answered.promise
  return {
    ship: () => {
      shipper.onAck(first)
      return confirmed.promise
    },
    close: async () => {
      await shipper.close()
      await session.close()
    },
  }
}

const hello = (epoch: string, head: number): Hello => ({
  nonce: random(16),
  agent: '0.1.0',
  profile: 'generic-x64',
  rootVersion: 1,
  generation: 0,
  slots: [],
  denied: [],
  outbox: { epoch, head, tail: 1 },
  stale: false,
})

function upTo(
  records: readonly OutboxRecord[],
  afterSeq: number,
  limits: { bytesMax: number; recordsMax: number },
): OutboxRecord[] {
  const chosen: OutboxRecord[] = []
  let bytes = 0
  for (const record of records.slice(afterSeq, afterSeq + limits.recordsMax)) {
    bytes += record.body.length
    if (chosen.length > 0 && bytes > limits.bytesMax) break
    chosen.push(record)
  }
  return chosen
}
