// Drift as the hub sees it: the windows of one device or of many, pooled by time and judged against the version's
// baseline by the code that devices run. Counts on shared edges add up, so pooled windows are windows of pooled data.

import { addUp, eachMeasure, measureAgainst } from '@roost/shared/drift/measures.ts'
import { DriftVerdict } from '@roost/shared/drift/verdict.ts'
import { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import type { Reader } from '../../storage/database.ts'
import type { WindowFilter } from '../windows.ts'
import type { Yardsticks } from './bundle.ts'
import { drawDevices } from './draw-devices.ts'
import { judgeStretches, notJudged } from './judge.ts'
import { type CountedWindow, devicesReadMax, newestWindows, readWindows } from './read-windows.ts'
import { pooled, type Range } from './time-steps.ts'
import { type Watched, watchedBundle } from './watched.ts'

/** The newest reports that are looked at where no stretch of time is named. */
export const driftWindowsMax = 2_000
/** So far back where nobody says how far, and the newest cannot be found among others’. */
export const backMs = 7 * 86_400_000

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

/** Judges windows of the bundle that the newest of them ran: those of a stretch of time, else the newest of all.
 *  Undefined where there are none, or the bundle brought no baseline. */
export async function driftReport(
  reader: Reader,
  yardsticks: Yardsticks,
  filter: WindowFilter,
  { sinceMs, range }: { sinceMs: number; range: Range | undefined },
): Promise<DriftReport | undefined> {
  const watched = await watchedBundle(reader, yardsticks, filter)
  if (watched === undefined) return undefined
  const { yardstick, ...bundle } = watched
  const counted = await windowsOf(reader, watched, filter, sinceMs, range)
  if (counted.length === 0) return undefined
  const verdict = judgeStretches(yardstick.charts, counted).at(-1)?.verdict ?? notJudged
  const sums = pooled(counted)
  return {
    model: bundle.model,
    version: bundle.version,
    manifest: bundle.manifest,
    devices: new Set(counted.map(({ device }) => device)).size,
    windows: counted.length,
    from: new Date(Math.min(...counted.map(({ fromMs }) => fromMs))).toISOString(),
    to: new Date(Math.max(...counted.map(({ toMs }) => toMs))).toISOString(),
    verdict,
    columns: Object.entries(yardstick.baseline.columns).flatMap(([column, known]) => {
      const current = sums.get(column)
      if (current === undefined) return []
      const { kind, scale, windows } = known
      const measured = measureAgainst(known, yardstick.references.get(column) ?? [], current)
      return [{ column, kind, ...measured, scale, baseline: addUp(windows), current }]
    }),
  }
}

async function windowsOf(
  reader: Reader,
  { manifest, yardstick, ran, deployments, newestMs }: Watched,
  { deployment }: WindowFilter,
  sinceMs: number,
  range: Range | undefined,
): Promise<CountedWindow[]> {
  const [only] = deployments
  if (range === undefined && only !== undefined && deployments.length === 1) {
    const bundle = { manifest, deployment: only, devices: ran }
    const newest = await newestWindows(reader, yardstick, bundle, sinceMs, driftWindowsMax)
    if (newest !== undefined) return newest
  }
  const devices = drawDevices(ran, manifest, devicesReadMax)
  const lately = { fromMs: Math.max(sinceMs, newestMs - backMs), toMs: newestMs + 1 }
  return (await readWindows(reader, yardstick, { manifest, deployment, devices }, range ?? lately, driftWindowsMax))
    .windows
}
