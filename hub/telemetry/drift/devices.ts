// Which devices differ in a column: each against the baseline, and against the others of the same time. A shift that all of
// a site share is the weather; one that a single device has is its sensor.

import { z } from '@hono/zod-openapi'
import { eachMeasure, type MeasureName, type Measures, measureAgainst } from '@roost/shared/drift/measures.ts'
import { DriftVerdict, Movement } from '@roost/shared/drift/verdict.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import type { Reader } from '../../storage/database.ts'
import type { WindowFilter } from '../windows.ts'
import type { Yardsticks } from './bundle.ts'
import { drawDevices } from './draw-devices.ts'
import { outsideOf } from './heat-map.ts'
import { type CountedWindow, devicesReadMax, readWindows } from './read-windows.ts'
import { devicesThatSaid } from './said.ts'
import { pooled, type Range } from './time-steps.ts'
import { watchedBundle } from './watched.ts'

const Differing = z.object({
  device: z.string(),
  windows: z.number().int(),
  present: z.number().int(),
  missing: z.number().int(),
  outside: z.number().int(),
  /** Against the baseline. */
  ...eachMeasure(() => z.number().nullable()),
  /** Jensen-Shannon distance from what the other devices counted together; null where there are none, or too few rows. */
  fromOthers: z.number().nullable(),
  /** The device's own, with its newest of these windows; null where it sent none. */
  verdict: z
    .object({
      state: DriftVerdict.shape.state,
      since: z.iso.datetime().nullable(),
      /** Of this column. */
      movements: z.array(Movement),
    })
    .nullable(),
})
type Differing = z.infer<typeof Differing>

export const DriftDevices = z
  .object({
    model: z.string(),
    version: z.number().int(),
    manifest: z.string(),
    column: z.string(),
    /** `ran`: have reported of the bundle; `read`: looked at, those first that said they had drifted; `told`: of these the
     *  ones with windows then; `drifted`: of these the ones whose own verdict names this column. */
    devices: z.object({
      ran: z.number().int(),
      read: z.number().int(),
      told: z.number().int(),
      drifted: z.number().int(),
    }),
    isSample: z.boolean(),
    /** Furthest from the baseline first. */
    ranked: z.array(Differing),
  })
  .openapi('DriftDevices')
export type DriftDevices = z.infer<typeof DriftDevices>

export type DevicesAsked = { column: string; range: Range; measure: MeasureName; limit: number }

/** Undefined where no bundle with a baseline ran, or its baseline has no such column. */
export async function driftDevices(
  reader: Reader,
  yardsticks: Yardsticks,
  filter: WindowFilter,
  { column, range, measure, limit }: DevicesAsked,
): Promise<DriftDevices | undefined> {
  const watched = await watchedBundle(reader, yardsticks, filter)
  if (watched === undefined || !Object.hasOwn(watched.yardstick.baseline.columns, column)) return undefined
  const { manifest, model, version, yardstick, ran } = watched
  const read = await chooseDevices(reader, ran, manifest, column)
  const bundle = { manifest, deployment: filter.deployment, devices: read }
  const { windows, isSample } = await readWindows(reader, yardstick, bundle, range)
  const ofColumn = windows.filter(({ columns }) => Object.hasOwn(columns, column))
  const byDevice = [...Map.groupBy(ofColumn, ({ device }) => device)]
  const sums = byDevice.map(([device, own]) => ({ device, own, counts: pooled(own).get(column) }))
  const all = pooled(ofColumn).get(column)
  const known = yardstick.baseline.columns[column]
  if (known === undefined) throw new Error(`the baseline has no column ${column}`)
  const reference = yardstick.references.get(column) ?? []
  const told = sums.flatMap(({ device, own, counts }): Differing[] => {
    if (counts === undefined || all === undefined) return []
    const others = all.bins.map((count, i) => count - (counts.bins[i] ?? 0))
    return [
      {
        device,
        windows: own.length,
        present: present(counts),
        missing: counts.missing,
        outside: outsideOf(known.scale.type, counts.bins),
        ...measureAgainst(known, reference, counts),
        fromOthers: measureAgainst(known, others, counts).jensenShannon,
        verdict: ownVerdict(own, column),
      },
    ]
  })
  return {
    model,
    version,
    manifest,
    column,
    devices: {
      ran: ran.length,
      read: read.length,
      told: told.length,
      drifted: told.filter(({ verdict }) => verdict?.state === 'drifted' && verdict.movements.length > 0).length,
    },
    isSample,
    ranked: rankDevices(told, measure).slice(0, limit),
  }
}

/** Furthest by the measure first, those it says nothing of last; of equal ones in order of name. */
export const rankDevices = <D extends { device: string } & Measures>(
  devices: readonly D[],
  measure: MeasureName,
): D[] => devices.toSorted((a, b) => (b[measure] ?? -1) - (a[measure] ?? -1) || (a.device < b.device ? -1 : 1))

const present = ({ bins }: ColumnCounts) => bins.reduce((total, count) => total + count, 0)

function ownVerdict(own: readonly CountedWindow[], column: string): Differing['verdict'] {
  const verdict = own.findLast(({ report }) => report.drift !== undefined)?.report.drift
  if (verdict === undefined) return null
  return {
    state: verdict.state,
    since: verdict.since === null ? null : timeOf(verdict.since),
    movements: verdict.movements.filter((movement) => movement.column === column),
  }
}

/** A clock may say what it likes. */
function timeOf(ms: number): string | null {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

/** All where they are few. Else those that have said that they drifted, this column's first, and the others as drawn: one
 *  broken sensor among thousands is seen by the device that has it. */
async function chooseDevices(
  reader: Reader,
  ran: readonly string[],
  manifest: string,
  column: string,
): Promise<string[]> {
  if (ran.length <= devicesReadMax) return [...ran]
  const said = await devicesThatSaid(reader, ran, manifest, column, devicesReadMax / 2)
  const others = drawDevices(ran, manifest, devicesReadMax).filter((device) => !said.includes(device))
  return [...said, ...others].slice(0, devicesReadMax)
}
