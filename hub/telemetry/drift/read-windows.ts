// The windows of a stretch of time, as many as the hub can look at without making others wait: all where they are few, else
// a sample that is even over devices and time.

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import { z } from 'zod'
import { jsonColumn, type Reader } from '../../storage/database.ts'
import { StoredWindowRow, windowOf } from '../windows.ts'
import { fittingColumns, type Yardstick } from './bundle.ts'
import { type PlacedWindow, placeInTime } from './stretches.ts'
import type { Range } from './time-steps.ts'

/** Windows that are looked at for one answer: decoding them takes 0.1 ms each. */
export const windowsReadMax = 4_000
/** Devices whose windows are looked at; of more, so many are drawn. */
export const devicesReadMax = 200
/** Index entries that are looked at before a sample is taken instead. */
const scannedMax = 50_000
/** Entries looked at for one window of a sample: of another bundle or a shadow's, they are passed over. */
const passedMax = 20
/** Windows decoded before others get a turn. */
const atOnce = 200

export type CountedWindow = PlacedWindow & { columns: Record<string, ColumnCounts> }
export type ReadWindows = {
  windows: CountedWindow[]
  /** Whether there were more windows than were looked at. */
  isSample: boolean
}

/** Windows that begin in the range, in order of time.
 *  @param devices at most `devicesReadMax` */
export async function readWindows(
  reader: Reader,
  yardstick: Yardstick,
  bundle: { manifest: string; deployment: string | undefined; devices: readonly string[] },
  range: Range,
  max = windowsReadMax,
): Promise<ReadWindows> {
  const { ids, isSample } = await chooseWindows(reader, yardstick.madeMs, bundle, range, max)
  const windows = await countedWindows(reader, yardstick, ids)
  return { windows: windows.filter(({ fromMs }) => range.fromMs <= fromMs && fromMs < range.toMs), isSample }
}

/** The newest windows of the bundle in one deployment, in order of time; undefined where too many others lie between. */
export async function newestWindows(
  reader: Reader,
  yardstick: Yardstick,
  { manifest, deployment, devices }: { manifest: string; deployment: string; devices: readonly string[] },
  sinceMs: number,
  max: number,
): Promise<CountedWindow[] | undefined> {
  const walk = await reader.first(
    Scan,
    `SELECT count(*) AS scanned, json_group_array(id) FILTER (WHERE fits) AS ids FROM (
       SELECT id, role = 'primary' AND received_at >= ?3 AND device IN (SELECT value FROM json_each(?4)) AS fits
       FROM window_reports INDEXED BY window_reports_by_manifest
       WHERE manifest = ?1 AND deployment = ?2 ORDER BY id DESC LIMIT ${scannedMax + 1})`,
    [manifest, deployment, sinceMs, JSON.stringify(devices)],
  )
  const ids = (walk?.ids ?? []).slice(0, max)
  if (ids.length < max && (walk?.scanned ?? 0) > scannedMax) return undefined
  return countedWindows(reader, yardstick, ids)
}

async function countedWindows(
  reader: Reader,
  { baseline, madeMs }: Yardstick,
  ids: readonly number[],
): Promise<CountedWindow[]> {
  const read: Omit<CountedWindow, 'fromMs' | 'toMs'>[] = []
  for (let first = 0; first < ids.length; first += atOnce) {
    const rows = await reader.all(
      StoredWindowRow,
      'SELECT id, device, received_at, body FROM window_reports WHERE id IN (SELECT value FROM json_each(?))',
      [JSON.stringify(ids.slice(first, first + atOnce))],
    )
    for (const row of rows) {
      const window = windowOf(row)
      read.push({ ...window, columns: fittingColumns(baseline, window.report) })
    }
    await nextTurn()
  }
  return placeInTime(read, madeMs)
}

const Scan = z.object({ scanned: z.number(), ids: jsonColumn(z.array(z.number())) })

async function chooseWindows(
  reader: Reader,
  madeMs: number,
  { manifest, deployment, devices }: { manifest: string; deployment: string | undefined; devices: readonly string[] },
  { fromMs, toMs }: Range,
  max: number,
): Promise<{ ids: number[]; isSample: boolean }> {
  const list = JSON.stringify(devices)
  // No window ends after it was received: what was received before the range is not in it. Where a clock is wrong, the
  // window counts where it was received (as placeInTime says).
  const scan = await reader.first(
    Scan,
    `SELECT count(*) AS scanned, json_group_array(id) FILTER (WHERE fits) AS ids FROM (
       SELECT id, manifest = ?1 AND role = 'primary' AND (?2 IS NULL OR deployment = ?2) AND
         CASE WHEN ?3 <= from_ms AND from_ms <= to_ms AND to_ms <= received_at THEN from_ms ELSE received_at END
           BETWEEN ?4 AND ?5 - 1 AS fits
       FROM window_reports
       WHERE device IN (SELECT value FROM json_each(?6))
         AND id >= (SELECT id FROM window_reports WHERE received_at >= ?4 ORDER BY received_at, id LIMIT 1)
       LIMIT ${scannedMax + 1})`,
    [manifest, deployment ?? null, madeMs, fromMs, toMs, list],
  )
  const ids = scan?.ids ?? []
  if ((scan?.scanned ?? 0) <= scannedMax) return { ids: everyNth(ids, max), isSample: ids.length > max }
  return { ids: await sampleByArrival(reader, manifest, deployment, devices, { fromMs, toMs }, max), isSample: true }
}

/** In equal distances: the ids are in order of device and arrival, so every device and every hour keeps its share. */
function everyNth(ids: readonly number[], max: number): number[] {
  if (ids.length <= max) return [...ids]
  return Array.from({ length: max }, (_, n) => ids[Math.floor(((n + 0.5) * ids.length) / max)] ?? 0)
}

/** Of each device the first window that was received in each of equally long slots: a seek each, however many there are. */
async function sampleByArrival(
  reader: Reader,
  manifest: string,
  deployment: string | undefined,
  devices: readonly string[],
  { fromMs, toMs }: Range,
  max: number,
): Promise<number[]> {
  const count = Math.max(1, Math.floor(max / Math.max(1, devices.length)))
  const edges = Array.from({ length: count }, (_, n) => [
    fromMs + ((toMs - fromMs) * n) / count,
    fromMs + ((toMs - fromMs) * (n + 1)) / count,
  ])
  const rows = await reader.all(
    z.object({ id: z.number() }),
    `WITH slots AS MATERIALIZED (
       SELECT (SELECT id FROM window_reports WHERE received_at >= value ->> 0 ORDER BY received_at, id LIMIT 1) AS low,
         coalesce((SELECT id FROM window_reports WHERE received_at >= value ->> 1 ORDER BY received_at, id LIMIT 1),
           ${Number.MAX_SAFE_INTEGER}) AS high
       FROM json_each(?4))
     SELECT DISTINCT id FROM (
       SELECT (SELECT id FROM (
           SELECT id, manifest, role, deployment FROM window_reports
           WHERE device = devices.value AND id >= low AND id < high ORDER BY id LIMIT ${passedMax})
         WHERE manifest = ?1 AND role = 'primary' AND (?2 IS NULL OR deployment = ?2) LIMIT 1) AS id
       FROM json_each(?3) devices, slots WHERE low IS NOT NULL)
     WHERE id IS NOT NULL`,
    [manifest, deployment ?? null, JSON.stringify(devices), JSON.stringify(edges)],
  )
  return rows.map(({ id }) => id)
}
