// What the devices of a stage have counted, out of the database, for a look at it.

import { setImmediate as letOthers } from 'node:timers/promises'
import { Baseline } from '@roost/shared/drift/baseline.ts'
import { z } from 'zod'
import { manifestByDigest } from '../../registry/store.ts'
import type { BlobStore } from '../../storage/blobs.ts'
import type { Reader } from '../../storage/database.ts'
import type { Gate } from '../metrics/list.ts'
import type { DeviceView } from '../states.ts'
import type { MemberRow } from '../store.ts'
import { addCounts, countsOf } from './add-up.ts'
import { cborColumn, readReport, WindowRow } from './columns.ts'
import { blockDevicesMax, Counts, type DeviceCounts } from './counts.ts'
import { type DeviceReports, deviceCounts, type Scales } from './device-counts.ts'
import { needsCounts, type Reading, type Watched } from './gather.ts'
import { windowFault } from './sanity.ts'
import { slotsMax } from './slots.ts'
import { Tally } from './tally.ts'

export type Devices = {
  watched: Watched
  reading: Reading
  /** Of this stage. */
  gates: readonly Gate[]
  mode: 'shadow' | 'canary' | 'full'
  members: readonly MemberRow[]
  views: readonly DeviceView[]
  nowMs: number
}

/** @param withCounts what windows counted as well, for a look; without, only what is silent or suspect
 *  @returns in the order of `views`, which are those as just observed */
export async function loadDeviceCounts(
  tx: Reader,
  blobs: Pick<BlobStore, 'read'>,
  { watched, reading, gates, mode, members, views, nowMs }: Devices,
  withCounts: boolean,
): Promise<(observed: readonly DeviceView[]) => DeviceCounts[]> {
  if (!withCounts && !gates.some(({ metric }) => metric === 'silence')) return () => []
  const counting = withCounts && needsCounts(watched.gates)
  const reports = counting ? await fullReports(tx, watched) : await heardReports(tx, watched)
  const scales = counting ? await scalesOf(tx, blobs, watched, members) : new Map<string, Scales>()
  const past =
    counting && members.length <= blockDevicesMax ? await pastWindows(tx, watched, reading, members) : undefined
  const byDevice = new Map(members.map((member) => [member.device, member]))
  return (observed = views) =>
    deviceCounts(observed, byDevice, reports, {
      index: watched.stage,
      mode,
      sinceMs: watched.sinceMs,
      nowMs,
      listeningSince: reading.listening_since,
      scales,
      pastSlots: past,
    })
}

const Heard = z.object({
  device: z.string(),
  heard_at: z.number().nullable(),
  seen_at: z.number().nullable(),
  suspect: z.string().nullable(),
})

const heardColumns = `m.device, t.heard_at, d.last_seen_at AS seen_at,
  CASE WHEN t.opening = ?2 THEN t.suspect END AS suspect`
const heardFrom = `FROM rollout_devices m JOIN devices d ON d.id = m.device
  LEFT JOIN rollout_tallies t ON t.rollout = m.rollout AND t.device = m.device WHERE m.rollout = ?1`

async function heardReports(tx: Reader, { rollout, opening }: Watched): Promise<Map<string, DeviceReports>> {
  const rows = await tx.all(Heard, `SELECT ${heardColumns} ${heardFrom}`, [rollout, opening])
  return new Map(rows.map((row) => [row.device, { ...heardOf(row), tally: null, past: null }]))
}

const heardOf = ({ heard_at, seen_at, suspect }: z.infer<typeof Heard>) => ({
  heardAt: heard_at,
  seenAt: seen_at,
  suspect,
})

const Full = Heard.extend({
  tally: cborColumn(Tally).nullable(),
  past: cborColumn(Counts.nullable()).nullable(),
})

/** Read in one turn: some fifty milliseconds, in which the hub does nothing else. */
const reportsPerTurn = 1_000

