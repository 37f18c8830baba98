// The newest window reports that fit, by seeks: how long the answer takes depends on how many devices or bundles are asked
// about, and not on how many reports the hub keeps of them.

import { z } from 'zod'
import { jsonColumn, type Reader, type Value } from '../storage/database.ts'
import { conditions, type StoredWindow, StoredWindowRow, type WindowFilter, windowOf } from './windows.ts'

/** `before`: ids below it (for the next page); `sinceMs`: received at or after it, hub clock. */
export type LatestRange = { before?: number; sinceMs?: number; limit: number }

export type LatestLimits = {
  /** So many are each asked at once; of more, somebody's reports are likely among the newest. */
  fewDevices: number
  /** Reports of a bundle that are looked at for those of many devices, before each device is asked. */
  walkedMax: number
}
const usual: LatestLimits = { fewDevices: 200, walkedMax: 5_000 }

/** Newest first. */
export async function latestWindows(
  reader: Reader,
  filter: WindowFilter,
  range: LatestRange,
  limits = usual,
): Promise<StoredWindow[]> {
  const place = await placeOf(reader, range)
  const ids = place === undefined ? [] : await latestIds(reader, filter, place, limits)
  const rows = await reader.all(
    StoredWindowRow,
    'SELECT id, device, received_at, body FROM window_reports WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC',
    [JSON.stringify(ids)],
  )
  return rows.map(windowOf)
}

/** Ids from `low` to below `before`. */
type Place = { low: number; before: number; sinceMs: number; limit: number }

/** Ids grow as reports arrive: what arrived first since then has the lowest one. Undefined where nothing has. */
async function placeOf(reader: Reader, range: LatestRange): Promise<Place | undefined> {
  const { before = Number.MAX_SAFE_INTEGER, sinceMs = 0, limit } = range
  if (sinceMs === 0) return { low: 0, before, sinceMs, limit }
  const first = await reader.first(
    z.object({ low: z.number() }),
    'SELECT id AS low FROM window_reports WHERE received_at >= ? ORDER BY received_at, id LIMIT 1',
    [sinceMs],
  )
  return first && { low: first.low, before, sinceMs, limit }
}

async function latestIds(
  reader: Reader,
  filter: WindowFilter,
  place: Place,
  { fewDevices, walkedMax }: LatestLimits,
): Promise<number[]> {
  const { devices } = filter
  if (devices === undefined) return (await idsByBundle(reader, filter, place, undefined)).ids
  if (devices.length > fewDevices) {
    const { ids, isWhole } = await idsByBundle(reader, filter, place, walkedMax)
    if (isWhole) return ids
  }
  return idsByDevice(reader, filter, devices, place)
}

const Ids = jsonColumn(z.array(z.number()))

/** Of each bundle that ever ran, in each of its deployments, the newest that fit.
 *  @param max reports of each that are looked at; `isWhole` is whether that was enough */
async function idsByBundle(
  reader: Reader,
  filter: WindowFilter,
  { low, before, sinceMs, limit }: Place,
  max: number | undefined,
): Promise<{ ids: number[]; isWhole: boolean }> {
  const { where, args } = conditions(filter)
  const ofBundle = 'manifest = bundles.manifest AND deployment = bundles.deployment AND id >= ? AND id < ?'
  const span = [low, before]
  const walked: Value = max ?? -1
  const found = await reader.all(
    z.object({ ids: Ids, isCut: z.number() }),
    `WITH bundles AS MATERIALIZED (SELECT DISTINCT manifest, deployment FROM window_totals WHERE ${where})
     SELECT
       (SELECT json_group_array(id) FROM (
         SELECT id FROM (
           SELECT * FROM window_reports INDEXED BY window_reports_by_manifest WHERE ${ofBundle} ORDER BY id DESC LIMIT ?)
         WHERE ${received(sinceMs)} AND ${where} LIMIT ?)) AS ids,
       ${max === undefined ? '0' : `EXISTS (SELECT 1 FROM window_reports WHERE ${ofBundle} LIMIT 1 OFFSET ${max})`} AS isCut
     FROM bundles`,
    [...args, ...span, walked, ...args, limit, ...(max === undefined ? [] : span)],
  )
  return {
    ids: newest(
      found.flatMap(({ ids }) => ids),
      limit,
    ),
    isWhole: found.every(({ ids, isCut }) => isCut === 0 || ids.length >= limit),
  }
}

/** The newest of all are of the devices whose own newest are: no more of those are asked for all of theirs than are wanted. */
async function idsByDevice(
  reader: Reader,
  filter: WindowFilter,
  devices: readonly string[],
  { low, before, sinceMs, limit }: Place,
): Promise<number[]> {
  const { devices: _, ...rest } = filter
  const { where, args } = conditions(rest)
  const ofDevice = `SELECT id FROM window_reports INDEXED BY window_reports_by_device
    WHERE device = asked.value AND id >= ? AND id < ? AND ${received(sinceMs)} AND ${where}
    ORDER BY id DESC LIMIT ?`
  const span = [low, before, ...args]
  const found = await reader.all(
    z.object({ id: z.number() }),
    `WITH asked AS MATERIALIZED (SELECT value FROM json_each(?) AS asked ORDER BY (${ofDevice}) DESC LIMIT ?)
     SELECT ids.value AS id
     FROM (SELECT (SELECT json_group_array(id) FROM (${ofDevice})) AS newest FROM asked), json_each(newest) AS ids
     ORDER BY ids.value DESC LIMIT ?`,
    [JSON.stringify(devices), ...span, 1, limit, ...span, limit, limit],
  )
  return found.map(({ id }) => id)
}

/** The clock may have gone back: what has a later id may have come before. Without a time the row need not be looked at. */
const received = (sinceMs: number): string => (sinceMs === 0 ? 'true' : `received_at >= ${sinceMs}`)

const newest = (ids: readonly number[], count: number): number[] => ids.toSorted((a, b) => b - a).slice(0, count)
