// Drift as the hub sees it: the windows of one device or of many, pooled by time and judged against the version's
// baseline by the code that devices run. Counts on shared edges add up, so pooled windows are windows of pooled data.

import { Baseline } from '@roost/shared/drift/baseline.ts'
import { type Charts, prepareCharts } from '@roost/shared/drift/charts.ts'
import { addUp, eachMeasure, measureColumn } from '@roost/shared/drift/measures.ts'
import { DriftVerdict, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { binCount, ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { mergeColumnRecords } from '@roost/shared/sketch/window.ts'
import { z } from 'zod'
import type { Hub } from '../../hub.ts'
import { manifestByDigest } from '../../registry/store.ts'
import { readPart } from '../../sealing/bundle-content.ts'
import { type WindowFilter, windows } from '../windows.ts'
import { cutStretches, placeInTime } from './stretches.ts'

/** The newest reports that are looked at. */
export const driftWindowsMax = 2_000
const Measured = z.object({
  column: z.string(),
  kind: z.enum(['feature', 'output']),
  /** For people, who know them; they decide nothing. Null where the column says too little. */
  ...eachMeasure(() => z.number().nullable()),
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
  const bundle = await bundleOf(hub, manifest)
  if (bundle === undefined) return undefined
  const { baseline, madeMs } = bundle
  const found = await windows(hub.database, { ...filter, manifest }, { sinceMs, limit: driftWindowsMax })
  const primary = found.filter(({ report }) => report.role === 'primary')
  const inTime = placeInTime(primary, madeMs)
  const counted = inTime.map((window) => ({ ...window, columns: fittingColumns(baseline, window.report) }))
  const pooled = cutStretches(counted.filter(({ columns }) => Object.keys(columns).length > 0)).map(pool)
  const verdict = judge(prepareCharts(baseline), pooled)
  const sums = pooled.map(({ columns }) => columns).reduce(mergeColumnRecords, {})
  return {
    model,
    version,
    manifest,
    devices: new Set(inTime.map(({ device }) => device)).size,
    windows: inTime.length,
    from: new Date(Math.min(...inTime.map(({ fromMs }) => fromMs))).toISOString(),
    to: new Date(Math.max(...inTime.map(({ toMs }) => toMs))).toISOString(),
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

const pool = (stretch: readonly Pooled[]): Pooled => ({
  fromMs: stretch[0]?.fromMs ?? 0,
  columns: stretch.map(({ columns }) => columns).reduce(mergeColumnRecords, {}),
})

function judge(charts: Charts, pooled: readonly Pooled[]): DriftVerdict {
  let state = initialDrift(charts)
  let verdict: DriftVerdict = { state: 'healthy', at: 0, evidence: 0, since: null, movements: [] }
  for (const { fromMs, columns } of pooled) ({ state, verdict } = stepDrift(charts, state, columns, fromMs))
  return verdict
}

/** The baseline that the bundle carries to the devices, and when the bundle was made. */
async function bundleOf(hub: Hub, digest: string): Promise<{ baseline: Baseline; madeMs: number } | undefined> {
  const manifest = (await manifestByDigest(hub.database, digest))?.manifest
  const bytes = manifest && (await readPart(hub, digest, manifest, 'baseline'))
  if (manifest === undefined || bytes === undefined) return undefined
  const baseline = Baseline.parse(JSON.parse(new TextDecoder().decode(bytes)))
  return { baseline, madeMs: Date.parse(manifest.created) }
}
