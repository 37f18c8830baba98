// Outbox records as rows: window reports with their share in the totals, an event, a gap.
// A record that cannot be read is stored as such and counts as taken in: it must not hold up those behind it.

import {
  type DeviceEvent,
  type Gap,
  type LabelCounts,
  RecordBody,
  type WindowReport,
} from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import type { Statement, Value } from '../storage/database.ts'

export type Unreadable = { kind: 'event'; event: 'unreadable'; at: number; detail: string }

/** @param bytes CBOR of a RecordBody */
export function readRecord(bytes: Uint8Array, nowMs: number): WindowReport | DeviceEvent | Gap | Unreadable {
  const decoded = decode(RecordBody, bytes)
  if (decoded.ok) return decoded.message
  return { kind: 'event', event: 'unreadable', at: nowMs, detail: `a record cannot be read: ${decoded.reason}` }
}

/** A window report as it came in. `bytes`: CBOR, kept as the body of its row. */
export type ReceivedWindow = { device: string; report: WindowReport; bytes: Uint8Array }

export function eventStatement(device: string, record: DeviceEvent | Gap | Unreadable, nowMs: number): Statement {
  const event = record.kind === 'gap' ? 'gap' : record.event
  return {
    sql: 'INSERT INTO device_events (device, at, received_at, event, body) VALUES (?, ?, ?, ?, ?)',
    args: [device, record.at, nowMs, event, JSON.stringify(record)],
  }
}

/** Rows of one INSERT. A statement costs more than its row: with 32 rows each takes a third of the time it takes alone. */
export const rowsPerInsert = 32

/** Few statements for many rows, in their order. `onConflict`: what follows the values. */
export function insertRows(into: string, rows: readonly (readonly Value[])[], onConflict = ''): Statement[] {
  return Array.from({ length: Math.ceil(rows.length / rowsPerInsert) }, (_, i) => {
    const some = rows.slice(i * rowsPerInsert, (i + 1) * rowsPerInsert)
    const values = some.map((row) => `(${row.map(() => '?').join(', ')})`).join(', ')
    return { sql: `INSERT INTO ${into} VALUES ${values} ${onConflict}`, args: some.flat() }
  })
}

/** The rows of the reports, in their order, and their share in the totals, each total touched once. */
export function windowStatements(windows: readonly ReceivedWindow[], nowMs: number): Statement[] {
  return [
    ...insertRows(
      windowColumns,
      windows.map((window) => windowRow(window, nowMs)),
    ),
    ...insertRows(totalColumns, totalsOf(windows).map(totalRow), addToTotals),
  ]
}

export const windowColumns = `window_reports
  (device, deployment, role, manifest, model, version, from_ms, to_ms, received_at, ok, error, refused, latency, body)`

export const windowRow = ({ device, report, bytes }: ReceivedWindow, nowMs: number): Value[] => [
  device,
  report.deployment,
  report.role,
  report.manifest,
  report.model,
  report.version,
  report.from,
  report.to,
  nowMs,
  report.counts.ok,
  report.counts.error,
  report.counts.refused,
  JSON.stringify(report.latency),
  bytes,
]

type Total = Pick<WindowReport, 'deployment' | 'role' | 'manifest' | 'model' | 'version' | 'windows' | 'counts'> &
  LabelCounts & { device: string; interrupted: number; lastToMs: number }

/** One for each device and bundle among the reports. */
function totalsOf(windows: readonly ReceivedWindow[]): Total[] {
  const totals = new Map<string, Total>()
  for (const { device, report } of windows) {
    const { deployment, role, manifest } = report
    const key = `${device}/${deployment}/${role}/${manifest}`
    const total = totals.get(key)
    totals.set(key, total === undefined ? totalOf(device, report) : added(total, totalOf(device, report)))
  }
  return [...totals.values()]
}

function totalOf(device: string, report: WindowReport): Total {
  const { deployment, role, manifest, model, version, windows, counts, labels = noLabels } = report
  const bundle = { deployment, role, manifest, model, version }
  return { device, ...bundle, windows, interrupted: Number(report.interrupted), counts, ...labels, lastToMs: report.to }
}

const noLabels: LabelCounts = { truePositive: 0, falsePositive: 0, trueNegative: 0, falseNegative: 0 }

const added = (a: Total, b: Total): Total => ({
  ...a,
  windows: sum(a.windows, b.windows),
  interrupted: sum(a.interrupted, b.interrupted),
  counts: {
    ok: sum(a.counts.ok, b.counts.ok),
    error: sum(a.counts.error, b.counts.error),
    refused: sum(a.counts.refused, b.counts.refused),
  },
  truePositive: sum(a.truePositive, b.truePositive),
  falsePositive: sum(a.falsePositive, b.falsePositive),
  trueNegative: sum(a.trueNegative, b.trueNegative),
  falseNegative: sum(a.falseNegative, b.falseNegative),
  lastToMs: Math.max(a.lastToMs, b.lastToMs),
})

/** Sums stop at the largest whole number that a double holds: beyond it they could not be read, and further on not even
 *  be written, whatever a device claims to have counted. */
export const sumMax = Number.MAX_SAFE_INTEGER
const sum = (a: number, b: number) => Math.min(a + b, sumMax)

const sums = [
  'windows',
  'interrupted',
  'ok',
  'error',
  'refused',
  'true_positive',
  'false_positive',
  'true_negative',
  'false_negative',
]
  .map((column) => `${column} = min(${column} + excluded.${column}, ${sumMax})`)
  .join(', ')

const addToTotals = `ON CONFLICT (device, deployment, role, manifest) DO UPDATE SET
  ${sums}, last_to_ms = max(last_to_ms, excluded.last_to_ms)`

const totalColumns = `window_totals
  (device, deployment, role, manifest, model, version, windows, interrupted, ok, error, refused,
   true_positive, false_positive, true_negative, false_negative, last_to_ms)`

const totalRow = (total: Total): Value[] => [
  total.device,
  total.deployment,
  total.role,
  total.manifest,
  total.model,
  total.version,
  total.windows,
  total.interrupted,
  total.counts.ok,
  total.counts.error,
  total.counts.refused,
  total.truePositive,
  total.falsePositive,
  total.trueNegative,
  total.falseNegative,
  total.lastToMs,
]
