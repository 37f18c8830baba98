// A device's own past: what it counted on the version before, up to the rollout. A sample of its windows spread evenly
// over the last seven days, because reading all of them would take longer than the rollout.

import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import type { Reader } from '../../storage/database.ts'
import { addCounts, countsOf } from './add-up.ts'
import { readReport, WindowRow } from './columns.ts'
import { Counts } from './counts.ts'
import type { Reading, Watched } from './gather.ts'
import { windowFault } from './sanity.ts'

/** Windows read for the pasts of all devices together, and the bounds of what that leaves for each. */
const windowsMax = 240_000
const perDevice = { least: 24, most: 400 }

export type Past = { device: string; counts: Counts | null; heardAt: number | null }

/** The pasts of the next devices whose past has not been read; none where all are.
 *  @param windows read at most */
export async function pastPage(
  tx: Reader,
  { rollout, deployment, devices, gates }: Watched,
  { past_after, past_until }: Reading,
  windows: number,
): Promise<Past[]> {
  const each = Math.min(perDevice.most, Math.max(perDevice.least, Math.floor(windowsMax / Math.max(1, devices))))
  const members = await tx.all(
    z.object({ device: z.string(), previous: z.string().nullable() }),
    `SELECT m.device, nullif(m.previous, m.target) AS previous FROM rollout_devices m
     LEFT JOIN rollout_tallies t ON t.rollout = m.rollout AND t.device = m.device
     WHERE m.rollout = ? AND t.past IS NULL ORDER BY m.stage, m.rank LIMIT ?`,
    [rollout, Math.max(1, Math.floor(windows / each))],
  )
  const known = members.filter(({ previous }) => previous !== null)
  const rows = known.length === 0 ? [] : await sample(tx, known, deployment, { past_after, past_until, each })
  const byDevice = Map.groupBy(rows, ({ device }) => device)
  const withOutputs = gates.some(({ metric }) => metric === 'prediction_drift')
  return members.map(({ device }) => {
    const own = (byDevice.get(device) ?? []).map((row) => ({ at: row.received_at, report: readReport(row.body) }))
    return { device, ...pastOf(own, withOutputs) }
  })
}

function pastOf(own: readonly { at: number; report: WindowReport }[], withOutputs: boolean): Omit<Past, 'device'> {
  const possible = own.filter(({ report }) => windowFault(report) === undefined)
  const counts = possible
    .map(({ at, report }) => countsOf(report, at, withOutputs))
    .reduce<Counts | null>((sum, more) => (sum === null ? more : addCounts(sum, more)), null)
  return {
    counts: Counts.nullable().safeParse(counts).success ? counts : null,
    heardAt: own.reduce<number | null>((latest, { at }) => Math.max(latest ?? 0, at), null),
  }
}

/** Of each stretch of ids the first window of the device: at most one pass over its rows, whatever else it reports. */
const sample = (
  tx: Reader,
  members: readonly { device: string; previous: string | null }[],
  deployment: string,
  { past_after, past_until, each }: { past_after: number; past_until: number; each: number },
) =>
  tx.all(
    WindowRow,
    `WITH RECURSIVE stretches (after, until) AS (
       SELECT ?1, min(?1 + ?3, ?2) UNION ALL SELECT until, min(until + ?3, ?2) FROM stretches WHERE until < ?2
     )
     SELECT id, device, received_at, body FROM window_reports WHERE id IN (
       SELECT (SELECT w.id FROM window_reports w INDEXED BY window_reports_by_device
               WHERE w.device = m.value ->> 'device' AND w.id > s.after AND w.id <= s.until
                 AND w.deployment = ?4 AND w.manifest = m.value ->> 'previous' AND w.role = 'primary'
               ORDER BY w.id LIMIT 1)
       FROM json_each(?5) m, stretches s)
     ORDER BY id`,
    [
      past_after,
      past_until,
      Math.max(1, Math.ceil((past_until - past_after) / each)),
      deployment,
      JSON.stringify(members),
    ],
  )
