// What windows of a bundle are judged by: its baseline, prepared once for as long as somebody asks.

import { Baseline } from '@roost/shared/drift/baseline.ts'
import { type Charts, prepareCharts } from '@roost/shared/drift/charts.ts'
import { referenceOf } from '@roost/shared/drift/measures.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { binCount, type ColumnCounts } from '@roost/shared/sketch/column.ts'
import type { Hub } from '../../hub.ts'
import { manifestByDigest } from '../../registry/store.ts'
import { readPart } from '../../sealing/bundle-content.ts'

export type Yardstick = {
  baseline: Baseline
  charts: Charts
  /** Per column the counts of the whole baseline on its scale. */
  references: ReadonlyMap<string, readonly number[]>
  /** When the bundle was made. */
  madeMs: number
}

/** A baseline of 400 windows takes 50 ms to read and prepare; bundles never change. */
const rememberedMax = 8

export type Yardsticks = (digest: string) => Promise<Yardstick | undefined>

/** Undefined where the bundle brought no baseline. */
export function createYardsticks(hub: Hub): Yardsticks {
  const known = new Map<string, Yardstick>()
  return async (digest) => {
    const found = known.get(digest) ?? (await prepare(hub, digest))
    if (found === undefined) return undefined
    known.delete(digest)
    known.set(digest, found)
    const [oldest] = known.keys()
    if (known.size > rememberedMax && oldest !== undefined) known.delete(oldest)
    return found
  }
}

async function prepare(hub: Hub, digest: string): Promise<Yardstick | undefined> {
  const manifest = (await manifestByDigest(hub.database, digest))?.manifest
  const bytes = manifest && (await readPart(hub, digest, manifest, 'baseline'))
  if (manifest === undefined || bytes === undefined) return undefined
  const baseline = Baseline.parse(JSON.parse(new TextDecoder().decode(bytes)))
  const references = new Map(Object.entries(baseline.columns).map(([name, column]) => [name, referenceOf(column)]))
  return { baseline, charts: prepareCharts(baseline), references, madeMs: Date.parse(manifest.created) }
}

/** The columns that are on the baseline's scales: a device may report whatever it likes, and must not by that keep the
 *  others from being judged. */
export function fittingColumns(
  baseline: Baseline,
  { features, outputs }: Pick<WindowReport, 'features' | 'outputs'>,
): Record<string, ColumnCounts> {
  const fits = (name: string, { bins }: ColumnCounts) => {
    const known = Object.hasOwn(baseline.columns, name) ? baseline.columns[name] : undefined
    return known !== undefined && bins.length === binCount(known.scale)
  }
  const columns = [...Object.entries(features), ...Object.entries(outputs)]
  return Object.fromEntries(columns.filter(([name, counts]) => fits(name, counts)))
}
