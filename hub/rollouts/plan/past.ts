// What the devices of a group have reported so far, as far as a plan has to be held against it: whether there is anything
// its gates could compare, and how much devices differ.

import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { z } from 'zod'
import { BytesColumn, type Reader } from '../../storage/database.ts'

/** A metric that was last reported longer ago than this counts as not reported. */
export const recentMs = 7 * 86_400_000
/** The newest reports in which latency and outputs are looked up: enough to tell devices apart, quick to read. */
const reportsRead = 5_000
const bodiesRead = 50

export type DevicePast = {
  device: string
  inferences: number
  errors: number
  /** Labelled inferences, and those that were right. */
  labelled: number
  right: number
  /** Mean of its newest reports; null where there is none among those read. */
  latencyUs: number | null
}

export type Past = {
  /** Those that reported anything lately on what they ran. */
  devices: readonly DevicePast[]
  /** How many devices reported each metric of the application's own, and each one's mean. */
  metrics: ReadonlyMap<string, readonly number[]>
  /** Outputs that were summarised in the newest reports. */
  outputs: readonly string[]
}

const Totals = z.object({
  device: z.string(),
  inferences: z.number(),
  errors: z.number(),
  labelled: z.number(),
  right: z.number(),
})

/** @param running what each device runs in the deployment */
export async function pastOf(
  reader: Reader,
  deployment: string,
  running: ReadonlyMap<string, string>,
  nowMs: number,
): Promise<Past> {
  const manifests = JSON.stringify([...new Set(running.values())])
  const isOf = ({ device, manifest }: { device: string; manifest: string }) => running.get(device) === manifest
  const totals = await reader.all(
    Totals.extend({ manifest: z.string() }),
    `SELECT device, manifest, ok + error AS inferences, error AS errors,
            true_positive + false_positive + true_negative + false_negative AS labelled,
            true_positive + true_negative AS right
     FROM window_totals WHERE deployment = ? AND role = 'primary' AND last_to_ms >= ?
       AND manifest IN (SELECT value FROM json_each(?))`,
    [deployment, nowMs - recentMs, manifests],
  )
  const latency = await reader.all(
    z.object({ device: z.string(), manifest: z.string(), meanUs: z.number() }),
    `SELECT device, manifest, total(latency ->> 'sumUs') / total(latency ->> 'count') AS meanUs
     FROM (SELECT device, manifest, latency FROM window_reports
           WHERE manifest IN (SELECT value FROM json_each(?)) AND deployment = ? AND role = 'primary'
           ORDER BY id DESC LIMIT ${reportsRead})
     GROUP BY device, manifest HAVING total(latency ->> 'count') > 0`,
    [manifests, deployment],
  )
  const metrics = await reader.all(
    z.object({ device: z.string(), manifest: z.string(), name: z.string(), mean: z.number() }),
    `SELECT device, manifest, name, sum / count AS mean FROM window_metrics
     WHERE deployment = ? AND role = 'primary' AND count > 0 AND manifest IN (SELECT value FROM json_each(?))`,
    [deployment, manifests],
  )
  const bodies = await reader.all(
    z.object({ body: BytesColumn }),
    `SELECT body FROM window_reports WHERE manifest IN (SELECT value FROM json_each(?)) AND deployment = ?
       AND role = 'primary' AND received_at >= ? ORDER BY id DESC LIMIT ${bodiesRead}`,
    [manifests, deployment, nowMs - recentMs],
  )
  const latencies = new Map(latency.filter(isOf).map(({ device, meanUs }) => [device, meanUs]))
  const own = Map.groupBy(metrics.filter(isOf), ({ name }) => name)
  return {
    devices: totals
      .filter(isOf)
      .map(({ manifest: _, ...past }) => ({ ...past, latencyUs: latencies.get(past.device) ?? null })),
    metrics: new Map([...own].map(([name, rows]) => [name, rows.map(({ mean }) => mean)])),
    outputs: [...new Set(bodies.flatMap(({ body }) => outputsOf(body)))],
  }
}

function outputsOf(body: Uint8Array): string[] {
  const report = decode(WindowReport, body)
  return report.ok ? Object.keys(report.message.outputs) : []
}
