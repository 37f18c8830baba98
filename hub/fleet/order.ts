// Devices in order of something else than their name, page by page. Pure.

import type { DeviceState } from './device-state.ts'
import type { RosterRow } from './roster.ts'

export const deviceSorts = ['id', 'lastSeenAt', 'state'] as const
export type DeviceSort = (typeof deviceSorts)[number]

/** Where a device stands: by a number, and among those of the same number by id. */
export type Place = readonly [value: number, id: string]

export type Ordering = { sort: DeviceSort; descending: boolean }

/** Rising, what needs a look comes first. */
const severity: readonly DeviceState[] = ['offline', 'stale', 'aside', 'waiting', 'connected']
/** The last moment of a Date: later than whoever went. */
const now = 8_640_000_000_000_000

/** By last seen, those who are away come first and the longest away before all; then who is there, then who never was. */
export function placeOf(row: RosterRow, state: DeviceState, sort: DeviceSort): Place {
  if (sort === 'id') return [0, row.id]
  if (sort === 'state') return [severity.indexOf(state), row.id]
  if (state === 'waiting') return [now + 1, row.id]
  return [state === 'offline' ? (row.last_seen_at ?? now) : now, row.id]
}

/** Those behind `after` in the order, at most `limit`.
 *  @param after undefined: from the start */
export function pageInOrder<T extends { place: Place }>(
  rows: readonly T[],
  { descending }: Pick<Ordering, 'descending'>,
  after: Place | undefined,
  limit: number,
): T[] {
  const sign = descending ? -1 : 1
  return rows
    .filter(({ place }) => after === undefined || sign * compare(place, after) > 0)
    .sort((a, b) => sign * compare(a.place, b.place))
    .slice(0, limit)
}

function compare([value, id]: Place, [otherValue, otherId]: Place): number {
  if (value !== otherValue) return value - otherValue
  return id < otherId ? -1 : id > otherId ? 1 : 0
}
