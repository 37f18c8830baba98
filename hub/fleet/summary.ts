// The fleet at a glance: how many devices are in which state, in each place, and which versions serve on how many.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { grantedModels } from '../registry/granted-models.ts'
import type { Reader } from '../storage/database.ts'
import { deviceState, deviceStates } from './device-state.ts'
import { type DeviceRow, devicesMatching } from './devices.ts'
import { json, QueryText, readQuery } from './documents.ts'
import type { Fleet } from './fleet.ts'
import { LabelKey } from './labels.ts'

/** Places, label values and versions that are told; the largest first. */
const rowsMax = 200
const valuesMax = 50

const Counts = z.record(z.enum(deviceStates), z.number().int())
const Summary = z
  .object({
    total: z.number().int(),
    states: Counts,
    by: z.string(),
    /** By the value of the label `by`; null: those without it. */
    groups: z.array(z.object({ value: z.string().nullable(), total: z.number().int(), states: Counts })),
    /** What serves, on how many of these devices; model and version null: of bundles this hub does not know. */
    serving: z.array(
      z.object({
        deployment: z.string(),
        model: z.string().nullable(),
        version: z.number().int().nullable(),
        devices: z.number().int(),
      }),
    ),
    /** Keys and values there are, for completion. */
    labels: z.array(z.object({ key: z.string(), values: z.array(z.string()) })),
  })
  .openapi('FleetSummary')

const show = createRoute({
  method: 'get',
  path: '/v1/fleet',
  summary: 'The fleet at a glance: devices by state and by a label, and the versions that serve',
  ...scoped('viewer'),
  request: { query: z.object({ query: QueryText.default('all'), by: LabelKey.default('site') }) },
  responses: { 200: json(Summary, 'The fleet'), ...problems() },
})

export function summaryRoutes(hub: Hub, fleet: Pick<Fleet, 'isConnected'>): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  return new OpenAPIHono<HubEnv>().openapi(show, async (c) => {
    const { query, by } = c.req.valid('query')
    const rows = await devicesMatching(database, readQuery(query))
    const serving = await servingOn(database, query === 'all' ? undefined : rows, await grantedModels(c, database))
    return c.json({ ...tally(rows, by, fleet.isConnected, clock()), by, serving, labels: labelsOf(rows) }, 200)
  })
}

/** The state of a row that is not revoked. */
export const stateOf = (row: DeviceRow, isConnected: (device: string) => boolean, nowMs: number) =>
  deviceState({
    connected: isConnected(row.id),
    seen: row.last_seen_at !== null,
    stale: row.stale === true,
    aside: row.aside_until !== null && row.aside_until > nowMs,
  })

/** Counts of devices: in all, and by the value of a label, the largest groups first. */
export function tally(
  rows: readonly DeviceRow[],
  by: string,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Pick<z.infer<typeof Summary>, 'total' | 'states' | 'groups'> {
  const states = noCounts()
  const groups = new Map<string | null, ReturnType<typeof noCounts>>()
  for (const row of rows) {
    const state = stateOf(row, isConnected, nowMs)
    const value = row.labels[by] ?? null
    const own = groups.get(value) ?? noCounts()
    groups.set(value, own)
    states[state] += 1
    own[state] += 1
  }
  const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, n) => sum + n, 0)
  const sorted = [...groups]
    .map(([value, states]) => ({ value, total: total(states), states }))
    .sort((a, b) => b.total - a.total || (a.value ?? '').localeCompare(b.value ?? ''))
  return { total: rows.length, states, groups: sorted.slice(0, rowsMax) }
}

const noCounts = () => ({ connected: 0, stale: 0, aside: 0, offline: 0, waiting: 0 })

function labelsOf(rows: readonly DeviceRow[]): { key: string; values: string[] }[] {
  const keys = new Map<string, Set<string>>()
  for (const { labels, profile } of rows) {
    for (const [key, value] of [['profile', profile] as const, ...Object.entries(labels)]) {
      const values = keys.get(key) ?? new Set()
      if (keys.size < rowsMax) keys.set(key, values)
      if (values.size < valuesMax) values.add(value)
    }
  }
  return [...keys]
    .map(([key, values]) => ({ key, values: [...values].sort() }))
    .sort((a, b) => a.key.localeCompare(b.key))
}

const Serving = z.object({
  deployment: z.string(),
  model: z.string().nullable(),
  version: z.number().int().nullable(),
  devices: z.number().int(),
})

/** @param rows undefined: of all that are not revoked
 *  @param models undefined: of all */
function servingOn(
  reader: Reader,
  rows: readonly DeviceRow[] | undefined,
  models: readonly string[] | undefined,
): Promise<z.infer<typeof Serving>[]> {
  return reader.all(
    Serving,
    `SELECT r.deployment, m.model, m.version, count(*) AS devices
     FROM device_deployments r JOIN devices d ON d.id = r.device LEFT JOIN manifests m ON m.digest = r.manifest
     WHERE r.running = 1 AND d.revoked_at IS NULL
       AND (?1 IS NULL OR r.device IN (SELECT value FROM json_each(?1)))
       AND (?2 IS NULL OR m.model IN (SELECT value FROM json_each(?2)))
     GROUP BY r.deployment, m.model, m.version ORDER BY devices DESC, m.model, m.version DESC LIMIT ?3`,
    [
      rows === undefined ? null : JSON.stringify(rows.map(({ id }) => id)),
      models === undefined ? null : JSON.stringify(models),
      rowsMax,
    ],
  )
}
