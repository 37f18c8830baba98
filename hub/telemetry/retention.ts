// What expires: window reports and events after the time the settings name; totals stay.

import { setTimeout as delay } from 'node:timers/promises'
import type { Hub } from '../hub.ts'
import { forgetTallies } from '../rollouts/evidence/suspects.ts'

const intervalMs = 600_000
/** Rows removed by one statement, so that no write waits long behind it. */
const rowsAtOnceMax = 5_000

/** Removes what has expired, every ten minutes, until the hub stops. */
export async function expireForever(hub: Hub): Promise<void> {
  while (!hub.stopping.aborted) {
    try {
      await expire(hub)
    } catch (error) {
      hub.log.error({ err: error }, 'expired reports could not be removed; trying again later')
    }
    await delay(intervalMs, undefined, { signal: hub.stopping, ref: false }).catch((error: unknown) => {
      if (!hub.stopping.aborted) throw error
    })
  }
}

export async function expire({ database, clock, config }: Pick<Hub, 'database' | 'clock' | 'config'>): Promise<void> {
  await expireTable(database, 'window_reports', clock() - config.windowsKeptMs)
  await expireTable(database, 'device_events', clock() - config.eventsKeptMs)
  await database.write([forgetEpochs, forgetTallies])
}

/** A device makes a new outbox only when its disk was lost: what it was before the sixteenth never comes again. */
const epochsPerDeviceMax = 16
const forgetEpochs = {
  sql: `DELETE FROM outbox_positions WHERE (device, epoch) IN (
          SELECT device, epoch FROM (
            SELECT device, epoch, row_number() OVER (PARTITION BY device ORDER BY changed_at DESC) AS place
            FROM outbox_positions) WHERE place > ${epochsPerDeviceMax})`,
}

async function expireTable(
  database: Hub['database'],
  table: 'window_reports' | 'device_events',
  beforeMs: number,
): Promise<void> {
  const sql = `DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} WHERE received_at < ? LIMIT ${rowsAtOnceMax})`
  for (;;) {
    const [removed = 0] = await database.write([{ sql, args: [beforeMs] }])
    if (removed < rowsAtOnceMax) return
  }
}
