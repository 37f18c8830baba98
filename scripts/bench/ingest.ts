// Bench `ingest`: window reports from the broker to the committed row, as confirmed to the devices that sent them.
// A real hub process is fed over MQTT by devices whose outbox is full. Its limits in the same run: batched inserts of the
// same rows into a libSQL file and nothing else, and the same messages through aedes alone.

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import type { OutboxRecord } from '@roost/shared/protocol/messages.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { pino } from 'pino'
import { z } from 'zod'
import { openDatabase } from '../../hub/storage/database.ts'
import { insertRows, rowsPerInsert, windowColumns, windowRow } from '../../hub/telemetry/records.ts'
import { createCrew } from '../demo/crew.ts'
import { startHub } from '../demo/hub-process.ts'
import { tableModel } from './bundles.ts'
import { deploy } from './deployment.ts'
import { processorMs } from './processor.ts'
import { type BenchResult, benchResult } from './result.ts'
import { type Credentials, connectDevice, enrolDevices } from './simulated-fleet.ts'
import { median } from './statistics.ts'

const deviceCount = 100
/** Each way in turn, so that all see the same machine. */
const rounds = 3
/** What a device sends after an outage, as many as a message holds; and what it sends day by day. */
const ways = [
  { name: 'full messages', recordsMax: 1024, recordsPerDevice: 100 },
  { name: 'one report a message', recordsMax: 1, recordsPerDevice: 40 },
]
/** Rows of one transaction of the bare inserts. */
const rowsPerBatch = 2_000
const rowsPerReport = 100

/** Reports a second, and that none is lost or counted twice. */
export async function ingest(): Promise<BenchResult[]> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-bench-ingest-'))
  try {
    const reports = await realReports(folder)
    const rates = ways.map((way) => ({
      ...way,
      hub: none(),
      rows: none(),
      statements: none(),
      aedes: none(),
      us: none(),
      rowsUs: none(),
    }))
    for (let round = 0; round < rounds; round++) {
      for (const way of rates) {
        const outboxes = outboxesOf(reports, way.recordsPerDevice)
        const rows = await bareInserts(await madeFolder(folder), outboxes, 1)
        const statements = await bareInserts(await madeFolder(folder), outboxes, rowsPerInsert)
        way.rows.push(rows.perSecond)
        way.rowsUs.push(rows.us)
        way.statements.push(statements.perSecond)
        way.aedes.push(await bareBroker(outboxes, way.recordsMax))
        const hub = await throughHub(await madeFolder(folder), outboxes, way.recordsMax)
        way.hub.push(hub.perSecond)
        way.us.push(hub.us)
      }
    }
    const bytes = reports.reduce((sum, report) => sum + encode(report).length, 0) / reports.length
    return [
      ...rates.flatMap(({ name, hub, rows, statements, aedes, us, rowsUs }) => {
        const measured = { bench: 'ingest', value: median(hub), unit: 'reports/s' }
        const goal = { of: 'ratio', bound: '>=', number: 0.6 } as const
        return [
          benchResult({ ...measured, metric: `${name} : batches of one-row inserts`, limit: median(rows) }, goal),
          benchResult({ ...measured, metric: `${name} : batches of 32-row inserts`, limit: median(statements) }),
          benchResult({ ...measured, metric: `${name} : aedes alone`, limit: median(aedes) }),
          benchResult({
            bench: 'ingest',
            metric: `${name} : processor time, one-row inserts`,
            value: median(us),
            unit: 'µs',
            limit: median(rowsUs),
          }),
        ]
      }),
      benchResult({ bench: 'ingest', metric: 'a report as CBOR', value: bytes, unit: 'bytes' }),
    ]
  } finally {
    await rm(folder, { recursive: true })
  }
}

const none = (): number[] => []

let folders = 0

async function madeFolder(parent: string): Promise<string> {
  const folder = join(parent, `run-${folders++}`)
  await mkdir(folder)
  return folder
}

/** Window reports as a device makes them: the demo's motes through features, model and recorder. */
async function realReports(folder: string): Promise<WindowReport[]> {
  const table = await tableModel(folder)
  const reports: WindowReport[] = []
  const manifest = { ...table.bundle.manifest, window: { rows: rowsPerReport, seconds: 60 } }
  const deployment = await deploy({ ...table.bundle, manifest }, (report) => void reports.push(report))
  for (const record of table.records) await deployment.predict(record)
  await deployment.close()
  return reports
}

/** `us`: processor time for one report. */
type Rate = { perSecond: number; us: number }

type Outbox = { device: string; records: OutboxRecord[]; reports: WindowReport[] }

