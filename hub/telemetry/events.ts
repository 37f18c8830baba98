// Device events as they are kept and read: progress, drift, refusals, deaths, gaps.

import { z } from 'zod'
import { jsonColumn, type Reader } from '../storage/database.ts'

export const StoredEvent = z.object({
  id: z.number().int(),
  /** Device clock. */
  at: z.iso.datetime(),
  receivedAt: z.iso.datetime(),
  event: z.string(),
  body: z.record(z.string(), z.unknown()),
})
export type StoredEvent = z.infer<typeof StoredEvent>

const EventRow = z.object({
  id: z.number(),
  at: z.number(),
  received_at: z.number(),
  event: z.string(),
  body: jsonColumn(z.record(z.string(), z.unknown())),
})

/** Newest first.
 *  @param before ids below it
 *  @param models events of bundles of these models only, and those of the device itself; undefined: all */
export async function deviceEvents(
  reader: Reader,
  device: string,
  before: number,
  limit: number,
  models?: readonly string[],
): Promise<StoredEvent[]> {
  const rows = await reader.all(
    EventRow,
    `SELECT id, at, received_at, event, body FROM device_events
     WHERE device = ?1 AND id < ?2 AND (?4 IS NULL OR body ->> '$.manifest' IS NULL OR body ->> '$.manifest' IN (
       SELECT digest FROM manifests WHERE model IN (SELECT value FROM json_each(?4))))
     ORDER BY id DESC LIMIT ?3`,
    [device, before, limit, models === undefined ? null : JSON.stringify(models)],
  )
  return rows.map(({ id, at, received_at, event, body }) => ({
    id,
    at: new Date(at).toISOString(),
    receivedAt: new Date(received_at).toISOString(),
    event,
    body,
  }))
}
