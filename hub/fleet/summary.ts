// The fleet at a glance: how many devices are in which state, in each place, and which versions serve on how many.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { ModelName } from '@roost/shared/protocol/names.ts'
import { type HubEnv, mayTouchModel, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { grantedModels } from '../registry/granted-models.ts'
import type { Reader } from '../storage/database.ts'
import { deviceStates } from './device-state.ts'
import { json, QueryText, readQuery } from './documents.ts'
import type { Fleet } from './fleet.ts'
import { LabelKey, matches } from './labels.ts'
import type { Roster, RosterRow } from './roster.ts'
import { stateOf } from './selection.ts'

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
  request: {
    query: z.object({
      query: QueryText.default('all'),
      by: LabelKey.default('site'),
      model: ModelName.optional().openapi({ description: 'Only devices on which it serves' }),
      version: z.coerce
        .number()
        .int()
        .positive()
        .optional()
        .openapi({ description: 'Of the model; any where left out' }),
    }),
  },
  responses: { 200: json(Summary, 'The fleet'), ...problems() },
})

export function summaryRoutes(hub: Hub, fleet: Pick<Fleet, 'isConnected'>, roster: Roster): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  return new OpenAPIHono<HubEnv>().openapi(show, async (c) => {
    const { query, by, model, version } = c.req.valid('query')
    if (model !== undefined) mayTouchModel(c, model)
    const wanted = readQuery(query)
    const matching = (await roster.read()).filter((row) => row.revoked_at === null && matches(wanted, row))
    const users = model === undefined ? undefined : await usersOf(database, model, version)
    const rows = users === undefined ? matching : matching.filter(({ id }) => users.has(id))
    const models = model === undefined ? await grantedModels(c, database) : [model]
    const serving = await servingOn(database, query === 'all' ? undefined : rows, models, version)
    return c.json({ ...tally(rows, by, fleet.isConnected, clock()), by, serving, labels: labelsOf(rows) }, 200)
  })
}

/** Counts of devices: in all, and by the value of a label, the largest groups first. */
export function tally(
  rows: readonly RosterRow[],
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

function labelsOf(rows: readonly RosterRow[]): { key: string; values: string[] }[] {
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

/** The devices on which a version of the model serves, or this one. */
async function usersOf(reader: Reader, model: string, version: number | undefined): Promise<Set<string>> {
  const rows = await reader.all(
    z.object({ device: z.string() }),
    `SELECT DISTINCT r.device FROM manifests m JOIN device_deployments r ON r.manifest = m.digest
     WHERE m.model = ?1 AND (?2 IS NULL OR m.version = ?2) AND r.running = 1`,
    [model, version ?? null],
  )
  return new Set(rows.map(({ device }) => device))
}

/** @param rows undefined: of all that are not revoked
 *  @param models undefined: of all
 *  @param version undefined: any */
function servingOn(
  reader: Reader,
  rows: readonly RosterRow[] | undefined,
  models: readonly string[] | undefined,
  version: number | undefined,
): Promise<z.infer<typeof Serving>[]> {
  return reader.all(
    Serving,
    `SELECT r.deployment, m.model, m.version, count(*) AS devices
     FROM device_deployments r JOIN devices d ON d.id = r.device LEFT JOIN manifests m ON m.digest = r.manifest
     WHERE r.running = 1 AND d.revoked_at IS NULL
       AND (?1 IS NULL OR r.device IN (SELECT value FROM json_each(?1)))
       AND (?2 IS NULL OR m.model IN (SELECT value FROM json_each(?2)))
       AND (?4 IS NULL OR m.version = ?4)
     GROUP BY r.deployment, m.model, m.version ORDER BY devices DESC, m.model, m.version DESC LIMIT ?3`,
    [
      rows === undefined ? null : JSON.stringify(rows.map(({ id }) => id)),
      models === undefined ? null : JSON.stringify(models),
      rowsMax,
      version ?? null,
    ],
  )
}
