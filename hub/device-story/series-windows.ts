// The window reports that a device's series are made of: the newest, and of each only what is drawn.

import { setImmediate as letOthers } from 'node:timers/promises'
import { decode } from '@roost/shared/protocol/wire.ts'
import { LatencyCounts } from '@roost/shared/sketch/latency.ts'
import { z } from 'zod'
import { BytesColumn, jsonColumn, type Reader } from '../storage/database.ts'
import { type Series, type SeriesWindow, seriesOf } from './series.ts'

/** Reports of a day in which one comes a minute, and a third more. */
const windowsMax = 2_000
/** Some milliseconds, between which others get their turn. */
const rowsPerRead = 100
const steps = 120

const Row = z.object({
  id: z.number(),
  deployment: z.string(),
  role: z.enum(['primary', 'shadow']),
  model: z.string(),
  version: z.number(),
  from: z.number(),
  to: z.number(),
  ok: z.number(),
  error: z.number(),
  refused: z.number(),
  latency: jsonColumn(LatencyCounts),
  body: BytesColumn,
})
const Resources = z.object({ resources: z.object({ rssBytes: z.number(), cpuMs: z.number() }).optional() })

export type DeviceSeries = {
  /** Device clock: the last report's end is within the last step. */
  from: number
  to: number
  stepMs: number
  series: Series[]
  /** There were more reports in this time than are looked at: the beginning is missing. */
  cut: boolean
}

/** The last `hours` of what the device reported, however long ago that is. Undefined: it has reported nothing.
 *  @param models only of these; undefined: all */
export async function readSeries(
  reader: Reader,
  device: string,
  hours: number,
  models: readonly string[] | undefined,
): Promise<DeviceSeries | undefined> {
  const spanMs = hours * 3_600_000
  const windows: SeriesWindow[] = []
  let last: number | undefined
  for (let before = Number.MAX_SAFE_INTEGER; windows.length < windowsMax; ) {
    const rows = await reader.all(
      Row,
      `SELECT id, deployment, role, model, version, from_ms AS "from", to_ms AS "to", ok, error, refused, latency, body
       FROM window_reports WHERE device = ?1 AND id < ?2 AND (?3 IS NULL OR model IN (SELECT value FROM json_each(?3)))
       ORDER BY id DESC LIMIT ${rowsPerRead}`,
      [device, before, models === undefined ? null : JSON.stringify(models)],
    )
    last ??= rows[0]?.to
    const newest = last
    const oldest = rows.at(-1)
    if (newest === undefined) return undefined
    windows.push(...rows.filter(({ to }) => to > newest - spanMs && to <= newest).map(windowOf))
    if (oldest === undefined || rows.length < rowsPerRead || oldest.to <= newest - spanMs) {
      return shown(windows, newest, spanMs, false)
    }
    before = oldest.id
    await letOthers()
  }
  return shown(windows, last ?? 0, spanMs, true)
}

function shown(windows: readonly SeriesWindow[], newest: number, spanMs: number, cut: boolean): DeviceSeries {
  const first = windows.reduce((least, { to }) => Math.min(least, to), newest)
  // a device that has just begun fills its picture, too
  const stepMs = Math.max(1_000, Math.ceil(Math.min(spanMs, newest - first + 1) / steps))
  const from = newest + 1 - steps * stepMs
  return { from, to: newest + 1, stepMs, series: seriesOf(windows, { from, stepMs, steps }), cut }
}

function windowOf({ id: _, body, ...row }: z.infer<typeof Row>): SeriesWindow {
  const decoded = decode(Resources, body)
  return { ...row, resources: decoded.ok ? decoded.message.resources : undefined }
}
