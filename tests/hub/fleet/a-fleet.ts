// Builders for the fleet's tests: a hub with a database, enrolled devices, released versions, and devices that speak.

import { createPrivateKey, randomBytes, sign } from 'node:crypto'
import { chunkHashes } from '@roost/shared/bundle/chunks.ts'
import { BundleFile, manifestDigest, manifestPayload, signManifest } from '@roost/shared/bundle/manifest.ts'
import { type EnrolRequest, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import { Ack, Assign, type Hello, type Want } from '@roost/shared/protocol/messages.ts'
import { downFilter, downTopic, upTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { generateKeyPair, keyPairFromSeed } from '@roost/shared/trust/keys.ts'
import type { MqttClient } from 'mqtt'
import { onTestFinished } from 'vitest'
import { insertClaim, makeClaimToken } from '../../../hub/fleet/claims.ts'
import { mayReadBlob } from '../../../hub/fleet/desired.ts'
import { authenticateDevice } from '../../../hub/fleet/devices.ts'
import { enrolDevice } from '../../../hub/fleet/enrolment.ts'
import { type Fleet, type FleetOptions, startFleet } from '../../../hub/fleet/fleet.ts'
import type { ReportsPort } from '../../../hub/fleet/session.ts'
import type { Hub } from '../../../hub/hub.ts'
import { insertVersion } from '../../../hub/registry/insert.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aClient, connected, patient, until } from './a-broker.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))
const hourMs = 3_600_000

/** A hub whose devices are those in its database; closed when the test ends. */
export async function aFleetHub(
  parts: Partial<Hub> = {},
  environment: Record<string, string> = { ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' },
): Promise<TestHub> {
  const hub = await aHub({ environment, parts })
  onTestFinished(() => hub[Symbol.asyncDispose]())
  const { database } = hub
  return {
    ...hub,
    authenticateDevice: (device, secret) => authenticateDevice({ database }, device, secret),
    mayReadBlob: (device, blob) => mayReadBlob({ database }, device, blob),
  }
}

export const noReports: ReportsPort = { take: async () => undefined, highWaterMark: async () => 0 }

export async function aFleet(hub: Hub, reports: ReportsPort = noReports, options: FleetOptions = {}): Promise<Fleet> {
  const brokerLimits = { ...patient, ...options.brokerLimits }
  const fleet = await startFleet(hub, reports, { ...options, brokerLimits })
  onTestFinished(() => fleet.close())
  return fleet
}

/** What a device makes for itself before it enrols. */
export function anEnrolment(
  token: string,
  wish: { device?: string; profile?: string; seed?: Uint8Array } = {},
): EnrolRequest {
  const pair = wish.seed === undefined ? generateKeyPair(random) : keyPairFromSeed(wish.seed)
  const request = {
    token,
    ...(wish.device === undefined ? {} : { device: wish.device }),
    profile: wish.profile ?? 'generic-x64',
    signKey: Buffer.from(pair.publicKey).toString('base64'),
    sealKey: Buffer.from(random(32)).toString('base64'),
  }
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), pair.secretKey.subarray(0, 32)])
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
  return { ...request, proof: sign(null, enrolmentClaim(request), key).toString('base64') }
}

/** A claim as an operator makes it; its token is told only here. */
export async function createClaim(
  hub: Pick<Hub, 'database' | 'random' | 'clock'>,
  claim: Parameters<typeof insertClaim>[1],
): Promise<ReturnType<typeof makeClaimToken>> {
  const made = makeClaimToken(hub.random)
  await hub.database.write([insertClaim(made, claim, hub.clock())])
  return made
}

export type Enrolled = { device: string; secret: string }

export async function anEnrolledDevice(
  hub: Hub,
  device: string,
  { labels = {}, profile = 'generic-x64' }: { labels?: Record<string, string>; profile?: string } = {},
): Promise<Enrolled> {
  const claim = await createClaim(hub, { labels, usesMax: 1, expiresAt: hub.clock() + hourMs, by: 'test' })
  return enrolDevice(hub, anEnrolment(claim.token, { device, profile }))
}

/** Many, by one claim. */
export async function someDevices(hub: Hub, devices: readonly string[]): Promise<Enrolled[]> {
  const claim = await createClaim(hub, {
    labels: {},
    usesMax: devices.length,
    expiresAt: hub.clock() + hourMs,
    by: 'test',
  })
  return Promise.all(devices.map((device) => enrolDevice(hub, anEnrolment(claim.token, { device }))))
}

