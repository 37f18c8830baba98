// Every device with the little that is needed to choose, count and order devices: for questions about thousands of them,
// asked every second by pages that are open.

import { setImmediate as letOthers } from 'node:timers/promises'
import { z } from 'zod'
import { paced } from '../paced.ts'
import type { Reader } from '../storage/database.ts'
import type { DeviceRow } from './devices.ts'
import { Labels } from './labels.ts'

export type RosterRow = Pick<
  DeviceRow,
  'id' | 'labels' | 'profile' | 'last_seen_at' | 'stale' | 'aside_until' | 'revoked_at'
>
export type ReadRoster = () => Promise<readonly RosterRow[]>
/** In order of id, those that are revoked too; read after it was asked for. `now`: at once, for what is about to change
 *  something. */
export type Roster = {
  read: ReadRoster
  /** As `read`, or what was read a moment ago: for the pages of a list after its first. */
  recent: ReadRoster
  now: (reader: Reader) => Promise<RosterRow[]>
}

/** Of one core, for all who ask together. */
const share = 0.05
/** Pages that are told of a change ask a second later: what they are answered has it. */
const recentMs = 900
/** Some milliseconds, between which the hub does what else there is to do. */
const rowsPerRead = 2_000
/** Different sets of labels that are kept parsed. */
const labelsKept = 20_000

const Text = z.object({ rows: z.string() })
const Nullable = z.number().nullable()
const Rows = z.array(z.tuple([z.string(), z.string(), z.string(), Nullable, Nullable, Nullable, Nullable]))

export function createRoster(database: Reader): Roster {
  const parsed = new Map<string, Labels>()
  const labelsOf = (text: string): Labels => {
    const known = parsed.get(text)
    if (known !== undefined) return known
    if (parsed.size >= labelsKept) parsed.clear()
    const labels = Labels.parse(JSON.parse(text))
    parsed.set(text, labels)
    return labels
  }
  const now = async (reader: Reader): Promise<RosterRow[]> => {
    const all: RosterRow[] = []
    for (let after = ''; ; ) {
      // as one text: a value that is handed over by itself costs ten times as much
      const row = await reader.first(
        Text,
        `SELECT json_group_array(json_array(id, profile, labels, last_seen_at, stale, revoked_at, aside_until)) AS rows
         FROM (SELECT d.id, d.profile, d.labels, d.last_seen_at, d.stale, d.revoked_at, f.aside_until
               FROM devices d LEFT JOIN device_failures f ON f.device = d.id
               WHERE d.id > ? ORDER BY d.id LIMIT ${rowsPerRead})`,
        [after],
      )
      const rows = Rows.parse(JSON.parse(row?.rows ?? '[]'))
      for (const [id, profile, labels, last_seen_at, stale, revoked_at, aside_until] of rows) {
        const isStale = stale === null ? null : stale === 1
        all.push({ id, profile, labels: labelsOf(labels), last_seen_at, stale: isStale, revoked_at, aside_until })
      }
      const last = rows.at(-1)
      if (last === undefined || rows.length < rowsPerRead) return all
      after = last[0]
      await letOthers()
    }
  }
  let latest: { beganMs: number; rows: readonly RosterRow[] } | undefined
  const read = paced(async (): Promise<readonly RosterRow[]> => {
    const beganMs = performance.now()
    const rows = await now(database)
    latest = { beganMs, rows }
    return rows
  }, share)
  const recent = async () =>
    latest !== undefined && performance.now() - latest.beganMs < recentMs ? latest.rows : read()
  return { read, recent, now }
}
