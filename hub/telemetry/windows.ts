// Reading window reports and their sums back: by device, by a set of devices, by model.

import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { z } from 'zod'
import { BytesColumn, type Reader, type Value } from '../storage/database.ts'
import { sumMax } from './records.ts'

/** What to look at; what is left out does not restrict. `devices`: only these; `registered`: only of bundles that are in
 *  the registry, whatever else devices may claim to run. */
export type WindowFilter = {
  role?: 'primary' | 'shadow'
  registered?: true
  devices?: readonly string[]
  deployment?: string
  manifest?: string
  model?: string
  /** Only of these. */
  models?: readonly string[]
  version?: number
}

export const Totals = z.object({
  devices: z.number().int(),
  windows: z.number().int(),
  /** Windows that were open when a process died: each may be short of its last second. */
  interrupted: z.number().int(),
  ok: z.number().int(),
  error: z.number().int(),
  refused: z.number().int(),
  truePositive: z.number().int(),
  falsePositive: z.number().int(),
  trueNegative: z.number().int(),
  falseNegative: z.number().int(),
})
export type Totals = z.infer<typeof Totals>

/** total() does not overflow as sum() does, and is exact as far as `sumMax`; 0 where there are no rows. */
const sumOf = (value: string) => `CAST(min(total(${value}), ${sumMax}) AS INTEGER)`

const totalColumns = `count(DISTINCT device) AS devices,
  ${sumOf('windows')} AS windows, ${sumOf('interrupted')} AS interrupted,
  ${sumOf('ok')} AS ok, ${sumOf('error')} AS error, ${sumOf('refused')} AS refused,
  ${sumOf('true_positive')} AS truePositive, ${sumOf('false_positive')} AS falsePositive,
  ${sumOf('true_negative')} AS trueNegative, ${sumOf('false_negative')} AS falseNegative`

/** Inferences and labels since ever, also those whose reports have expired. */
export async function totals(reader: Reader, filter: WindowFilter): Promise<Totals> {
  const { where, args } = conditions(answered(filter))
  const row = await reader.first(Totals, `SELECT ${totalColumns} FROM window_totals WHERE ${where}`, args)
  if (row === undefined) throw new Error('an aggregate without GROUP BY has one row')
  return row
}

export const VersionTotals = Totals.extend({ model: z.string(), version: z.number().int(), deployment: z.string() })
export type VersionTotals = z.infer<typeof VersionTotals>

/** The same for each version that ran, newest version first. */
export function totalsByVersion(reader: Reader, filter: WindowFilter): Promise<VersionTotals[]> {
  const { where, args } = conditions(answered(filter))
  return reader.all(
    VersionTotals,
    `SELECT model, version, deployment, ${totalColumns} FROM window_totals WHERE ${where}
     GROUP BY model, version, deployment ORDER BY model, version DESC, deployment LIMIT 1000`,
    args,
  )
}

export type StoredWindow = { id: number; device: string; receivedAt: number; report: WindowReport }

export const StoredWindowRow = z.object({
  id: z.number(),
  device: z.string(),
  received_at: z.number(),
  body: BytesColumn,
})

/** The row with its report decoded. */
export const windowOf = ({ id, device, received_at, body }: z.infer<typeof StoredWindowRow>): StoredWindow => ({
  id,
  device,
  receivedAt: received_at,
  report: reportOf(body),
})

function reportOf(body: Uint8Array): WindowReport {
  const decoded = decode(WindowReport, body)
  if (!decoded.ok) throw new Error(`a stored window report cannot be read: ${decoded.reason}`)
  return decoded.message
}

/** What a shadow repeats is nobody's inference: it counts only where shadows are asked for. */
const answered = (filter: WindowFilter): WindowFilter => ({ role: 'primary', ...filter })

/** The conditions are fixed texts; only arguments vary. */
export function conditions(filter: WindowFilter): { where: string; args: Value[] } {
  const parts: [string, Value][] = []
  if (filter.role !== undefined) parts.push(['role = ?', filter.role])
  if (filter.devices !== undefined) {
    parts.push(['device IN (SELECT value FROM json_each(?))', JSON.stringify(filter.devices)])
  }
  if (filter.registered === true) parts.push(['manifest IN (SELECT digest FROM manifests) AND ?', 1])
  if (filter.deployment !== undefined) parts.push(['deployment = ?', filter.deployment])
  if (filter.manifest !== undefined) parts.push(['manifest = ?', filter.manifest])
  if (filter.model !== undefined) parts.push(['model = ?', filter.model])
  if (filter.models !== undefined) {
    parts.push(['model IN (SELECT value FROM json_each(?))', JSON.stringify(filter.models)])
  }
  if (filter.version !== undefined) parts.push(['version = ?', filter.version])
  return {
    where: parts.length === 0 ? '1 = 1' : parts.map(([text]) => text).join(' AND '),
    args: parts.map(([, value]) => value),
  }
}
