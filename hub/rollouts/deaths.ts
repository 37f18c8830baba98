// Devices on which the version dies again and again. A device starts a runtime that had proved itself anew each time, so
// one that dies once an hour (a leak, a rare input) is in no probation and in no error rate: it is counted here.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { deathsMin } from './gates/counts.ts'
import type { MemberRow, RolloutRow } from './store.ts'

/** The version is counted over as long a time at most as what ran before. */
const countedMs = 7 * 86_400_000
/** The newest of each device that are looked at, for each of the three counts: beyond, no difference is told. */
const eventsMax = 60

/** What a device's runtimes died with: the version since it was offered last; and what ran before, in the week before the
 *  rollout and since it started. Received then, hub clock. */
export const Deaths = z.object({
  device: z.string(),
  target: z.number(),
  before: z.number(),
  meanwhile: z.number(),
})
export type Deaths = z.infer<typeof Deaths>

/** Of the rollout's devices that reported any. */
export function deathsIn(
  reader: Reader,
  { id, started_at }: Pick<RolloutRow, 'id' | 'started_at'>,
  nowMs: number,
): Promise<Deaths[]> {
  const died = (manifest: string, received: string) =>
    `(SELECT count(*) FROM (SELECT body FROM device_events
                            WHERE event = 'runtime_died' AND device = m.device AND ${received}
                            ORDER BY received_at DESC LIMIT ${eventsMax}) e
      WHERE EXISTS (SELECT 1 FROM json_each(e.body, '$.manifests') WHERE value = ${manifest}))`
  return reader.all(
    Deaths,
    // from the deaths to the devices, each looked up by the one before it: few have any, and a rollout may have a hundred
    // thousand devices
    `WITH RECURSIVE dying(device) AS (
       SELECT min(device) FROM device_events WHERE event = 'runtime_died'
       UNION ALL
       SELECT (SELECT min(device) FROM device_events WHERE event = 'runtime_died' AND device > dying.device)
       FROM dying WHERE dying.device IS NOT NULL
     )
     SELECT m.device,
            ${died('m.target', 'received_at >= max(m.offered_at, ?3)')} AS target,
            ${died('m.previous', 'received_at >= ?4 AND received_at < ?2')} AS before,
            ${died('m.previous', 'received_at >= max(?2, ?3)')} AS meanwhile
     FROM dying CROSS JOIN rollout_devices m ON m.rollout = ?1 AND m.device = dying.device`,
    [id, started_at, nowMs - countedMs, started_at - countedMs],
  )
}

/** How often the version's runtime died, by device, where that is the version's failure: at least three times, and more
 *  often than what the device ran before in a whole week. On none where as large a share of the devices that still run
 *  that fare no better meanwhile: then it is something that hits both. */
export function deathsThatCount(
  deaths: readonly Deaths[],
  members: readonly Pick<MemberRow, 'device' | 'offered_at' | 'previous' | 'withdrawn'>[],
): Map<string, number> {
  if (deaths.length === 0) return new Map()
  const treated = new Set<string>()
  const control = new Set<string>()
  for (const { device, offered_at, previous, withdrawn } of members) {
    if (offered_at === null && previous !== null) control.add(device)
    if (offered_at !== null && !withdrawn) treated.add(device)
  }
  const isTooMany = (count: number, before: number) => count >= deathsMin && count > before
  const dying = deaths.filter(({ device, target, before }) => treated.has(device) && isTooMany(target, before))
  const others = deaths.filter(({ device, meanwhile, before }) => control.has(device) && isTooMany(meanwhile, before))
  const isCommon = others.length > 0 && others.length * treated.size >= dying.length * control.size
  return new Map(isCommon ? [] : dying.map(({ device, target }) => [device, target]))
}
