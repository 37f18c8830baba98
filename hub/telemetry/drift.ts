// Drift as the hub sees it: the windows of one device or of many, pooled by time and judged against the version's
// baseline by the code that devices run. Counts on shared edges add up, so pooled windows are windows of pooled data.

import { Baseline } from '@roost/shared/drift/baseline.ts'
import { type Charts, prepareCharts } from '@roost/shared/drift/charts.ts'
import { measureColumn } from '@roost/shared/drift/measures.ts'
import { DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { binCount, ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { mergeColumnRecords } from '@roost/shared/sketch/window.ts'
import { z } from 'zod'
import type { Hub } from '../hub.ts'
import { manifestByDigest } from '../registry/store.ts'
import { type StoredWindow, type WindowFilter, windows } from './windows.ts'

/** The newest reports that are looked at. */
export const driftWindowsMax = 2_000
/** Windows of several devices are pooled into at most this many stretches of time. */
const stretchesMax = 100

const Measured = z.object({
  column: z.string(),
  kind: z.enum(['feature', 'output']),
  /** For people, who know them; they decide nothing. Null where the column says too little. */
  psi: z.number().nullable(),
  jensenShannon: z.number().nullable(),
  ks: z.number().nullable(),
  wasserstein: z.number().nullable(),
  scale: ColumnScale,
  /** Counts on the scale: over the whole baseline (missing last), and over these windows. */
  baseline: z.array(z.number().int()),
  current: ColumnCounts,
})

export const DriftReport = z.object({
  model: z.string(),
  version: z.number().int(),
  manifest: z.string(),
  devices: z.number().int(),
  windows: z.number().int(),
  from: z.iso.datetime(),
  to: z.iso.datetime(),
  verdict: DriftVerdict,
  columns: z.array(Measured),
})
export type DriftReport = z.infer<typeof DriftReport>

/** Judges the newest windows that fit the filter, all of the bundle that the newest of them ran.
 *  Undefined where there are none, or the bundle brought no baseline. */
export async function driftReport(hub: Hub, filter: WindowFilter, sinceMs: number): Promise<DriftReport | undefined> {
  const [newest] = await windows(hub.database, { ...filter, registered: true }, { sinceMs, limit: 1 })
  if (newest === undefined) return undefined
  const { manifest, model, version } = newest.report
  const baseline = await baselineOf(hub, manifest)
  if (baseline === undefined) return undefined
  const found = await windows(hub.database, { ...filter, manifest }, { sinceMs, limit: driftWindowsMax })
  const inTime = found.filter(({ report }) => report.role === 'primary').sort((a, b) => a.report.from - b.report.from)
  const pooled = poolByTime(inTime, (report) => fittingColumns(baseline, report))
  const verdict = judge(prepareCharts(baseline), pooled)
  const sums = pooled.map(({ columns }) => columns).reduce(mergeColumnRecords, {})
  return {
    model,
    version,
    manifest,
    devices: new Set(inTime.map(({ device }) => device)).size,
    windows: inTime.length,
    from: new Date(Math.min(...inTime.map(({ report }) => report.from))).toISOString(),
    to: new Date(Math.max(...inTime.map(({ report }) => report.to))).toISOString(),
    verdict,
    columns: Object.entries(baseline.columns).flatMap(([column, { kind, scale, windows }]) => {
      const current = sums[column]
      const known = baseline.columns[column]
      if (current === undefined || known === undefined) return []
      return [{ column, kind, ...measureColumn(known, current), scale, baseline: addUp(windows), current }]
    }),
  }
}

type Pooled = { fromMs: number; columns: Record<string, ColumnCounts> }

/** The columns that are on the baseline's scales: a device may report whatever it likes, and must not by that keep the
 *  others from being judged. */
function fittingColumns(baseline: Baseline, { features, outputs }: WindowReport): Record<string, ColumnCounts> {
  const fits = (name: string, { bins }: ColumnCounts) => {
    const known = Object.hasOwn(baseline.columns, name) ? baseline.columns[name] : undefined
    return known !== undefined && bins.length === binCount(known.scale)
  }
  const columns = [...Object.entries(features), ...Object.entries(outputs)]
  return Object.fromEntries(columns.filter(([name, counts]) => fits(name, counts)))
}

/** One device's windows as they are; those of several devices merged by stretches of equal length. */
function poolByTime(
  inTime: readonly StoredWindow[],
  columnsOf: (report: WindowReport) => Record<string, ColumnCounts>,
): Pooled[] {
  if (new Set(inTime.map(({ device }) => device)).size <= 1) {
    return inTime.map(({ report }) => ({ fromMs: report.from, columns: columnsOf(report) }))
  }
  const firstMs = inTime[0]?.report.from ?? 0
  const lastMs = inTime.at(-1)?.report.from ?? 0
  const stretchMs = Math.max(1, Math.ceil((lastMs - firstMs + 1) / stretchesMax))
  return [...Map.groupBy(inTime, ({ report }) => Math.floor((report.from - firstMs) / stretchMs))].map(
    ([stretch, group]) => ({
      fromMs: firstMs + stretch * stretchMs,
      columns: group.map(({ report }) => columnsOf(report)).reduce(mergeColumnRecords, {}),
    }),
  )
}

function judge(charts: Charts, pooled: readonly Pooled[]): DriftVerdict {
  let state = initialDrift(charts)
  let verdict: DriftVerdict = { state: 'healthy', at: 0, evidence: 0, since: null, movements: [] }
  for (const { fromMs, columns } of pooled) ({ state, verdict } = stepDrift(charts, state, columns, fromMs))
  return verdict
}

const addUp = (rows: readonly (readonly number[])[]): number[] =>
  (rows[0] ?? []).map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? 0), 0))

/** The baseline that the bundle carries to the devices. */
async function baselineOf(hub: Hub, digest: string): Promise<Baseline | undefined> {
  const file = (await manifestByDigest(hub.database, digest))?.manifest.files.find(({ role }) => role === 'baseline')
  if (file === undefined) return undefined
  const bytes = await hub.blobs.read(file.sha256, 0, file.sizeBytes)
  return Baseline.parse(JSON.parse(new TextDecoder().decode(bytes)))
}