async function fullReports(tx: Reader, { rollout, opening }: Watched): Promise<Map<string, DeviceReports>> {
  const reports = new Map<string, DeviceReports>()
  for (let after = ''; ; await letOthers()) {
    const rows = await tx.all(
      Full,
      `SELECT ${heardColumns}, CASE WHEN t.opening = ?2 THEN t.tally END AS tally, t.past ${heardFrom}
         AND m.device > ?3 ORDER BY m.device LIMIT ?4`,
      [rollout, opening, after, reportsPerTurn],
    )
    for (const row of rows) reports.set(row.device, { ...heardOf(row), tally: row.tally, past: row.past })
    const last = rows.at(-1)
    if (last === undefined || rows.length < reportsPerTurn) return reports
    after = last.device
  }
}

/** Windows before the rollout that are read of each of few devices; older ones tell of other days. */
const pastWindowsMax = 256

/** The newest windows of each device's past, to be put into slots. */
async function pastWindows(
  tx: Reader,
  { rollout, deployment }: Watched,
  { past_until }: Reading,
  members: readonly MemberRow[],
): Promise<(slotMs: number) => Map<string, (Counts | null)[]>> {
  const windows = new Map<string, { agoMs: number; counts: Counts }[]>()
  const start = await tx.first(z.object({ at: z.number() }), 'SELECT started_at AS at FROM rollouts WHERE id = ?', [
    rollout,
  ])
  for (const { device, previous } of members) {
    if (previous === null) continue
    const rows = await tx.all(
      WindowRow,
      `SELECT id, device, received_at, body FROM window_reports
       WHERE device = ? AND id <= ? AND deployment = ? AND manifest = ? AND role = 'primary' ORDER BY id DESC LIMIT ?`,
      [device, past_until, deployment, previous, pastWindowsMax],
    )
    const own = rows.map(({ received_at, body }) => ({ at: received_at, report: readReport(body) }))
    // A device's clock is taken for as wrong as its windows show: what took longest to arrive tells nothing of it.
    const behindMs = own.reduce((least, { at, report }) => Math.min(least, at - report.to), Number.POSITIVE_INFINITY)
    windows.set(
      device,
      own
        .filter(({ report }) => windowFault(report) === undefined)
        .map(({ at, report }) => ({
          agoMs: (start?.at ?? at) - (report.to + behindMs),
          counts: countsOf(report, at, true),
        })),
    )
  }
  return (slotMs) => new Map([...windows].map(([device, own]) => [device, inSlots(own, slotMs)]))
}

/** In the order of time, the last slot ending where the rollout started. */
function inSlots(windows: readonly { agoMs: number; counts: Counts }[], slotMs: number): (Counts | null)[] {
  const slots: (Counts | null)[] = new Array<null>(slotsMax).fill(null)
  for (const { agoMs, counts } of windows) {
    const place = slotsMax - 1 - Math.max(0, Math.floor(agoMs / slotMs))
    if (place < 0) continue
    const present = slots[place] ?? null
    slots[place] = present === null ? counts : addCounts(present, counts)
  }
  return slots
}

/** The scales of outputs that the bundles' baselines bring; none where no gate compares distributions. */
async function scalesOf(
  tx: Reader,
  blobs: Pick<BlobStore, 'read'>,
  { gates }: Watched,
  members: readonly MemberRow[],
): Promise<Map<string, Scales>> {
  const scales = new Map<string, Scales>()
  if (!gates.some(({ metric }) => metric === 'prediction_drift')) return scales
  const digests = new Set(
    members.flatMap(({ target, previous }) => (previous === null ? [target] : [target, previous])),
  )
  for (const digest of digests) {
    const file = (await manifestByDigest(tx, digest))?.manifest.files.find(({ role }) => role === 'baseline')
    if (file === undefined) continue
    const bytes = await blobs.read(file.sha256, 0, file.sizeBytes)
    const { columns } = Baseline.parse(JSON.parse(new TextDecoder().decode(bytes)))
    const outputs = Object.entries(columns).filter(([, { kind }]) => kind === 'output')
    scales.set(digest, Object.fromEntries(outputs.map(([name, { scale }]) => [name, scale])))
  }
  return scales
}
