// What devices report moves the record forward within an attempt, in whatever order and however often it comes.

import { type ProgressState, progressStates } from '@roost/shared/protocol/progress.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { advances, progressStatements, reportedOf, slotStatements } from '../../../hub/fleet/progress.ts'
import type { Hub } from '../../../hub/hub.ts'
import { aFleetHub, anEnrolledDevice } from './a-fleet.ts'

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string]

const eventOf = (
  manifest: string,
  attempt: number,
  state: ProgressState,
  reason?: 'crash' | 'unable_to_roll_back',
) => ({
  kind: 'event' as const,
  event: 'progress' as const,
  at: 1,
  deployment: 'main',
  manifest,
  generation: 1,
  attempt,
  state,
  ...(reason === undefined ? {} : { reason }),
})

const tell = (hub: Hub, ...event: Parameters<typeof eventOf>) =>
  hub.database.write(progressStatements('d-1', eventOf(...event), hub.clock()))
const stateOf = async (hub: Hub, manifest = a) =>
  (await reportedOf(hub.database, ['d-1'], 'main')).find((row) => row.manifest === manifest)
const runningOf = async (hub: Hub) =>
  (await reportedOf(hub.database, ['d-1'], 'main')).filter(({ running }) => running).map(({ manifest }) => manifest)

describe('within an attempt', () => {
  test.each<[ProgressState, ProgressState, boolean]>([
    ['accepted', 'downloading', true],
    ['downloading', 'accepted', false],
    ['downloading', 'downloading', false],
    ['probation', 'succeeded', true],
    ['probation', 'rolled_back', true],
    ['succeeded', 'probation', false],
    ['succeeded', 'already_current', false],
    ['already_current', 'succeeded', false],
    ['succeeded', 'rolled_back', true],
    ['already_current', 'failed', true],
    ['failed', 'succeeded', false],
    ['failed', 'rolled_back', false],
    ['failed', 'rejected', false],
    ['rolled_back', 'failed', false],
    ['rejected', 'accepted', false],
    ['cancelled', 'downloading', false],
    ['timed_out', 'downloading', true],
    ['timed_out', 'succeeded', true],
    ['timed_out', 'failed', true],
    ['unreachable', 'accepted', true],
    ['timed_out', 'unreachable', false],
  ])('%s then %s: %s', async (current, next, moves) => {
    expect(advances(current, next)).toBe(moves)
    const hub = await aFleetHub()
    await tell(hub, a, 1, current)
    await tell(hub, a, 1, next)
    expect((await stateOf(hub))?.state).toBe(moves ? next : current)
  })

  test('the database moves exactly as the rule says, for every pair of states', async () => {
    const hub = await aFleetHub()
    for (const current of progressStates) {
      for (const next of progressStates) {
        await hub.database.write([{ sql: 'DELETE FROM device_deployments' }])
        await tell(hub, a, 1, current)
        await tell(hub, a, 1, next)
        expect([current, next, (await stateOf(hub))?.state]).toEqual([
          current,
          next,
          advances(current, next) ? next : current,
        ])
      }
    }
  })

  test('repeats change nothing, and no order of the reports of one way leads back', async () => {
    const hub = await aFleetHub()
    const way: ProgressState[] = ['accepted', 'downloading', 'staged', 'activating', 'probation', 'succeeded']
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...way), { minLength: 1, maxLength: 12 }), async (reports) => {
        await hub.database.write([{ sql: 'DELETE FROM device_deployments' }])
        for (const state of reports) await tell(hub, a, 1, state)
        const furthest = reports.toSorted((x, y) => way.indexOf(y) - way.indexOf(x))[0]
        expect((await stateOf(hub))?.state).toBe(furthest)
      }),
      { seed: 20261124, numRuns: 60 },
    )
  })
})

describe('another attempt', () => {
  test('starts anew, and late words of the one before change nothing', async () => {
    const hub = await aFleetHub()
    await tell(hub, a, 1, 'failed', 'crash')
    await tell(hub, a, 2, 'accepted')
    expect(await stateOf(hub)).toMatchObject({ state: 'accepted', attempt: 2, reason: null })
    await tell(hub, a, 1, 'rolled_back')
    expect(await stateOf(hub)).toMatchObject({ state: 'accepted', attempt: 2 })
  })
})

