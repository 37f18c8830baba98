// A fleet in the database without processes: devices that say what a test lets them say, versions without bytes.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { createRollouts, type Rollouts } from '../../../hub/rollouts/engine.ts'
import { RolloutPlan, type WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { seededRandom } from '../../../hub/seeded-random.ts'
import type { Statement } from '../../../hub/storage/database.ts'
import { createIngest, type Ingest } from '../../../hub/telemetry/ingest.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { replayAll } from './replayed.ts'

export type TestFleet = AsyncDisposable & {
  hub: TestHub
  clock: { nowMs: number }
  online: Set<string>
  pushed: string[]
  digests: Record<number, string>
  /** A fresh engine each time: whatever it needs must be in the database. */
  engine(): Rollouts
  /** Each online device takes what is wanted and reports it as `state` (a shadow that succeeds: as shadowing), then what
   *  it did before serves no more. */
  obey(state?: (device: string, manifest: string) => ProgressState): Promise<void>
  /** Each online device reports a window on what runs there. */
  report(make?: (device: string, version: number) => { ok: number; error: number }): Promise<void>
  running(): Promise<Record<string, number>>
}

export const aPlan = (over: Partial<WrittenPlan> = {}): RolloutPlan =>
  RolloutPlan.parse({
    stages: [
      { name: 'canary', percent: 20, bakeMs: 5_000 },
      { name: 'all', percent: 100, bakeMs: 5_000 },
    ],
    gates: [
      { metric: 'installation', failuresMax: 0 },
      { metric: 'error_rate', margin: 0.01 },
    ],
    samplesMin: 100,
    quorum: 0.8,
    concurrency: 50,
    installTimeoutMs: 60_000,
    stageTimeLimitMs: 600_000,
    onFail: 'rollback',
    ...over,
  })

const Running = z.object({ device: z.string(), manifest: z.string() })
const Wanted = Running.extend({ attempt: z.number(), role: z.enum(['primary', 'shadow']) })

/** Windows that each device has reported on version 1 before a test begins. */
const pastWindows = 40

/** By the ids of rollouts their devices are drawn, and what their gates draw: the same in every run. */
const seed = 'fleet 20261126'

export async function aFleet(size: number): Promise<TestFleet> {
  const clock = { nowMs: 1_800_000_000_000 }
  const { bits } = seededRandom(seed)
  const random = (length: number) => Uint8Array.from({ length }, bits)
  const hub = await aHub({ parts: { clock: () => clock.nowMs, random } })
  const devices = Array.from({ length: size }, (_, i) => `d-${String(i).padStart(3, '0')}`)
  const online = new Set(devices)
  const pushed: string[] = []
  const digests: Record<number, string> = { 1: '1'.repeat(64), 2: '2'.repeat(64), 3: '3'.repeat(64) }
  await insertFleet(hub, devices, digests)
  const ingest: Ingest = createIngest({
    database: hub.database,
    clock: hub.clock,
    log: hub.log,
    onEvent: () => [],
  })
  let seq = 0
  /** Windows of a second each, the last ending now. */
  const take = (device: string, windows: readonly Partial<WindowReport>[]) =>
    ingest.take(device, {
      epoch: '00000000000000aa',
      records: windows.map((window, i) => {
        seq += 1
        const to = clock.nowMs - (windows.length - 1 - i) * 1_000
        return aRecord(seq, aWindow({ deployment: 'vibration', from: to - 1_000, to, ...window }))
      }),
    })
  const past = { manifest: digests[1] ?? '', version: 1, counts: { ok: 200, error: 0, refused: 0 } }
  for (const device of devices) await take(device, new Array(pastWindows).fill(past))
  clock.nowMs += 1_000
  return {
    hub,
    clock,
    online,
    pushed,
    digests,
    engine: () =>
      createRollouts(hub, { isConnected: (device) => online.has(device), push: (all) => void pushed.push(...all) }),
    obey: async (state = () => 'succeeded') => {
      const wanted = await hub.database.all(Wanted, 'SELECT device, manifest, attempt, role FROM desired')
      const statements: Statement[] = []
      for (const { device, manifest, attempt, role } of wanted) {
        if (!online.has(device)) continue
        const told = state(device, manifest)
        const said = role === 'shadow' && told === 'succeeded' ? 'shadowing' : told
        const serves = said === 'succeeded' || said === 'probation'
        statements.push(
          ...(serves
            ? [
                {
                  sql: 'UPDATE device_deployments SET running = 0 WHERE device = ? AND manifest <> ?',
                  args: [device, manifest],
                },
              ]
            : []),
          {
            sql: `INSERT INTO device_deployments (device, deployment, manifest, attempt, state, running, changed_at)
                  VALUES (?, 'vibration', ?, ?, ?, ?, ?)
                  ON CONFLICT DO UPDATE SET attempt = excluded.attempt, state = excluded.state, running = excluded.running`,
            args: [device, manifest, attempt, said, Number(serves), clock.nowMs],
          },
        )
      }
      await hub.database.write(statements)
    },
    report: async (make = () => ({ ok: 200, error: 0 })) => {
      const current = await hub.database.all(
        Running,
        'SELECT device, manifest FROM device_deployments WHERE running = 1',
      )
      for (const { device, manifest } of current) {
        if (!online.has(device)) continue
        const version = Number(manifest[0])
        const counts = { refused: 0, ...make(device, version) }
        await take(device, [{ manifest, version, counts }])
      }
    },
    running: async () => {
      const counted = await hub.database.all(
        z.object({ version: z.string(), count: z.number() }),
        'SELECT substr(manifest, 1, 1) AS version, count(*) AS count FROM device_deployments WHERE running = 1 GROUP BY 1',
      )
      return Object.fromEntries(counted.map(({ version, count }) => [version, count]))
    },
    // every verdict of every test that makes a fleet comes out the same from what is stored of it
    [Symbol.asyncDispose]: async () => {
      try {
        await replayAll(hub.database)
      } finally {
        await hub[Symbol.asyncDispose]()
      }
    },
  }
}

/** Devices at two sites, all running version 1 of `vibration`; versions 1 to 3 are signed, as far as anybody looks. */
async function insertFleet(hub: TestHub, devices: readonly string[], digests: Record<number, string>): Promise<void> {
  const nothing = new Uint8Array(32)
  await hub.database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 1, 'test', 0, 0)`,
      args: [nothing],
    },
    {
      sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at) VALUES ('all', 'all', '', 't', 0, 0)`,
    },
    { sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('vibration', 3, 3, 0)` },
    ...Object.entries(digests).flatMap(([version, digest]) => [
      {
        sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
              VALUES ('vibration', ?, '', '{}', 'test', 0)`,
        args: [Number(version)],
      },
      {
        sql: `INSERT INTO manifests (digest, model, version, variant, counter, payload, envelope, content, inspection, baseline)
              VALUES (?, 'vibration', ?, 'fp32', ?, ?, ?, ?, '{}', '{}')`,
        args: [digest, Number(version), Number(version), aPayload(Number(version)), nothing, digest],
      },
    ]),
    ...devices.flatMap((device, i) => [
      {
        sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
              VALUES (?, ?, 'generic-x64', ?, ?, ?, 'c', 0)`,
        args: [
          device,
          JSON.stringify({ site: i % 2 === 0 ? 'north' : 'south' }),
          Buffer.from(device),
          nothing,
          nothing,
        ],
      },
      {
        sql: `INSERT INTO desired (device, deployment, role, manifest, attempt, generation, changed_by, changed_at)
              VALUES (?, 'vibration', 'primary', ?, 1, 1, 'test', 0)`,
        args: [device, digests[1] ?? ''],
      },
    ]),
  ])
}

function aPayload(version: number): Uint8Array {
  const manifest: Manifest = {
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
  }
  return Buffer.from(JSON.stringify(manifest))
}
