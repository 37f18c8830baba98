// Devices downstream: counted and paged, never nodes, because a version may be on ten thousand.

import { z } from 'zod'
import { BooleanColumn, type Reader } from '../storage/database.ts'
import { type NodeName, nodeText } from './nodes.ts'
import { keyOf } from './rules.ts'

/** `running`: on which it serves, as far as devices have said; `ever`: on which it serves or has served. */
export type DeviceCounts = { running: number; ever: number }

const pairs = '(SELECT value ->> 0, value ->> 1 FROM json_each(?1))'
const hasServed = `(d.running = 1 OR d.ran_at IS NOT NULL)`

const CountRow = z.object({ name: z.string(), running: z.number(), ever: z.number() })

/** Of versions and rollouts, by the text of the node; nothing for other kinds. Of a rollout: among its own devices. */
export async function deviceCounts(reader: Reader, nodes: readonly NodeName[]): Promise<Map<string, DeviceCounts>> {
  const counts = new Map<string, DeviceCounts>()
  for (const [kind, ofKind] of Map.groupBy(nodes, ({ kind }) => kind)) {
    const sql = kind === 'version' ? ofVersions : kind === 'rollout' ? ofRollouts : undefined
    if (sql === undefined) continue
    for (const { name, ...row } of await reader.all(CountRow, sql, [JSON.stringify(ofKind.map(keyOf))])) {
      counts.set(nodeText({ kind, name }), row)
    }
  }
  return counts
}

const ofVersions = `SELECT m.model || '/' || m.version AS name,
    count(DISTINCT iif(d.running, d.device, NULL)) AS running, count(DISTINCT d.device) AS ever
  FROM manifests m JOIN device_deployments d ON d.manifest = m.digest
  WHERE (m.model, m.version) IN ${pairs} AND ${hasServed} GROUP BY m.model, m.version`

const ofRollouts = `SELECT r.rollout AS name, sum(d.running) AS running, count(*) AS ever
  FROM rollout_devices r JOIN device_deployments d
    ON d.device = r.device AND d.deployment = r.deployment AND d.manifest = r.target
  WHERE r.rollout IN (SELECT value ->> 0 FROM json_each(?1)) AND ${hasServed} GROUP BY r.rollout`

const DeviceRow = z.object({
  device: z.string(),
  deployment: z.string(),
  model: z.string(),
  version: z.number(),
  variant: z.string(),
  manifest: z.string(),
  state: z.string(),
  running: BooleanColumn,
  ran_at: z.number().nullable(),
  changed_at: z.number(),
})
export type DeviceRow = z.infer<typeof DeviceRow>

export type DeviceQuery = {
  versions: readonly NodeName[]
  /** Only devices of this rollout. */
  rollout?: string | undefined
  /** Only those on which it serves now. */
  running: boolean
}
/** The last row of the page before; empty texts for the first. */
export type DeviceKey = readonly [device: string, deployment: string, manifest: string]

export const devicePage = (
  reader: Reader,
  { versions, rollout, running }: DeviceQuery,
  after: DeviceKey,
  limit: number,
): Promise<DeviceRow[]> =>
  reader.all(
    DeviceRow,
    `SELECT d.device, d.deployment, m.model, m.version, m.variant, d.manifest, d.state, d.running, d.ran_at, d.changed_at
     FROM manifests m JOIN device_deployments d ON d.manifest = m.digest
     WHERE (m.model, m.version) IN ${pairs} AND ${running ? 'd.running = 1' : hasServed}
       AND (d.device, d.deployment, d.manifest) > (?2, ?3, ?4)
       AND (?5 IS NULL OR EXISTS (SELECT 1 FROM rollout_devices r WHERE r.rollout = ?5 AND r.device = d.device
         AND r.deployment = d.deployment AND r.target = d.manifest))
     ORDER BY d.device, d.deployment, d.manifest LIMIT ?6`,
    [JSON.stringify(versions.map(keyOf)), ...after, rollout ?? null, limit],
  )

/** Of all pages together: each device once, whatever it runs in how many deployments. */
export async function servingCounts(
  reader: Reader,
  { versions, rollout }: Omit<DeviceQuery, 'running'>,
): Promise<DeviceCounts> {
  const row = await reader.first(
    CountRow.omit({ name: true }),
    `SELECT count(DISTINCT iif(d.running, d.device, NULL)) AS running, count(DISTINCT d.device) AS ever
     FROM manifests m JOIN device_deployments d ON d.manifest = m.digest
     WHERE (m.model, m.version) IN ${pairs} AND ${hasServed}
       AND (?2 IS NULL OR EXISTS (SELECT 1 FROM rollout_devices r WHERE r.rollout = ?2 AND r.device = d.device
         AND r.deployment = d.deployment AND r.target = d.manifest))`,
    [JSON.stringify(versions.map(keyOf)), rollout ?? null],
  )
  return row ?? { running: 0, ever: 0 }
}