function outboxesOf(reports: readonly WindowReport[], count: number): Outbox[] {
  return Array.from({ length: deviceCount }, (_, i) => {
    const own = Array.from({ length: count }, (_, k): WindowReport => {
      const from = 1_767_225_600_000 + k * 60_000
      return { ...(reports[(i * 31 + k) % reports.length] ?? fail('no reports')), from, to: from + 59_000 }
    })
    const records = own.map((report, k) => ({ seq: k + 1, from: k + 1, body: encode(report) }))
    return { device: `bench-${i}`, records, reports: own }
  })
}

function fail(why: string): never {
  throw new Error(why)
}

/** Rows a second: the rows of the reports, on the hub's tables and with its settings of durability, in transactions of
 *  2,000 rows and statements of `rowsPerStatement`. */
async function bareInserts(folder: string, outboxes: readonly Outbox[], rowsPerStatement: number): Promise<Rate> {
  const path = join(folder, 'bare.db')
  const made = await openDatabase(path, pino({ level: 'silent' }))
  await made.close()
  const windows = outboxes.flatMap(({ device, reports, records }) =>
    reports.map((report, k) => ({ device, report, bytes: records[k]?.body ?? fail('no record') })),
  )
  const rows = windows.map((window) => windowRow(window, window.report.to))
  const statements = inSteps(rows, rowsPerStatement).flatMap((some) => insertRows(windowColumns, some))
  const batches = inSteps(statements, rowsPerBatch / rowsPerStatement).map((batch) =>
    batch.map(({ sql, args = [] }) => ({ sql, args: [...args] })),
  )
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1 })
  await client.execute('PRAGMA synchronous = FULL')
  const started = performance.now()
  const before = process.cpuUsage()
  for (const batch of batches) await client.batch(batch, 'write')
  const { user, system } = process.cpuUsage(before)
  const seconds = (performance.now() - started) / 1000
  client.close()
  return { perSecond: windows.length / seconds, us: (user + system) / windows.length }
}

function inSteps<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size))
}

/** Reports a second through a broker that does nothing with them; a confirmation is sent back for each message. */
async function bareBroker(outboxes: readonly Outbox[], recordsMax: number): Promise<number> {
  const child = fork(fileURLToPath(new URL('./bare-broker.ts', import.meta.url)))
  try {
    const [port]: unknown[] = await once(child, 'message')
    const devices = outboxes.map(({ device }) => ({ device, secret: 'any' }))
    return await shipAll(`mqtt://127.0.0.1:${port}`, devices, outboxes, recordsMax)
  } finally {
    child.kill('SIGKILL')
  }
}

async function throughHub(folder: string, outboxes: readonly Outbox[], recordsMax: number): Promise<Rate> {
  const { signal } = new AbortController()
  const crew = createCrew(folder, signal, (error) => console.error(error.message))
  try {
    const hub = await startHub(crew, join(folder, 'hub'), signal)
    const devices = await enrolDevices(
      hub,
      outboxes.map(({ device }) => device),
    )
    const before = await processorMs(hub.member.pid)
    const perSecond = await shipAll(`mqtt://127.0.0.1:${hub.mqttPort}`, devices, outboxes, recordsMax)
    const us = ((await processorMs(hub.member.pid)) - before) * 1000
    await checkCounts(hub, outboxes)
    return { perSecond, us: us / outboxes.reduce((sum, { records }) => sum + records.length, 0) }
  } finally {
    await crew.dismiss()
  }
}

async function shipAll(
  url: string,
  credentials: readonly Credentials[],
  outboxes: readonly Outbox[],
  recordsMax: number,
): Promise<number> {
  const devices = await Promise.all(
    outboxes.map(({ records }, i) => connectDevice(url, credentials[i] ?? fail('no device'), records, recordsMax)),
  )
  const started = performance.now()
  await Promise.all(devices.map(({ ship }) => ship()))
  const seconds = (performance.now() - started) / 1000
  await Promise.all(devices.map(({ close }) => close()))
  return outboxes.reduce((sum, { records }) => sum + records.length, 0) / seconds
}

const Telemetry = z.object({ totals: z.object({ windows: z.number(), ok: z.number() }) })

/** @throws where the hub counted anything but what was sent */
async function checkCounts(hub: { url: string; adminToken: string }, outboxes: readonly Outbox[]): Promise<void> {
  for (const { device, reports } of outboxes) {
    const response = await fetch(`${hub.url}/v1/devices/${device}/telemetry?limit=1`, {
      headers: { authorization: `Bearer ${hub.adminToken}` },
    })
    const { totals } = Telemetry.parse(await response.json())
    const ok = reports.reduce((sum, { counts }) => sum + counts.ok, 0)
    if (totals.windows !== reports.length || totals.ok !== ok) {
      throw new Error(
        `${device} sent ${reports.length} windows and ${ok} inferences, the hub has ${totals.windows}, ${totals.ok}`,
      )
    }
  }
}