describe('what serves', () => {
  test('is what the device said last, through probation, roll-back and a late failure', async () => {
    let now = 1
    const hub = await aFleetHub({ clock: () => now++ })
    await tell(hub, a, 1, 'succeeded')
    expect(await runningOf(hub)).toEqual([a])
    await tell(hub, b, 1, 'downloading')
    expect(await runningOf(hub)).toEqual([a])
    await tell(hub, b, 1, 'probation')
    expect(await runningOf(hub)).toEqual([b])
    await tell(hub, b, 1, 'rolled_back', 'crash')
    expect(await runningOf(hub)).toEqual([a])
    await tell(hub, c, 1, 'succeeded')
    await tell(hub, c, 1, 'rolled_back', 'crash')
    expect(await runningOf(hub)).toEqual([a])
  })

  test('is nothing where the device could not go back', async () => {
    const hub = await aFleetHub()
    await tell(hub, a, 1, 'succeeded')
    await tell(hub, b, 1, 'probation')
    await tell(hub, b, 1, 'rolled_back', 'unable_to_roll_back')
    expect(await runningOf(hub)).toEqual([])
  })

  test('is not changed by the failure of a bundle that never served', async () => {
    const hub = await aFleetHub()
    await tell(hub, a, 1, 'succeeded')
    await tell(hub, b, 1, 'failed', 'crash')
    expect(await runningOf(hub)).toEqual([a])
  })

  test('stays what a hello said, whatever else fails, also where an older report says otherwise', async () => {
    const hub = await aFleetHub()
    await tell(hub, b, 1, 'succeeded')
    await tell(hub, a, 1, 'failed', 'crash')
    const slot = { deployment: 'main', manifest: a, model: 'm', version: 2, attempt: 1, state: 'succeeded' as const }
    await hub.database.write(slotStatements('d-1', [slot], 2))
    await tell(hub, c, 1, 'failed', 'crash')
    expect(await runningOf(hub)).toEqual([a])
  })

  test('is exactly what a hello says, in every deployment', async () => {
    const hub = await aFleetHub()
    await tell(hub, a, 1, 'succeeded')
    const slot = { deployment: 'main', manifest: b, model: 'm', version: 2, attempt: 1 }
    await hub.database.write(slotStatements('d-1', [{ ...slot, state: 'succeeded' }], 2))
    expect(await runningOf(hub)).toEqual([b])
    await hub.database.write(
      slotStatements(
        'd-1',
        [
          { ...slot, manifest: a, state: 'succeeded' },
          { ...slot, state: 'staged' },
        ],
        3,
      ),
    )
    expect(await runningOf(hub)).toEqual([a])
    await hub.database.write(slotStatements('d-1', [], 4))
    expect(await runningOf(hub)).toEqual([])
  })
})

test('a shadow that a hello tells is known to run beside, whatever the hub had heard of it, and serves nothing', async () => {
  const hub = await aFleetHub()
  await anEnrolledDevice(hub, 'd-1')
  const slot = { deployment: 'main', model: 'm', version: 1, attempt: 1 }
  const hello = (state: ProgressState, attempt = 1) =>
    hub.database.write(
      slotStatements(
        'd-1',
        [
          { ...slot, manifest: a, state: 'succeeded' },
          { ...slot, manifest: b, attempt, state },
        ],
        hub.clock(),
      ),
    )
  await tell(hub, b, 1, 'accepted')
  await hello('shadowing')
  expect(await stateOf(hub, b)).toMatchObject({ state: 'shadowing', running: false })
  expect(await runningOf(hub)).toEqual([a])
  // what an older attempt of it does says nothing of this one, nor does a word that was late
  await tell(hub, b, 2, 'failed', 'crash')
  await hello('shadowing')
  expect(await stateOf(hub, b)).toMatchObject({ attempt: 2, state: 'failed' })
  await hello('shadowing', 3)
  expect(await stateOf(hub, b)).toMatchObject({ attempt: 3, state: 'shadowing', running: false })
})
