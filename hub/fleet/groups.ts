// Groups: a name for a label query. Who is in one is evaluated when somebody asks, never stored.

import { z } from 'zod'
import type { Reader, Statement } from '../storage/database.ts'
import { type DeviceRow, devicesMatching } from './devices.ts'
import { parseQuery, type Query } from './labels.ts'

export const GroupRow = z.object({
  name: z.string(),
  query: z.string(),
  description: z.string(),
  revision: z.number().int(),
  created_by: z.string(),
  created_at: z.number().int(),
  changed_at: z.number().int(),
})
export type GroupRow = z.infer<typeof GroupRow>

export function findGroup(reader: Reader, name: string): Promise<GroupRow | undefined> {
  return reader.first(GroupRow, 'SELECT * FROM device_groups WHERE name = ?', [name])
}

export function listGroups(reader: Reader, after: string, limit: number): Promise<GroupRow[]> {
  return reader.all(GroupRow, 'SELECT * FROM device_groups WHERE name > ? ORDER BY name LIMIT ?', [after, limit])
}

/** The devices in a group now, in order of id; undefined where there is no such group. */
export async function membersOfGroup(
  reader: Reader,
  name: string,
): Promise<{ group: GroupRow; devices: DeviceRow[] } | undefined> {
  const group = await findGroup(reader, name)
  return group && { group, devices: await devicesMatching(reader, queryOf(group)) }
}

/** The query of a group that is stored: it was parsed before it was. */
export function queryOf(group: GroupRow): Query {
  const parsed = parseQuery(group.query)
  if (!parsed.ok) throw new Error(`group ${group.name} has a query that cannot be read: ${parsed.message}`)
  return parsed.query
}

export type GroupEdit = { name: string; query: string; description: string; by: string }

/** Rows affected 0: there is one of this name. */
export const insertGroup = (group: GroupEdit, nowMs: number): Statement => ({
  sql: `INSERT INTO device_groups (name, query, description, created_by, created_at, changed_at)
        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  args: [group.name, group.query, group.description, group.by, nowMs, nowMs],
})

/** Rows affected 0: it has another revision than the one given, or is not there. */
export const updateGroup = (group: GroupEdit, revision: number, nowMs: number): Statement => ({
  sql: `UPDATE device_groups SET query = ?, description = ?, changed_at = ?, revision = revision + 1
        WHERE name = ? AND revision = ?`,
  args: [group.query, group.description, nowMs, group.name, revision],
})

export const deleteGroup = (name: string): Statement => ({
  sql: 'DELETE FROM device_groups WHERE name = ?',
  args: [name],
})
