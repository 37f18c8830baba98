// A version whose runtime dies now and then, each time started anew by the device: no probation and no error rate sees it.

import { describe, expect, test } from 'vitest'
import { deathsThatCount } from '../../../hub/rollouts/deaths.ts'
import { failureDetails } from '../../../hub/rollouts/failure-details.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { membersOf, rolloutById, stagesOf } from '../../../hub/rollouts/store.ts'
import { eventStatement } from '../../../hub/telemetry/records.ts'
import { aFleet, aPlan, type TestFleet } from './a-fleet.ts'

const ops = { actor: 'token:ops' }
const hourMs = 3_600_000
const wanted = (over: Partial<WrittenPlan> = {}) => ({
  model: 'vibration',
  version: 2,
  group: 'all',
  supersede: false,
  plan: aPlan({
    stages: [
      { name: 'canary', where: 'site = north', bakeMs: 24 * hourMs },
      { name: 'all', percent: 100, bakeMs: 1_000 },
    ],
    gates: [{ metric: 'installation', failuresMax: 0 }],
    stageTimeLimitMs: 72 * hourMs,
    ...over,
  }),
})

/** @param version what ran when it died */
const die = (
  { hub, clock, digests }: TestFleet,
  device: string,
  version: number,
  manifests = [digests[version] ?? ''],
) =>
  hub.database.write([
    eventStatement(
      device,
      { kind: 'event', event: 'runtime_died', at: clock.nowMs, detail: 'crash: out of memory', manifests },
      clock.nowMs,
    ),
  ])

async function look(fleet: TestFleet, passedMs = 1_000): Promise<void> {
  fleet.clock.nowMs += passedMs
  await fleet.engine().look()
}

/** Four devices, the canaries d-000 and d-002 on the new version. */
async function begun(fleet: TestFleet, over: Partial<WrittenPlan> = {}): Promise<string> {
  await fleet.obey()
  fleet.clock.nowMs += 1_000
  const { id } = await fleet.engine().start(wanted(over), ops)
  await look(fleet)
  await fleet.obey()
  await look(fleet)
  await look(fleet)
  expect((await stagesOf(fleet.hub.database, id))[0]?.state).toBe('baking')
  return id
}
const stateOf = async (fleet: TestFleet, id: string) => (await rolloutById(fleet.hub.database, id))?.state
const reasonOf = async (fleet: TestFleet, id: string) => (await rolloutById(fleet.hub.database, id))?.reason
const memberOf = async (fleet: TestFleet, id: string, device: string) =>
  (await membersOf(fleet.hub.database, id)).find((member) => member.device === device)

describe('a version that dies again and again', () => {
  test('fails the gate on installations at the third death, hours apart, and is taken back', async () => {
    await using fleet = await aFleet(4)
    const id = await begun(fleet)
    for (let death = 1; death <= 2; death += 1) {
      await die(fleet, 'd-000', 2)
      await look(fleet, 2 * hourMs)
      expect(await stateOf(fleet, id)).toBe('running')
    }
    await die(fleet, 'd-000', 2)
    await look(fleet, 2 * hourMs)
    expect(await stateOf(fleet, id)).toBe('rolling_back')
    expect(await reasonOf(fleet, id)).toContain('1 of 2 devices that accepted it saw it die 3 times or more, 0 allowed')
    expect(await memberOf(fleet, id, 'd-000')).toMatchObject({ state: 'failed', reason: 'crash', withdrawn: true })
    const details = await failureDetails(fleet.hub.database, { id, started_at: fleet.clock.nowMs }, fleet.clock.nowMs)
    expect(details.get('d-000')).toBe('it was installed, and died 3 times while it served')
    await fleet.obey()
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('rolled_back')
    expect(await fleet.running()).toEqual({ 1: 4 })
  })

  test('on one flaky device does nothing beyond what failuresMax allows; who resumes after it has seen it', async () => {
    await using fleet = await aFleet(6)
    const id = await begun(fleet, {
      gates: [{ metric: 'installation', failuresMax: 1 }],
      quorum: 0.3,
      onFail: 'pause',
    })
    for (let death = 0; death < 50; death += 1) await die(fleet, 'd-000', 2)
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('running')
    for (let death = 0; death < 3; death += 1) await die(fleet, 'd-002', 2)
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('paused')
    await fleet.engine().operate(id, { operation: 'resume', reason: 'known' }, ops)
    await die(fleet, 'd-002', 2)
    await look(fleet)
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('running')
  })

  test('is seen beside a device that reports deaths by the thousand, of something else', async () => {
    await using fleet = await aFleet(4)
    const id = await begun(fleet)
    for (let death = 0; death < 3; death += 1) await die(fleet, 'd-002', 2)
    const { clock, digests, hub } = fleet
    const flood = Array.from({ length: 1_000 }, () =>
      eventStatement(
        'd-001',
        { kind: 'event', event: 'runtime_died', at: clock.nowMs, detail: 'crash', manifests: [digests[3] ?? ''] },
        clock.nowMs,
      ),
    )
    for (let round = 0; round < 25; round += 1) await hub.database.write(flood)
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('rolling_back')
    expect(await memberOf(fleet, id, 'd-002')).toMatchObject({ state: 'failed', reason: 'crash' })
  })

  test('is not held to account for what died before, elsewhere, or beside it', async () => {
    await using fleet = await aFleet(4)
    for (let death = 0; death < 4; death += 1) await die(fleet, 'd-002', 1)
    const id = await begun(fleet)
    // d-002 was no better before, d-000 runs something else that dies, and an old agent does not say what did
    for (let death = 0; death < 4; death += 1) {
      await die(fleet, 'd-002', 2)
      await die(fleet, 'd-000', 3)
      await die(fleet, 'd-000', 2, [])
    }
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('running')
    await die(fleet, 'd-002', 2)
    await look(fleet)
    expect(await stateOf(fleet, id)).toBe('rolling_back')
  })
})

describe('deaths that count', () => {
  const member = (device: string, treated: boolean) => ({
    device,
    offered_at: treated ? 1 : null,
    previous: 'old',
    withdrawn: false,
  })
  const members = [
    ...['a', 'b'].map((device) => member(device, true)),
    ...['c', 'd', 'e', 'f'].map((device) => member(device, false)),
  ]
  const died = (device: string, target: number, meanwhile = 0, before = 0) => ({ device, target, meanwhile, before })
  const cases: [string, Parameters<typeof deathsThatCount>[0], string[]][] = [
    ['two are an accident', [died('a', 2)], []],
    ['three are none', [died('a', 3), died('b', 1)], ['a']],
    ['as many as before in a week are nothing new', [died('a', 9, 0, 9)], []],
    ['more than before are', [died('a', 10, 0, 9)], ['a']],
    ['a smaller share of those on the old version excuses nothing', [died('a', 3), died('c', 0, 3)], ['a']],
    ['as large a share of them does', [died('a', 3), died('c', 0, 3), died('d', 0, 4)], []],
    [
      'of those on the old version only what is new to them counts',
      [died('a', 3), died('c', 0, 5, 9), died('d', 0, 5, 5)],
      ['a'],
    ],
    ['a device that is not offered it cannot say that it died there', [died('c', 99)], []],
  ]
  test.each(cases)('%s', (_, deaths, expected) => {
    expect([...deathsThatCount(deaths, members).keys()]).toEqual(expected)
  })
})
