// Many devices at once over HTTP: who is meant was looked at before, and how many they are is said with the request.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { type HubEnv, modelsGranted, scoped } from '../governance/access.ts'
import { changeBy } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem, problems } from '../problem.ts'
import { bulkMax, labelMany, retryMany } from './bulk.ts'
import { deviceStates } from './device-state.ts'
import { json, jsonBody, QueryText, readQuery } from './documents.ts'
import type { Fleet } from './fleet.ts'
import { LabelKey, LabelValue } from './labels.ts'
import type { Roster } from './roster.ts'
import { selected } from './selection.ts'

/** Devices that are named among those that were refused; all are counted. */
const refusedShown = 100
const labelsMax = 16

const Action = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('label'),
    /** Null takes one away. */
    labels: z
      .record(LabelKey, LabelValue.nullable())
      .refine((labels) => Object.keys(labels).length > 0 && Object.keys(labels).length <= labelsMax, {
        error: `between 1 and ${labelsMax} labels`,
      }),
  }),
  z.strictObject({ kind: z.literal('retry') }),
])
const Outcome = z
  .object({
    /** Those that were meant. */
    selected: z.number().int(),
    /** Of the others there was nothing to do, or they were refused. */
    changed: z.number().int(),
    refused: z.number().int(),
    /** The first of those that were refused. */
    refusals: z.array(z.object({ device: z.string(), code: z.string(), detail: z.string() })),
  })
  .openapi('BulkOutcome')

const act = createRoute({
  method: 'post',
  path: '/v1/devices/actions',
  summary: 'Change many devices in one transaction: set labels, or try again what they gave up',
  ...scoped('operator'),
  request: jsonBody(
    z.strictObject({
      query: QueryText,
      state: z.enum(deviceStates).optional(),
      expected: z.number().int().min(1).max(bulkMax).openapi({
        description: 'how many devices are meant: where there are more or fewer by now, nothing is changed',
      }),
      action: Action,
    }),
  ),
  responses: { 200: json(Outcome, 'What was changed'), ...problems() },
})

export function bulkRoutes(
  hub: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'isConnected' | 'push'>,
  roster: Roster,
): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  return new OpenAPIHono<HubEnv>().openapi(act, async (c) => {
    const { query, state, expected, action } = c.req.valid('json')
    const selection = { query: readQuery(query), state }
    const change = changeBy(c, `devices.${action.kind}`, `devices:${query}`)
    const { found, changed, refused } = await database.exclusively(async (tx) => {
      const nowMs = clock()
      const rows = selected(await roster.now(tx), selection, fleet.isConnected, nowMs).map(({ row }) => row)
      if (rows.length !== expected) throw otherSelection(rows.length, expected)
      const outcome =
        action.kind === 'label'
          ? await labelMany(tx, rows, action.labels, nowMs, change)
          : await retryMany(tx, rows, modelsGranted(c), nowMs, change)
      return { found: rows.length, ...outcome }
    })
    if (action.kind === 'retry') fleet.push(changed)
    const refusals = refused.slice(0, refusedShown)
    return c.json({ selected: found, changed: changed.length, refused: refused.length, refusals }, 200)
  })
}

const otherSelection = (found: number, expected: number): Problem =>
  new Problem(
    409,
    'selection-changed',
    'Other devices are meant by now',
    `${found} devices are so now, and ${expected} were expected: look again, and say how many you mean`,
    { members: { found } },
  )
