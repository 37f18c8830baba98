// A device that is ahead of its hub, as after a restore: the hub goes past it, and no further than it must.

import { verifyAssignment } from '@roost/shared/trust/assignment.ts'
import { expect, test } from 'vitest'
import { differentWishStatements } from '../../../hub/fleet/ahead.ts'
import { findDevice } from '../../../hub/fleet/devices.ts'
import { until } from './a-broker.ts'
import { aFleet, aFleetHub, anEnrolledDevice, aSpeakingDevice } from './a-fleet.ts'

test.each([
  ['ahead by far', 4_000_000_000, 4_000_000_001],
  ['ahead by one', 2, 3],
  ['where the hub is', 1, 1],
  ['behind', 0, 1],
  ['ahead of what any hub has said', 2 ** 32 + 1, 1],
  ['that leaves one generation after it', Number.MAX_SAFE_INTEGER - 1, 1],
  ['ahead of all that can be said', Number.MAX_SAFE_INTEGER, 1],
])('a device %s', async (_, reported, expected) => {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
  const { nonce } = await device.hello({ generation: reported })
  await until(() => device.assigns.length === 1)
  const bytes = device.assigns[0]?.assignment ?? new Uint8Array()
  const known = { device: 'd-1', nonce, generation: 0, contentDigest: undefined }
  expect(verifyAssignment(bytes, hub.keys.root, known).generation).toBe(expected)
})

test('a wish that is refused for having the number of another gets the next number; other refusals change nothing', async () => {
  const hub = await aFleetHub()
  await anEnrolledDevice(hub, 'd-1')
  const refused = (code: string) =>
    differentWishStatements('d-1', { kind: 'event', event: 'refused', at: 1, code, detail: 'why' })
  await hub.database.write([...refused('generation-old'), ...refused('nonce')])
  expect((await findDevice(hub.database, 'd-1'))?.generation).toBe(1)
  await hub.database.write(refused('generation-content'))
  expect((await findDevice(hub.database, 'd-1'))?.generation).toBe(2)
})
