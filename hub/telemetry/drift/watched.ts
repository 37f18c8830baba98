// Which bundle a question about drift is of: the one that ran last among those that fit.

import { z } from 'zod'
import type { Reader } from '../../storage/database.ts'
import type { WindowFilter } from '../windows.ts'
import type { Yardstick, Yardsticks } from './bundle.ts'
import { drawDevices } from './draw-devices.ts'

export type Watched = {
  model: string
  version: number
  manifest: string
  yardstick: Yardstick
  /** Devices that have reported of it as their primary, since ever; of the filter's. */
  ran: string[]
  deployments: string[]
  /** When the newest window of them ended, as far as clocks can be right. */
  newestMs: number
}

const Ran = z.object({
  model: z.string(),
  version: z.number(),
  manifest: z.string(),
  deployment: z.string(),
  device: z.string(),
  last_to_ms: z.number(),
})
type Ran = z.infer<typeof Ran>

/** Rows of one device that are looked at for the bundle it ran last. */
const passedMax = 20
/** Devices that are asked what they ran last. */
const askedMax = 200

/** Undefined where nothing has run, or what ran last brought no baseline. The totals name what ran: reading the newest of
 *  ten thousand devices' windows for that would take seconds. */
export async function watchedBundle(
  reader: Reader,
  yardsticks: Yardsticks,
  filter: WindowFilter,
): Promise<Watched | undefined> {
  const rows = await ranRows(reader, filter)
  const manifest = await newestManifest(reader, rows, filter)
  const of = rows.filter((row) => row.manifest === manifest)
  const [first] = of
  if (first === undefined) return undefined
  const yardstick = await yardsticks(first.manifest)
  if (yardstick === undefined) return undefined
  const deployments = [...new Set(of.map(({ deployment }) => deployment))]
  const receivedMs = await newestReceived(reader, first.manifest, deployments)
  const lastMs = of.reduce((last, { last_to_ms }) => Math.max(last, last_to_ms), 0)
  const isPossible = yardstick.madeMs <= lastMs && lastMs <= receivedMs
  return {
    model: first.model,
    version: first.version,
    manifest: first.manifest,
    yardstick,
    ran: [...new Set(of.map(({ device }) => device))],
    deployments,
    newestMs: isPossible ? lastMs : receivedMs,
  }
}

const ranRows = (reader: Reader, filter: WindowFilter): Promise<Ran[]> =>
  reader.all(
    Ran,
    `SELECT model, version, manifest, deployment, device, last_to_ms FROM window_totals
     WHERE role = 'primary' AND manifest IN (SELECT digest FROM manifests)
       AND (?1 IS NULL OR device IN (SELECT value FROM json_each(?1)))
       AND (?2 IS NULL OR deployment = ?2) AND (?3 IS NULL OR model = ?3) AND (?4 IS NULL OR version = ?4)
       AND (?5 IS NULL OR model IN (SELECT value FROM json_each(?5)))`,
    [
      filter.devices === undefined ? null : JSON.stringify(filter.devices),
      filter.deployment ?? null,
      filter.model ?? null,
      filter.version ?? null,
      filter.models === undefined ? null : JSON.stringify(filter.models),
    ],
  )

async function newestManifest(
  reader: Reader,
  rows: readonly Ran[],
  { devices }: WindowFilter,
): Promise<string | undefined> {
  const manifests = [...new Set(rows.map(({ manifest }) => manifest))]
  if (manifests.length <= 1) return manifests[0]
  const places = [
    ...new Map(rows.map(({ manifest, deployment }) => [`${manifest}/${deployment}`, [manifest, deployment]])).values(),
  ]
  const asked = drawDevices([...new Set(rows.map(({ device }) => device))], manifests.join(), askedMax)
  const newest = await reader.first(
    z.object({ manifest: z.string() }),
    devices === undefined
      ? `SELECT value ->> 0 AS manifest FROM json_each(?1)
         ORDER BY (SELECT max(id) FROM window_reports WHERE manifest = value ->> 0 AND deployment = value ->> 1) DESC LIMIT 1`
      : `SELECT manifest FROM window_reports WHERE id IN (
           SELECT (SELECT id FROM (
               SELECT id, manifest, deployment, role FROM window_reports WHERE device = asked.value
               ORDER BY id DESC LIMIT ${passedMax})
             WHERE role = 'primary' AND EXISTS (SELECT 1 FROM json_each(?1) place
               WHERE place.value ->> 0 = manifest AND place.value ->> 1 = deployment) LIMIT 1)
           FROM json_each(?2) asked)
         ORDER BY id DESC LIMIT 1`,
    devices === undefined ? [JSON.stringify(places)] : [JSON.stringify(places), JSON.stringify(asked)],
  )
  return newest?.manifest ?? manifests[0]
}

async function newestReceived(reader: Reader, manifest: string, deployments: readonly string[]): Promise<number> {
  const row = await reader.first(
    z.object({ at: z.number().nullable() }),
    `SELECT max((SELECT received_at FROM window_reports WHERE manifest = ?1 AND deployment = value ORDER BY id DESC LIMIT 1))
       AS at FROM json_each(?2)`,
    [manifest, JSON.stringify(deployments)],
  )
  return row?.at ?? 0
}
