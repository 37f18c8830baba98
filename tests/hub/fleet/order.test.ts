// Devices in an order that one chooses: pages join without a gap or a repetition, also backwards.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type DeviceState, deviceStates } from '../../../hub/fleet/device-state.ts'
import { deviceSorts, type Place, pageInOrder, placeOf } from '../../../hub/fleet/order.ts'
import type { RosterRow } from '../../../hub/fleet/roster.ts'

const seed = 20_261_126
const row = (id: string, last_seen_at: number | null): RosterRow => ({
  id,
  labels: {},
  profile: 'p',
  last_seen_at,
  stale: false,
  aside_until: null,
  revoked_at: null,
})
const device = fc.record({
  id: fc.string({ minLength: 1, maxLength: 3, unit: fc.constantFrom('a', 'b', '-', '0') }),
  seen: fc.nat(3),
  state: fc.constantFrom(...deviceStates),
})

test('pages of any length are the whole, once, and the other way round its reverse', () => {
  const devices = fc.uniqueArray(device, { selector: ({ id }) => id, maxLength: 30 })
  fc.assert(
    fc.property(devices, fc.constantFrom(...deviceSorts), fc.integer({ min: 1, max: 7 }), (given, sort, limit) => {
      const rows = given.map(({ id, seen, state }) => ({ id, place: placeOf(row(id, seen), state, sort) }))
      const whole = (descending: boolean) => {
        const ids: string[] = []
        for (let after: Place | undefined; ; ) {
          const page = pageInOrder(rows, { descending }, after, limit)
          ids.push(...page.map(({ id }) => id))
          after = page.at(-1)?.place
          if (after === undefined || page.length < limit) return ids
        }
      }
      expect([...whole(false)].sort()).toEqual(given.map(({ id }) => id).sort())
      expect(whole(true)).toEqual(whole(false).reverse())
    }),
    { seed },
  )
})

test('by last seen: the longest away, who went later, who is there, who never was; by state the worst first', () => {
  const states: [string, number | null, DeviceState][] = [
    ['never', null, 'waiting'],
    ['here', 50, 'connected'],
    ['late', 90, 'offline'],
    ['early', 10, 'offline'],
    ['old', 5, 'stale'],
  ]
  const order = (sort: (typeof deviceSorts)[number]) =>
    pageInOrder(
      states.map(([id, seen, state]) => ({ id, place: placeOf(row(id, seen), state, sort) })),
      { descending: false },
      undefined,
      9,
    ).map(({ id }) => id)
  expect(order('lastSeenAt')).toEqual(['early', 'late', 'here', 'old', 'never'])
  expect(order('state')).toEqual(['early', 'late', 'old', 'never', 'here'])
})
