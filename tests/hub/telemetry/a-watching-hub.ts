// A hub with two devices at each of two sites, one version with a baseline, and reports taken in as devices send them.

import { createHash } from 'node:crypto'
import { buildBaseline } from '@roost/shared/drift/baseline.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { createColumnRecorder } from '@roost/shared/sketch/recorder.ts'
import { createApp } from '../../../hub/app.ts'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { telemetryRoutes } from '../../../hub/telemetry/routes.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub, type TestHub } from '../a-hub.ts'

const seed = 77
export const rowsPerWindow = 200

/** Standard normal values from a linear congruential generator (Numerical Recipes' constants) and Box-Muller. */
function normals(count: number, start: number): Float64Array {
  let state = start >>> 0
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return (state + 1) / 4_294_967_297
  }
  return Float64Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
}

const baseline = buildBaseline({
  columns: [{ name: 'x', kind: 'feature', values: normals(60 * rowsPerWindow, seed) }],
  window: { rows: rowsPerWindow, seconds: 60 },
})

/** A hub with two devices at each of two sites and one version whose bundle has the baseline. */
export async function aWatchingHub() {
  const hub = await aHub()
  const bytes = Buffer.from(JSON.stringify(baseline))
  const blob = await hub.blobs.put([bytes], { bytesMax: bytes.length })
  const payload = Buffer.from(JSON.stringify(aManifest(blob.sha256, bytes.length)))
  const digest = createHash('sha256').update(payload).digest('hex')
  const nothing = new Uint8Array(32)
  await hub.database.write([
    { sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('vibration', 1, 1, 0)` },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
            VALUES ('vibration', 1, '', '{}', 'test', 0)`,
    },
    {
      sql: `INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
            VALUES (?, 'vibration', 1, 'fp32', 1, ?, ?, ?, '{}', '{}')`,
      args: [digest, payload, nothing, digest],
    },
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'test', 0, 0)`,
      args: [nothing],
    },
    ...['north-1', 'north-2', 'south-1', 'south-2'].map((device) => ({
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES (?, ?, 'generic-x64', ?, ?, ?, 'c', 0)`,
      args: [device, JSON.stringify({ site: device.slice(0, 5) }), Buffer.from(device), nothing, nothing],
    })),
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
            VALUES ('north', 'site = north', '', 't', 0, 0), ('south', 'site = south', '', 't', 0, 0)`,
    },
  ])
  const app = createApp(hub, [telemetryRoutes(hub)])
  const token = await hub.tokenOf('viewer')
  const get = async (path: string) => {
    const response = await app.request(path, { headers: { authorization: `Bearer ${token}` } })
    return { status: response.status, body: (await response.json()) as unknown }
  }
  return { hub, digest, get, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() }
}

const aManifest = (sha256: string, sizeBytes: number) => ({
  type: 'manifest',
  formatVersion: 1,
  model: 'vibration',
  version: 1,
  counter: 1,
  variant: 'fp32',
  profiles: [],
  files: [{ role: 'baseline', sha256, sizeBytes, chunks: 'AAAA' }],
  inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1] }],
  opset: 17,
  limits: { memoryBytes: 1, trialMs: 1, inferenceMs: 1 },
  window: { rows: rowsPerWindow, seconds: 60 },
  created: '2020-01-01T00:00:00Z',
})

/** Windows of a device, one a minute by its clock, whose values are moved by `shift` standard deviations. */
export async function report(
  hub: TestHub,
  digest: string,
  device: string,
  windows: number,
  shift: number | ((window: number) => number),
  firstMs = 1_000_000,
): Promise<void> {
  const shiftOf = typeof shift === 'number' ? () => shift : shift
  const ingest = createIngest({ database: hub.database, clock: hub.clock, log: hub.log, onEvent: () => [] })
  const x = baseline.columns.x
  if (x === undefined) throw new Error('the baseline has the column x')
  const values = normals(windows * rowsPerWindow, seed + device.charCodeAt(6) + device.charCodeAt(0))
  const records = Array.from({ length: windows }, (_, i) => {
    const recorder = createColumnRecorder(x.scale)
    for (const value of values.slice(i * rowsPerWindow, (i + 1) * rowsPerWindow)) recorder.record(value + shiftOf(i))
    const over: Partial<WindowReport> = {
      manifest: digest,
      from: firstMs + i * 60_000,
      to: firstMs + (i + 1) * 60_000,
      counts: { ok: rowsPerWindow, error: 1, refused: 2 },
      labels: { truePositive: 1, falsePositive: 2, trueNegative: 3, falseNegative: 4 },
      features: { x: recorder.snapshot() },
    }
    return aRecord(i + 1, aWindow(over))
  })
  await ingest.take(device, { epoch: '00000000000000aa', records })
}
