// Which devices are meant: those a label query holds for, in a state. Pure.

import { type DeviceState, deviceState } from './device-state.ts'
import { matches, type Query } from './labels.ts'
import type { RosterRow } from './roster.ts'

/** `state` undefined: any. `revoked`: revoked ones too, which are in no state. */
export type Selection = { query: Query; state?: DeviceState | undefined; revoked?: boolean }

export function selected(
  rows: readonly RosterRow[],
  { query, state, revoked = false }: Selection,
  isConnected: (device: string) => boolean,
  nowMs: number,
): { row: RosterRow; state: DeviceState }[] {
  return rows
    .filter((row) => (row.revoked_at === null || (revoked && state === undefined)) && matches(query, row))
    .map((row) => ({ row, state: stateOf(row, isConnected, nowMs) }))
    .filter((one) => state === undefined || one.state === state)
}

/** The state of a row that is not revoked. */
export const stateOf = (row: RosterRow, isConnected: (device: string) => boolean, nowMs: number): DeviceState =>
  deviceState({
    connected: isConnected(row.id),
    seen: row.last_seen_at !== null,
    stale: row.stale === true,
    aside: row.aside_until !== null && row.aside_until > nowMs,
  })
