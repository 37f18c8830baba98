// The revision of each topic a page may listen to: a short text that is another one when what it stands for has changed.
// They are looked up in the database, so that nothing that changes has to say so, and one look serves all listeners.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Fleet } from '../fleet/fleet.ts'
import type { Hub } from '../hub.ts'

type Presence = Pick<Fleet, 'connectedDevices' | 'isConnected'>
type Look = (hub: Pick<Hub, 'database'>, fleet: Presence, name: string) => Promise<unknown>

const Row = z.record(z.string(), z.unknown())

/** Whatever a person changes is in the audit log, so its head stands for all of that. */
const audited: Look = ({ database }) => database.first(Row, 'SELECT max(seq) AS head FROM audit_log')

const topics: Readonly<Record<string, Look>> = {
  fleet: async ({ database }, fleet) => [
    fleet.connectedDevices().sort().join(),
    await database.first(
      Row,
      `SELECT count(*), count(revoked_at), sum(generation), sum(revision), total(reported_generation), max(hello_at),
              (SELECT max(changed_at) FROM device_deployments), (SELECT total(until) FROM
                (SELECT aside_until AS until FROM device_failures)) FROM devices`,
    ),
  ],
  // of one that has gone it is written a moment later when it was last seen; of one that is there that changes all the time
  'device:': async ({ database }, fleet, device) => [
    fleet.isConnected(device),
    await database.first(
      Row,
      `SELECT generation, revision, reported_generation, hello_at, stale, revoked_at, iif(?2, NULL, last_seen_at) AS seen,
              (SELECT max(changed_at) FROM device_deployments WHERE device = devices.id),
              (SELECT max(id) FROM window_reports WHERE device = devices.id)
       FROM devices WHERE id = ?1`,
      [device, fleet.isConnected(device)],
    ),
  ],
  rollouts: ({ database }) => database.first(Row, 'SELECT count(*), sum(revision), max(changed_at) FROM rollouts'),
  'rollout:': ({ database }, _, rollout) =>
    database.first(
      Row,
      `SELECT revision, changed_at,
              (SELECT group_concat(state || n) FROM (SELECT state, count(*) AS n FROM rollout_devices
                WHERE rollout = rollouts.id GROUP BY state ORDER BY state)),
              (SELECT count(*) FROM rollout_decisions WHERE rollout = rollouts.id),
              (SELECT max(number) FROM rollout_looks WHERE rollout = rollouts.id)
       FROM rollouts WHERE id = ?`,
      [rollout],
    ),
  drift: ({ database }) => database.first(Row, 'SELECT max(id) AS newest FROM window_reports'),
  // an evaluation ends by itself
  models: ({ database }) =>
    database.first(
      Row,
      'SELECT (SELECT max(seq) FROM audit_log), (SELECT group_concat(state || n) FROM (SELECT state, count(*) AS n FROM evaluations GROUP BY state ORDER BY state))',
    ),
  // metrics are not in the audit log: those of the newest runs stand for all
  runs: async (hub, fleet) => [
    await audited(hub, fleet, ''),
    await hub.database.first(
      Row,
      `SELECT total(step), max(timestamp), count(*) FROM run_latest_metrics
        WHERE run > (SELECT coalesce(max(number), 0) - 200 FROM runs)`,
    ),
  ],
  'run:': ({ database }, _, run) =>
    database.first(
      Row,
      `SELECT name, status, end_time, deleted_at,
              (SELECT group_concat(key || ' ' || step || ' ' || timestamp || ' ' || value) FROM run_latest_metrics
                WHERE run = runs.number),
              (SELECT count(*) FROM run_params WHERE run = runs.number),
              (SELECT group_concat(key || ' ' || value) FROM run_tags WHERE run = runs.number),
              (SELECT total(created_at) FROM artifacts WHERE owner_kind = 'run' AND owner = runs.id)
       FROM runs WHERE id = ?`,
      [run],
    ),
  audit: audited,
  access: audited,
  settings: audited,
}

/** A look holds so long: listeners that ask within it share one. */
const freshMs = 900
const rememberedMax = 1_000
const nameLengthMax = 200

export type Revisions = {
  kinds: readonly string[]
  isTopic: (topic: string) => boolean
  of: (topic: string) => Promise<string>
}

export function createRevisions(hub: Pick<Hub, 'database' | 'clock'>, fleet: Presence): Revisions {
  const looked = new Map<string, { atMs: number; revision: Promise<string> }>()
  const look = async (topic: string): Promise<string> => {
    const [kind, name] = splitTopic(topic)
    const found = await topics[kind]?.(hub, fleet, name)
    return createHash('sha256')
      .update(JSON.stringify(found ?? null))
      .digest('base64url')
      .slice(0, 16)
  }
  return {
    kinds: Object.keys(topics).map((kind) => (kind.endsWith(':') ? `${kind}<id>` : kind)),
    isTopic: (topic) => {
      const [kind, name] = splitTopic(topic)
      return Object.hasOwn(topics, kind) && kind.endsWith(':') === name.length > 0 && name.length <= nameLengthMax
    },
    of: (topic) => {
      const nowMs = hub.clock()
      const known = looked.get(topic)
      if (known !== undefined && Math.abs(nowMs - known.atMs) < freshMs) return known.revision
      if (looked.size >= rememberedMax) looked.clear()
      const revision = look(topic)
      looked.set(topic, { atMs: nowMs, revision })
      return revision
    },
  }
}

/** `device:d-1` is ['device:', 'd-1'], `fleet` is ['fleet', '']. */
function splitTopic(topic: string): [kind: string, name: string] {
  const at = topic.indexOf(':')
  return at < 0 ? [topic, ''] : [topic.slice(0, at + 1), topic.slice(at + 1)]
}
