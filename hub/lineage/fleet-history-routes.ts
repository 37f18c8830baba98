// The versions that served on the fleet, over time.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { QueryText, readQuery } from '../fleet/documents.ts'
import { matches } from '../fleet/labels.ts'
import { createRoster } from '../fleet/roster.ts'
import { type HubEnv, modelsGranted, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import { createFleetServices } from './fleet-services.ts'
import type { Service } from './service-history.ts'
import { type Counted, versionsOverTime } from './versions-over-time.ts'

const pointsMax = 120
/** Lines of a picture; those with the fewest devices are added up in one. */
const seriesMax = 12
const dayMs = 86_400_000
/** The shortest time that is drawn. */
const youngestMs = 60_000

const FleetHistory = z
  .object({
    /** When it was counted: at most a minute ago. */
    at: z.iso.datetime(),
    /** The points of time, by the clocks of the devices. */
    times: z.array(z.iso.datetime()),
    series: z.array(
      z.object({
        deployment: z.string(),
        /** Null: of bundles that this hub does not know, and of those beyond the first twelve. */
        model: z.string().nullable(),
        version: z.number().int().nullable(),
        /** At each of the points of time. */
        devices: z.array(z.number().int()),
      }),
    ),
    /** Before this moment devices may be missing: there were more events than are looked at. */
    wholeSince: z.iso.datetime().nullable(),
  })
  .openapi('FleetHistory')

const history = createRoute({
  method: 'get',
  path: '/v1/fleet/history',
  summary: 'On how many devices each version served, over time',
  ...scoped('viewer'),
  request: {
    query: z.object({
      query: QueryText.default('all'),
      days: z.coerce.number().int().min(1).max(365).default(30).openapi({
        description: 'back from now, or to when the first of these devices began to serve something',
      }),
      points: z.coerce.number().int().min(2).max(pointsMax).default(60),
    }),
  },
  responses: {
    200: { description: 'Counts', content: { 'application/json': { schema: FleetHistory } } },
    ...problems(),
  },
})

export function fleetHistoryRoutes({ database, clock }: Pick<Hub, 'database' | 'clock'>): OpenAPIHono<HubEnv> {
  const services = createFleetServices(database, clock)
  const roster = createRoster(database)
  return new OpenAPIHono<HubEnv>().openapi(history, async (c) => {
    const { query, days, points } = c.req.valid('query')
    const wanted = readQuery(query)
    const { at, byDevice, wholeSince } = await services()
    const meant = (await roster.read()).filter((row) => row.revoked_at === null && matches(wanted, row))
    const stretches = meant.flatMap(({ id }) => byDevice.get(id) ?? [])
    const from = beginningOf(stretches, at - days * dayMs, at)
    const stepMs = (at - from) / (points - 1)
    const counted = versionsOverTime(stretches, { from, stepMs, count: points })
    const named = await namedByVersion(database, counted, modelsGranted(c))
    return c.json(
      {
        at: iso(at),
        times: Array.from({ length: points }, (_, n) => iso(Math.round(from + n * stepMs))),
        series: largest(named),
        wholeSince: wholeSince === null ? null : iso(wholeSince),
      },
      200,
    )
  })
}

/** Where the picture begins: a fleet that is younger than what was asked for fills it, too. */
function beginningOf(stretches: readonly Service[], asked: number, at: number): number {
  const first = stretches.reduce((least, { from }) => Math.min(least, from), at)
  return Math.max(asked, Math.min(first, at - youngestMs))
}

type Named = z.infer<typeof FleetHistory>['series'][number]

const BundleRow = z.object({ digest: z.string(), model: z.string(), version: z.number() })

/** Variants of a version are one; what is not granted is left out. In order of model and version. */
async function namedByVersion(
  reader: Reader,
  counted: readonly Counted[],
  isGranted: (model: string) => boolean,
): Promise<Named[]> {
  const rows = await reader.all(
    BundleRow,
    'SELECT digest, model, version FROM manifests WHERE digest IN (SELECT value FROM json_each(?))',
    [JSON.stringify([...new Set(counted.map(({ manifest }) => manifest))])],
  )
  const bundles = new Map(rows.map((row) => [row.digest, row]))
  const named = counted.flatMap(({ deployment, manifest, devices }): Named[] => {
    const { model = null, version = null } = bundles.get(manifest) ?? {}
    return model !== null && !isGranted(model) ? [] : [{ deployment, model, version, devices }]
  })
  const keyOf = ({ deployment, model, version }: Named) => JSON.stringify([deployment, model, version])
  return [...Map.groupBy(named, keyOf).values()]
    .map(addedUp)
    .sort((a, b) => (a.model ?? '').localeCompare(b.model ?? '') || (a.version ?? 0) - (b.version ?? 0))
}

function addedUp([first, ...others]: readonly Named[]): Named {
  if (first === undefined) throw new Error('a group has a member')
  return {
    ...first,
    devices: first.devices.map((n, i) => n + others.reduce((sum, { devices }) => sum + (devices[i] ?? 0), 0)),
  }
}

/** The lines with the most devices at any time, and the rest as one. */
function largest(named: readonly Named[]): Named[] {
  const peak = ({ devices }: Named) => Math.max(...devices)
  const kept = new Set([...named].sort((a, b) => peak(b) - peak(a)).slice(0, seriesMax))
  const rest = named.filter((one) => !kept.has(one))
  const shown = named.filter((one) => kept.has(one))
  return rest.length === 0 ? shown : [...shown, { ...addedUp(rest), deployment: 'others', model: null, version: null }]
}

const iso = (ms: number): string => new Date(ms).toISOString()
