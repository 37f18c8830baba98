// One outbox record as rows: a window report with its share in the totals, an event, a gap.
// A record that cannot be read is stored as such and counts as taken in: it must not hold up those behind it.

import { type DeviceEvent, type Gap, RecordBody, type WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import type { Statement } from '../storage/database.ts'

export type Unreadable = { kind: 'event'; event: 'unreadable'; at: number; detail: string }

/** @param bytes CBOR of a RecordBody */
export function readRecord(bytes: Uint8Array, nowMs: number): WindowReport | DeviceEvent | Gap | Unreadable {
  const decoded = decode(RecordBody, bytes)
  if (decoded.ok) return decoded.message
  return { kind: 'event', event: 'unreadable', at: nowMs, detail: `a record cannot be read: ${decoded.reason}` }
}

/** @param bytes the record as it came, kept as the body of a window report */
export function recordStatements(
  device: string,
  record: WindowReport | DeviceEvent | Gap | Unreadable,
  bytes: Uint8Array,
  nowMs: number,
): Statement[] {
  if (record.kind === 'window') return [windowStatement(device, record, bytes, nowMs), totalsStatement(device, record)]
  const event = record.kind === 'gap' ? 'gap' : record.event
  return [
    {
      sql: 'INSERT INTO device_events (device, at, received_at, event, body) VALUES (?, ?, ?, ?, ?)',
      args: [device, record.at, nowMs, event, JSON.stringify(record)],
    },
  ]
}

const windowStatement = (device: string, report: WindowReport, bytes: Uint8Array, nowMs: number): Statement => ({
  sql: `INSERT INTO window_reports
          (device, deployment, role, manifest, model, version, from_ms, to_ms, received_at, ok, error, refused, latency, body)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  args: [
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
  ],
})

function totalsStatement(device: string, report: WindowReport): Statement {
  const { counts, labels } = report
  return {
    sql: `INSERT INTO window_totals
            (device, deployment, role, manifest, model, version, windows, interrupted, ok, error, refused,
             true_positive, false_positive, true_negative, false_negative, last_to_ms)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT (device, deployment, role, manifest) DO UPDATE SET
            windows = windows + excluded.windows,
            interrupted = interrupted + excluded.interrupted,
            ok = ok + excluded.ok,
            error = error + excluded.error,
            refused = refused + excluded.refused,
            true_positive = true_positive + excluded.true_positive,
            false_positive = false_positive + excluded.false_positive,
            true_negative = true_negative + excluded.true_negative,
            false_negative = false_negative + excluded.false_negative,
            last_to_ms = max(last_to_ms, excluded.last_to_ms)`,
    args: [
      device,
      report.deployment,
      report.role,
      report.manifest,
      report.model,
      report.version,
      report.windows,
      Number(report.interrupted),
      counts.ok,
      counts.error,
      counts.refused,
      labels?.truePositive ?? 0,
      labels?.falsePositive ?? 0,
      labels?.trueNegative ?? 0,
      labels?.falseNegative ?? 0,
      report.to,
    ],
  }
}
