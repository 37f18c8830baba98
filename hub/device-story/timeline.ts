// Everything that happened to a device, newest first: what it told, what rollouts decided about it, what people did.
// Three tables, each read in its own order, merged by the hub's clock; a page goes on where each of the three stood.

import { z } from 'zod'
import { namesOfTokens } from '../governance/token-names.ts'
import { jsonColumn, type Reader } from '../storage/database.ts'
import type { Part } from './reason.ts'
import {
  actionsOf,
  changeLine,
  decisionLine,
  eventLine,
  eventsOf,
  type Naming,
  type TimelineKind,
  type Tone,
  timelineKinds,
} from './timeline-entry.ts'

/** The last key taken of each table; what is left out has not been reached. */
export const Position = z.strictObject({
  event: z.number().int().optional(),
  change: z.number().int().optional(),
  decision: z.tuple([z.number(), z.string(), z.number().int()]).optional(),
})
export type Position = z.infer<typeof Position>

export type Entry = {
  id: string
  at: number
  deviceAt: number | null
  kind: TimelineKind
  what: string
  tone: Tone
  parts: Part[]
}
/** `mentions`: a text with the digests and tokens to be named. */
type Placed = { at: number; position: Position; mentions: string; show: (naming: Naming) => Entry }

const EventRow = z.object({
  id: z.number(),
  at: z.number(),
  received_at: z.number(),
  event: z.string(),
  body: jsonColumn(z.unknown()),
})
const ChangeRow = z.object({
  seq: z.number(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  before: jsonColumn(z.unknown()).nullable(),
  after: jsonColumn(z.unknown()).nullable(),
})
const DecisionRow = z.object({
  rollout: z.string(),
  seq: z.number(),
  at: z.number(),
  action: z.string(),
  detail: jsonColumn(z.unknown()),
  model: z.string(),
  version: z.number(),
})

export type TimelineQuery = {
  device: string
  /** All, where left out. */
  kind?: TimelineKind | undefined
  /** Only what is of these models, and what is of none; undefined: all. */
  models?: readonly string[] | undefined
  limit: number
}

/** A page, and where the next begins; null: this was the last. */
export async function readTimeline(
  reader: Reader,
  query: TimelineQuery,
  after: Position,
): Promise<{ entries: Entry[]; next: Position | null }> {
  const kinds = query.kind === undefined ? timelineKinds : [query.kind]
  const asked = { ...query, limit: query.limit + 1 }
  const lists = [
    await events(
      reader,
      asked,
      kinds.flatMap((kind) => eventsOf[kind]),
      after.event,
    ),
    await changes(
      reader,
      asked,
      kinds.flatMap((kind) => actionsOf[kind]),
      after.change,
    ),
    kinds.includes('assignment') ? await decisions(reader, asked, after.decision) : [],
  ]
  const merged = mergeNewest(lists, query.limit)
  const naming = await namingOf(reader, merged.taken, query.models)
  const next: Position = Object.assign({}, after, ...merged.taken.map(({ position }) => position))
  return { entries: merged.taken.map(({ show }) => show(naming)), next: merged.more ? next : null }
}

/** The newest of several lists, each newest first by its own order, which is kept also where clocks were set.
 *  `more`: something is left. */
export function mergeNewest<T extends { at: number }>(
  lists: readonly (readonly T[])[],
  limit: number,
): { taken: T[]; more: boolean } {
  const heads = lists.map(() => 0)
  const taken: T[] = []
  const newest = (): number | undefined => {
    let best: number | undefined
    for (const [n, list] of lists.entries()) {
      const item = list[heads[n] ?? 0]
      const known = best === undefined ? undefined : lists[best]?.[heads[best] ?? 0]
      if (item !== undefined && (known === undefined || item.at > known.at)) best = n
    }
    return best
  }
  for (let from = newest(); from !== undefined && taken.length < limit; from = newest()) {
    const item = lists[from]?.[heads[from] ?? 0]
    if (item === undefined) break
    taken.push(item)
    heads[from] = (heads[from] ?? 0) + 1
  }
  return { taken, more: newest() !== undefined }
}

const ofModels = (manifest: string) =>
  `(?4 IS NULL OR ${manifest} IS NULL OR ${manifest} IN
    (SELECT digest FROM manifests WHERE model IN (SELECT value FROM json_each(?4))))`
const modelsArg = ({ models }: TimelineQuery) => (models === undefined ? null : JSON.stringify(models))

async function events(
  reader: Reader,
  query: TimelineQuery,
  names: readonly string[],
  before = Number.MAX_SAFE_INTEGER,
): Promise<Placed[]> {
  if (names.length === 0) return []
  const rows = await reader.all(
    EventRow,
    `SELECT id, at, received_at, event, body FROM device_events
     WHERE device = ?1 AND id < ?2 AND event IN (SELECT value FROM json_each(?5)) AND ${ofModels(`body ->> '$.manifest'`)}
     ORDER BY id DESC LIMIT ?3`,
    [query.device, before, query.limit, modelsArg(query), JSON.stringify(names)],
  )
  return rows.map(({ id, at, received_at, event, body }) => ({
    at: received_at,
    position: { event: id },
    show: (naming) => ({ id: `event-${id}`, at: received_at, deviceAt: at, ...eventLine(event, body, naming) }),
    mentions: JSON.stringify(body),
  }))
}

async function changes(
  reader: Reader,
  query: TimelineQuery,
  actions: readonly string[],
  before = Number.MAX_SAFE_INTEGER,
): Promise<Placed[]> {
  if (actions.length === 0) return []
  const rows = await reader.all(
    ChangeRow,
    `SELECT seq, at, actor, action, before, after FROM audit_log
     WHERE subject = ?1 AND seq < ?2 AND action IN (SELECT value FROM json_each(?5))
       AND ${ofModels(`after ->> '$.manifest'`)} AND ${ofModels(`before ->> '$.manifest'`)}
     ORDER BY seq DESC LIMIT ?3`,
    [`device:${query.device}`, before, query.limit, modelsArg(query), JSON.stringify(actions)],
  )
  return rows.map(({ seq, at, ...change }) => ({
    at,
    position: { change: seq },
    show: (naming) => ({ id: `change-${seq}`, at, deviceAt: null, ...changeLine(change, naming) }),
    mentions: `${change.actor} ${JSON.stringify(change.after)}`,
  }))
}

async function decisions(reader: Reader, query: TimelineQuery, before: Position['decision']): Promise<Placed[]> {
  const [at, rollout, seq] = before ?? [Number.MAX_SAFE_INTEGER, '', 0]
  const rows = await reader.all(
    DecisionRow,
    `SELECT d.rollout, d.seq, d.at, d.action, d.detail, r.model, r.version
     FROM rollout_decisions d JOIN rollouts r ON r.id = d.rollout
     WHERE d.detail ->> '$.device' = ?1 AND (d.at, d.rollout, d.seq) < (?2, ?5, ?6)
       AND (?4 IS NULL OR r.model IN (SELECT value FROM json_each(?4)))
     ORDER BY d.at DESC, d.rollout DESC, d.seq DESC LIMIT ?3`,
    [query.device, at, query.limit, modelsArg(query), rollout, seq],
  )
  return rows.map((row) => ({
    at: row.at,
    position: { decision: [row.at, row.rollout, row.seq] },
    show: () => ({ id: `decision-${row.rollout}-${row.seq}`, at: row.at, deviceAt: null, ...decisionLine(row) }),
    mentions: '',
  }))
}

const BundleRow = z.object({ manifest: z.string(), model: z.string(), version: z.number() })

async function namingOf(
  reader: Reader,
  placed: readonly Placed[],
  models: readonly string[] | undefined,
): Promise<Naming> {
  const texts = placed.map(({ mentions }) => mentions)
  const digests = new Set(texts.flatMap((text) => text.match(/\b[0-9a-f]{64}\b/g) ?? []))
  const rows = await reader.all(
    BundleRow,
    'SELECT digest AS manifest, model, version FROM manifests WHERE digest IN (SELECT value FROM json_each(?))',
    [JSON.stringify([...digests])],
  )
  const bundles = new Map(rows.map((row) => [row.manifest, row]))
  const names = await namesOfTokens(reader, texts)
  return {
    bundle: (manifest) => {
      const known = bundles.get(manifest)
      if (models !== undefined && (known === undefined || !models.includes(known.model))) return undefined
      return known ?? { manifest, model: null, version: null }
    },
    actor: (actor) => ({ actor, name: names.get(actor) ?? null }),
  }
}
