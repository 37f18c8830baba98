// Fleets for bench `rollout`: rows in a hub's own database, made and moved by SQLite itself, so that what is measured is
// the engine. Devices take what is wanted of them and report it; each hour each reports a window.

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { createLatencyRecorder } from '@roost/shared/sketch/latency.ts'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { z } from 'zod'
import { readConfig } from '../../hub/config.ts'
import type { Hub } from '../../hub/hub.ts'
import { openKeys } from '../../hub/keys.ts'
import { createRollouts, type Rollouts } from '../../hub/rollouts/engine.ts'
import { openBlobs } from '../../hub/storage/blobs.ts'
import { openDatabase, type Statement } from '../../hub/storage/database.ts'

const hourMs = 3_600_000
const digests = ['1'.repeat(64), '2'.repeat(64)] as const
const pastWindows = 6

export type RolloutFleet = {
  clock: { nowMs: number }
  rollouts: Rollouts
  /** Each device takes what is wanted of it. @returns how many had something to do */
  obey(): Promise<number>
  /** Each device reports the hour that is over. */
  report(): Promise<void>
  /** And why. */
  state(id: string): Promise<string>
  /** Reports are there that the engine has not added up yet. */
  isUnread(id: string): Promise<boolean>
  close(): Promise<void>
}

/** In an empty folder: all run version 1 and have done so for hours. */
export async function aRolloutFleet(folder: string, devices: number): Promise<RolloutFleet> {
  const log = pino({ level: process.env.LOG_LEVEL ?? 'error' })
  const clock = { nowMs: 1_800_000_000_000 }
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const database = await openDatabase(join(folder, 'hub.db'), log)
  const hub: Hub = {
    config: readConfig({ ROOST_DATA_DIR: folder }),
    database,
    blobs: await openBlobs(join(folder, 'blobs'), random),
    keys: await openKeys(join(folder, 'keys'), random, Date.now, log),
    log,
    clock: () => clock.nowMs,
    random,
    metrics: new Registry(),
    tls: undefined,
    brokerAuthority: undefined,
    stopping: new AbortController().signal,
    authenticateDevice: () => Promise.resolve(false),
    mayReadBlob: () => Promise.resolve(false),
  }
  await database.write(fleetStatements(devices))
  const obey = async () => (await database.write(obeyStatements(clock.nowMs)))[0] ?? 0
  const report = async () => {
    await database.write(digests.map((digest, i) => reportStatement(digest, i + 1, clock.nowMs)))
  }
  await obey()
  for (let hour = 0; hour < pastWindows; hour += 1) {
    clock.nowMs += hourMs
    await report()
  }
  return {
    clock,
    rollouts: createRollouts(hub, { isConnected: () => true, push: () => undefined }),
    obey,
    report,
    state: async (id) =>
      (
        await database.first(
          z.object({ state: z.string() }),
          `SELECT state || ': ' || reason AS state FROM rollouts WHERE id = ?`,
          [id],
        )
      )?.state ?? 'not there',
    isUnread: async (id) =>
      (await database.first(
        z.object({}),
        `SELECT 1 FROM rollout_readings WHERE rollout = ? AND last_window < (SELECT max(id) FROM window_reports)`,
        [id],
      )) !== undefined,
    close: () => database.close(),
  }
}

function fleetStatements(devices: number): Statement[] {
  const nothing = new Uint8Array(32)
  const numbers = 'WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)'
  return [
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'bench', 0, 0)`,
      args: [nothing],
    },
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
            VALUES ('all', 'all', '', 'bench', 0, 0)`,
    },
    { sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('vibration', 2, 2, 0)` },
    ...digests.flatMap((digest, i) => [
      {
        sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
              VALUES ('vibration', ?, '', '{}', 'bench', 0)`,
        args: [i + 1],
      },
      {
        sql: `INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
              VALUES (?, 'vibration', ?, 'fp32', ?, ?, ?, ?, '{}', '{}')`,
        args: [digest, i + 1, i + 1, payload(i + 1), nothing, digest],
      },
    ]),
    {
      sql: `${numbers} INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            SELECT printf('device-%06d', i), json_object('site', 'site-' || (i % 5)), 'generic-x64',
                   CAST(printf('%032d', i) AS BLOB), ?, ?, 'c', 0 FROM n`,
      args: [devices, nothing, nothing],
    },
    {
      sql: `INSERT INTO desired (device, deployment, role, manifest, attempt, generation, changed_by, changed_at)
            SELECT id, 'vibration', 'primary', ?, 1, 1, 'bench', 0 FROM devices`,
      args: [digests[0]],
    },
  ]
}

/** As a device's events would change the record, for all at once. (`+`: found by device, not by what all have.) */
const obeyStatements = (nowMs: number): Statement[] => [
  {
    sql: `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, changed_at)
          SELECT w.device, w.deployment, w.manifest, w.attempt, iif(w.role = 'shadow', 'shadowing', 'succeeded'),
                 w.role = 'primary', ?
          FROM desired w LEFT JOIN device_deployments r USING (device, deployment, manifest)
          WHERE r.device IS NULL OR r.attempt <> w.attempt
          ON CONFLICT DO UPDATE SET attempt = excluded.attempt, state = excluded.state, running = excluded.running`,
    args: [nowMs],
  },
  {
    sql: `UPDATE device_deployments SET running = 0 WHERE running = 1 AND NOT EXISTS (
            SELECT 1 FROM desired w WHERE w.role = 'primary' AND w.device = device_deployments.device
              AND +w.manifest = device_deployments.manifest)`,
  },
]

function reportStatement(digest: string, version: number, nowMs: number): Statement {
  const latency = createLatencyRecorder()
  for (let i = 0; i < 200; i += 1) latency.record(50 + (i % 20))
  const counts = { ok: 200, error: 0, refused: 0 }
  const window: WindowReport = {
    kind: 'window',
    deployment: 'vibration',
    role: 'primary',
    manifest: digest,
    model: 'vibration',
    version,
    generation: 1,
    from: nowMs - hourMs,
    to: nowMs,
    windows: 1,
    interrupted: false,
    counts,
    latency: latency.snapshot(),
    features: {},
    outputs: {},
  }
  return {
    sql: `INSERT INTO window_reports (device, deployment, role, manifest, model, version, from_ms, to_ms, received_at,
            ok, error, refused, latency, body)
          SELECT device, deployment, 'primary', manifest, 'vibration', ?1, ?2, ?3, ?3, 200, 0, 0, ?4, ?5
          FROM device_deployments WHERE running = 1 AND manifest = ?6`,
    args: [version, window.from, window.to, JSON.stringify(window.latency), encode(window), digest],
  }
}

const payload = (version: number): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      type: 'manifest',
      formatVersion: 1,
      model: 'vibration',
      version,
      counter: version,
      variant: 'fp32',
      profiles: [],
      files: [{ role: 'model', sha256: 'ab'.repeat(32), sizeBytes: 1, chunks: 'AAAA' }],
      inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [1] }],
      opset: 17,
      limits: { memoryBytes: 1, trialMs: 1, inferenceMs: 1 },
      window: { seconds: 60 },
      created: '2026-01-01T00:00:00Z',
    }),
  )
