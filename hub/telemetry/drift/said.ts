// What devices say of themselves: which have told that they drifted and have not taken it back. One broken sensor among
// thousands vanishes in what is pooled; the device that has it says so.

import { DriftVerdict, Movement, movementsMax } from '@roost/shared/drift/verdict.ts'
import { z } from 'zod'
import { jsonColumn, type Reader } from '../../storage/database.ts'

/** Devices that are named; the others are counted. */
const namedMax = 20

export const SaidDrifted = z.object({
  /** How many; of them by column how many name it. */
  devices: z.number().int(),
  columns: z.array(z.object({ column: z.string(), devices: z.number().int() })),
  /** The latest first. */
  latest: z
    .array(
      z.object({
        device: z.string(),
        /** When the hub heard of it. */
        at: z.iso.datetime(),
        movements: z.array(Movement).max(movementsMax),
      }),
    )
    .max(namedMax),
})
export type SaidDrifted = z.infer<typeof SaidDrifted>

/** The last word on the bundle of each of the devices (a JSON list, ?1; the bundle ?2), where it is that they drifted. */
const lastWords = `SELECT device, id, received_at, body FROM (
    SELECT device, max(id) AS id FROM device_events
    WHERE event = 'drift' AND device IN (SELECT value FROM json_each(?1)) GROUP BY device)
  JOIN device_events USING (device, id)
  WHERE body ->> 'manifest' = ?2 AND body ->> '$.verdict.state' = 'drifted'`

const Counts = z.object({
  devices: z.number(),
  columns: jsonColumn(z.array(z.object({ column: z.string(), devices: z.number() }))),
})
const Latest = z.object({
  device: z.string(),
  received_at: z.number(),
  body: jsonColumn(z.object({ verdict: DriftVerdict })),
})

export async function saidDrifted(reader: Reader, devices: readonly string[], manifest: string): Promise<SaidDrifted> {
  const args = [JSON.stringify(devices), manifest]
  const counts = await reader.first(
    Counts,
    `WITH words AS MATERIALIZED (${lastWords}), named AS (
       SELECT value ->> 'column' AS name, count(DISTINCT device) AS count
       FROM words, json_each(body, '$.verdict.movements') GROUP BY name ORDER BY count DESC, name LIMIT 100)
     SELECT (SELECT count(*) FROM words) AS devices,
       (SELECT json_group_array(json_object('column', name, 'devices', count)) FROM named) AS columns`,
    args,
  )
  const latest = await reader.all(Latest, `${lastWords} ORDER BY id DESC LIMIT ${namedMax}`, args)
  return {
    devices: counts?.devices ?? 0,
    columns: counts?.columns ?? [],
    latest: latest.map(({ device, received_at, body }) => ({
      device,
      at: new Date(received_at).toISOString(),
      movements: body.verdict.movements,
    })),
  }
}

/** Those that say so, the ones that name the column first. */
export async function devicesThatSaid(
  reader: Reader,
  devices: readonly string[],
  manifest: string,
  column: string,
  max: number,
): Promise<string[]> {
  const rows = await reader.all(
    z.object({ device: z.string() }),
    `${lastWords}
     ORDER BY EXISTS (SELECT 1 FROM json_each(body, '$.verdict.movements') WHERE value ->> 'column' = ?3) DESC, id DESC
     LIMIT ?4`,
    [JSON.stringify(devices), manifest, column, max],
  )
  return rows.map(({ device }) => device)
}