/** A signed version whose model file is `bytes`. @returns its manifest's digest and its blob's */
export async function aRelease(
  hub: Hub,
  model: string,
  bytes: Uint8Array,
  profiles: string[] = [],
): Promise<{ version: number; manifest: string; blob: string }> {
  const { release } = hub.keys
  if (release === undefined) throw new Error('this hub holds no release key')
  await using staged = await hub.blobs.stage([bytes], { bytesMax: bytes.length })
  await staged.keep()
  const file = BundleFile.parse({ role: 'model', ...(await describe(bytes)) })
  const created_at = hub.clock()
  const inspection = {
    irVersion: 9,
    producer: { name: 'test', version: '1' },
    opset: 17,
    opsets: [],
    inputs: [],
    outputs: [],
    operators: [],
    nodes: 0,
    parameters: 0,
    tensorBytes: 0,
  }
  const baseline = { source: 'none' as const, rows: 0, rowsLeftOut: 0, windows: 0, columns: 0, noVerdict: 'none' }
  const made = await insertVersion(
    hub.database,
    model,
    {
      description: '',
      metrics: {},
      commit: undefined,
      run: undefined,
      dataset: undefined,
      created_by: 'test',
      created_at,
      content: `${model}/${file.sha256}/${profiles.join()}`,
      inspection,
      baseline,
    },
    (version, counter) => {
      const tensor = { name: 'x', datatype: 'FP32' as const, shape: [1] }
      const manifest = {
        type: 'manifest' as const,
        formatVersion: 1 as const,
        model,
        version,
        counter,
        variant: 'fp32',
        profiles,
        files: [file],
        inputs: [tensor],
        outputs: [tensor],
        opset: 17,
        limits: { memoryBytes: 1_000_000, trialMs: 1_000, inferenceMs: 1_000 },
        window: { seconds: 60 },
        created: new Date(created_at).toISOString(),
      }
      const payload = manifestPayload(manifest)
      return { manifest, payload, digest: manifestDigest(payload), envelope: signManifest(payload, [release]) }
    },
  )
  return { version: made.version, manifest: made.digest, blob: file.sha256 }
}

async function describe(bytes: Uint8Array) {
  const { sha256, sizeBytes, chunks } = await chunkHashes([bytes])
  return { sha256, sizeBytes, chunks: typeof chunks === 'string' ? chunks : Buffer.from(chunks).toString('base64') }
}

export type SpeakingDevice = {
  device: string
  client: MqttClient
  assigns: Assign[]
  acks: Ack[]
  hello: (over?: Partial<Hello>) => Promise<Hello>
  want: (want: Want) => Promise<void>
}

/** A device that connects, listens and can speak. */
export async function aSpeakingDevice(fleet: Fleet, { device, secret }: Enrolled): Promise<SpeakingDevice> {
  const url = `mqtt://127.0.0.1:${fleet.ports.tcp}`
  const client = await connected(aClient(fleet, device, { url, password: secret }))
  const assigns: Assign[] = []
  const acks: Ack[] = []
  client.on('message', (topic, payload) => {
    if (topic === downTopic(device, 'assign')) assigns.push(read(decode(Assign, payload)))
    if (topic === downTopic(device, 'ack')) acks.push(read(decode(Ack, payload)))
  })
  await client.subscribeAsync(downFilter(device), { qos: 1 })
  await until(() => fleet.isConnected(device))
  return {
    device,
    client,
    assigns,
    acks,
    hello: async (over = {}) => {
      const hello = aHello(over)
      await client.publishAsync(upTopic(device, 'hello'), Buffer.from(encode(hello)), { qos: 1 })
      return hello
    },
    want: async (want) => {
      await client.publishAsync(upTopic(device, 'want'), Buffer.from(encode(want)), { qos: 1 })
    },
  }
}

export const aHello = (over: Partial<Hello> = {}): Hello => ({
  nonce: random(16),
  agent: '0.1.0',
  profile: 'generic-x64',
  rootVersion: 1,
  generation: 0,
  slots: [],
  denied: [],
  outbox: { epoch: '0123456789abcdef', head: 0, tail: 0 },
  stale: false,
  ...over,
})

function read<T>(decoded: { ok: true; message: T } | { ok: false; reason: string }): T {
  if (!decoded.ok) throw new Error(decoded.reason)
  return decoded.message
}
