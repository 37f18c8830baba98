import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { desiredOf, storeWishes } from '../../../hub/fleet/desired.ts'
import { Problem } from '../../../hub/problem.ts'
import { createRollouts } from '../../../hub/rollouts/engine.ts'
import { type NewRollout, type RolloutPlan, reachOf } from '../../../hub/rollouts/plan/plan.ts'
import { decisionsOf, membersOf, rolloutById, stagesOf, unsettledRollouts } from '../../../hub/rollouts/store.ts'
import { aFleet, aPlan, type TestFleet } from './a-fleet.ts'

const wanted = (version: number, over: object = {}) => ({
  model: 'vibration',
  version,
  group: 'all',
  plan: aPlan(),
  supersede: false,
  ...over,
})

/** Looks, lets the devices act and report, and moves the clock, `rounds` times; every look by an engine made anew. */
async function run(
  fleet: TestFleet,
  rounds: number,
  options: { state?: Parameters<TestFleet['obey']>[0]; report?: Parameters<TestFleet['report']>[0] } = {},
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await fleet.engine().look()
    await fleet.obey(options.state)
    await fleet.report(options.report)
    fleet.clock.nowMs += 1_000
  }
}

const stateOf = async (fleet: TestFleet, id: string) => (await rolloutById(fleet.hub.database, id))?.state

async function refusalOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Problem)) throw new Error(`expected a problem, got ${String(error)}`)
  return error.code
}

describe('rollout engine', () => {
  test('a good version reaches the canary, then everybody, and each decision can be read afterwards', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    expect(fleet.pushed).toHaveLength(2)
    await run(fleet, 4)
    expect(await fleet.running()).toEqual({ 1: 8, 2: 2 })
    await run(fleet, 20)
    expect(await stateOf(fleet, id)).toBe('completed')
    expect(await fleet.running()).toEqual({ 2: 10 })
    const decisions = await decisionsOf(fleet.hub.database, id)
    expect(decisions[0]).toMatchObject({ actor: 'token:ops', action: 'started' })
    const passed = decisions.filter(({ detail }) => JSON.stringify(detail).includes('"passed"'))
    expect(passed).toHaveLength(2)
    expect(JSON.stringify(passed[0]?.detail)).toMatch(/error rate .* where \+1 % is allowed/)
  })

  test('a version with more errors is stopped at the canary and taken back, and nobody else ever had it', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    const exposed = new Set<number>()
    for (let round = 0; round < 15; round += 1) {
      await run(fleet, 1, { report: (_, version) => ({ ok: 180, error: version === 2 ? 20 : 0 }) })
      exposed.add((await fleet.running())[2] ?? 0)
    }
    expect(await stateOf(fleet, id)).toBe('rolled_back')
    expect(Math.max(...exposed)).toBe(2)
    expect(await fleet.running()).toEqual({ 1: 10 })
    const members = await membersOf(fleet.hub.database, id)
    expect(members.filter(({ offered_at }) => offered_at !== null)).toHaveLength(2)
    expect((await stagesOf(fleet.hub.database, id)).map(({ state }) => state)).toEqual(['failed', 'pending'])
  })

  test('a canary device that takes the version back fails the installation gate', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(3), { actor: 'token:ops' })
    await run(fleet, 10, { state: (_, manifest) => (manifest.startsWith('3') ? 'failed' : 'succeeded') })
    expect(await stateOf(fleet, id)).toBe('rolled_back')
    expect(await fleet.running()).toEqual({ 1: 10 })
  })

  test.each([
    { what: 'a stage', stage: 'all', told: 8 },
    { what: 'everything', stage: undefined, told: 10 },
  ])('who rolls back $what by hand has every device of it told at once', async ({ stage, told }) => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const stages = [
      { name: 'canary', percent: 20, bakeMs: 1_000 },
      { name: 'all', percent: 100, bakeMs: 300_000 },
    ]
    const { id } = await fleet.engine().start(wanted(2, { plan: aPlan({ stages }) }), { actor: 'token:ops' })
    await run(fleet, 20)
    expect(await fleet.running()).toEqual({ 2: 10 })
    fleet.pushed.length = 0
    await fleet.engine().operate(id, { operation: 'rollback', reason: '', stage }, { actor: 'token:ops' })
    expect(new Set(fleet.pushed).size).toBe(told)
  })

  test('a rollout that ended is looked at no more, until one of its devices says something else', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    await run(fleet, 24)
    expect(await stateOf(fleet, id)).toBe('completed')
    const unsettled = () => unsettledRollouts(fleet.hub.database, ['completed'], 0)
    expect(await unsettled()).toEqual([])
    await fleet.obey((device) => (device === 'd-003' ? 'rolled_back' : 'succeeded'))
    expect(await unsettled()).toEqual([id])
    await fleet.engine().look()
    const members = await membersOf(fleet.hub.database, id)
    expect(members.find(({ device }) => device === 'd-003')?.state).toBe('rolled_back')
    expect(await unsettled()).toEqual([])
  })

  test('a device that takes too long has timed out until it comes to an end, and an abort takes it back', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const gates: RolloutPlan['gates'] = [{ metric: 'installation', failuresMax: 5 }]
    const { id } = await fleet
      .engine()
      .start(wanted(2, { plan: aPlan({ gates, concurrency: 2 }) }), { actor: 'token:ops' })
    const canaries = async () =>
      (await membersOf(fleet.hub.database, id)).filter(({ stage }) => stage === 0).map(({ state }) => state)
    await fleet.obey((_, manifest) => (manifest.startsWith('2') ? 'downloading' : 'succeeded'))
    fleet.clock.nowMs += 61_000
    for (let look = 0; look < 4; look += 1) {
      await fleet.engine().look()
      expect(await canaries()).toEqual(['timed_out', 'timed_out'])
    }
    await fleet.engine().operate(id, { operation: 'abort', reason: '' }, { actor: 'token:ops' })
    expect(await canaries()).toEqual(['timed_out', 'timed_out'])
    await fleet.obey()
    expect(await fleet.running()).toEqual({ 1: 10 })
  })

  test('an abort undoes nothing that others have wanted on a device since', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    const { database } = fleet.hub
    const [canary] = await membersOf(database, id)
    const device = canary?.device ?? ''
    const wish = { device, deployment: 'vibration', manifest: fleet.digests[3] ?? '', by: 'token:ops' }
    await storeWishes(database, [wish], fleet.clock.nowMs)
    await fleet.engine().operate(id, { operation: 'abort', reason: '' }, { actor: 'token:ops' })
    expect((await membersOf(database, id)).find((member) => member.device === device)?.state).toBe('cancelled')
    expect((await desiredOf(database, device))[0]?.manifest).toBe(fleet.digests[3])
  })

  test('a pause withdraws what is staged, also from a device that is away, and resume offers it again', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    await fleet.obey((_, manifest) => (manifest.startsWith('2') ? 'staged' : 'succeeded'))
    const [canary] = (await membersOf(fleet.hub.database, id)).map(({ device }) => device)
    if (canary !== undefined) fleet.online.delete(canary)
    await fleet.engine().look()
    await fleet.engine().operate(id, { operation: 'pause', reason: 'lunch' }, { actor: 'token:ops' })
    expect(await stateOf(fleet, id)).toBe('paused')
    if (canary !== undefined) fleet.online.add(canary)
    await run(fleet, 5)
    expect(await fleet.running()).toEqual({ 1: 10 })
    expect(
      await fleet.engine().operate(id, { operation: 'pause', reason: 'again' }, { actor: 'token:ops' }),
    ).toMatchObject({ state: 'paused' })
    await fleet.engine().operate(id, { operation: 'resume', reason: 'back' }, { actor: 'token:ops' })
    await run(fleet, 25)
    expect(await stateOf(fleet, id)).toBe('completed')
    const attempts = (await membersOf(fleet.hub.database, id)).map(({ attempt }) => attempt)
    expect(Math.max(...attempts)).toBe(2)
  })

  test('devices that are away all the time get the version when they return', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    fleet.online.delete('d-003')
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    await run(fleet, 25)
    expect(await stateOf(fleet, id)).toBe('completed')
    expect(await fleet.running()).toEqual({ 1: 1, 2: 9 })
    fleet.online.add('d-003')
    await run(fleet, 2)
    expect(await fleet.running()).toEqual({ 2: 10 })
    const late = (await membersOf(fleet.hub.database, id)).find(({ device }) => device === 'd-003')
    expect(late?.state).toBe('succeeded')
  })

  test.each([false, true])(
    'with a maintenance window they wait for it, also after the end, and get what was wanted last (taken over: %s)',
    async (takenOver) => {
      await using fleet = await aFleet(10)
      await fleet.obey()
      fleet.online.delete('d-003')
      // 08:00 UTC by the fleet's clock
      const plan = aPlan({ window: { from: '07:00', to: '09:00' } })
      const { id } = await fleet.engine().start(wanted(2, { plan }), { actor: 'token:ops' })
      await run(fleet, 25)
      expect(await rolloutById(fleet.hub.database, id)).toMatchObject({
        state: 'completed',
        reason: expect.stringContaining('away, and to get it on return, within the maintenance window: d-003'),
      })
      if (takenOver) {
        await fleet.engine().start(wanted(3, { plan }), { actor: 'token:ops' })
        await run(fleet, 25)
      }
      const theirs = takenOver ? 3 : 2
      fleet.clock.nowMs += 2 * 3_600_000
      fleet.online.add('d-003')
      await run(fleet, 3)
      expect(await fleet.running()).toEqual({ 1: 1, [theirs]: 9 })
      fleet.clock.nowMs += 21.5 * 3_600_000
      await run(fleet, 4)
      expect(await fleet.running()).toEqual({ [theirs]: 10 })
      const first = (await membersOf(fleet.hub.database, id)).find(({ device }) => device === 'd-003')
      expect(first?.state).toBe(takenOver ? 'superseded' : 'succeeded')
    },
  )

  test('whoever may not touch the model that runs in a deployment, or that is on its way there, replaces neither', async () => {
    await using fleet = await aFleet(4)
    const mayTouch = (model: string) => {
      throw new Problem(403, 'model-not-granted', 'Not allowed', `this token is not for ${model}`)
    }
    const restricted = { actor: 'token:other', mayTouch }
    const start = (over: Partial<NewRollout>) => refusalOf(fleet.engine().start(wanted(2, over), restricted))
    expect(await start({})).toBe('model-not-granted')
    await fleet.hub.database.write([{ sql: 'DELETE FROM desired' }])
    const { id } = await fleet.engine().start(wanted(2, { deployment: 'line' }), { actor: 'token:ops' })
    await fleet.hub.database.write([{ sql: 'DELETE FROM desired' }])
    expect(await start({ deployment: 'line', supersede: true })).toBe('model-not-granted')
    expect(await stateOf(fleet, id)).toBe('running')
  })

  test('one active rollout for a deployment on a device; a newer one takes over only when told to', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const first = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    expect(await refusalOf(fleet.engine().start(wanted(3), { actor: 'token:ops' }))).toBe('held-by-another')
    const second = await fleet.engine().start(wanted(3, { supersede: true }), { actor: 'token:ops' })
    expect(await stateOf(fleet, first.id)).toBe('superseded')
    await run(fleet, 25)
    expect(await stateOf(fleet, second.id)).toBe('completed')
    expect(await fleet.running()).toEqual({ 3: 10 })
  })

  test.each([
    [
      1,
      [
        ['shadow', '1 device', 60],
        ['all', '100 %', 60],
      ],
    ],
    [
      2,
      [
        ['shadow', '2 devices', 60],
        ['canary', '50 %', 60],
        ['all', '100 %', 10],
      ],
    ],
    [
      3,
      [
        ['shadow', '3 devices', 60],
        ['canary', '10 %', 60],
        ['half', '50 %', 60],
        ['all', '100 %', 10],
      ],
    ],
  ] as const)('without a plan a group of %i starts, in as many stages as it has devices for', async (size, stages) => {
    await using fleet = await aFleet(size)
    await fleet.obey()
    const { plan } = await fleet.engine().start(wanted(2, { plan: undefined }), { actor: 'token:ops' })
    expect(plan.stages.map((stage) => [stage.name, reachOf(stage), stage.bakeMs / 60_000])).toEqual(stages)
  })

  test.each<[string, object, string]>([
    ['a group that does not exist', { group: 'nobody' }, 'not-found'],
    ['a version that does not exist', { version: 9 }, 'not-found'],
    [
      'a stage that would be empty',
      {
        plan: aPlan({
          stages: [
            { name: 'a', percent: 10, bakeMs: 0 },
            { name: 'b', percent: 10.5, bakeMs: 0 },
            { name: 'c', percent: 100, bakeMs: 0 },
          ],
        }),
      },
      'empty-stage',
    ],
  ])('%s is refused', async (_, over, code) => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    expect(await refusalOf(fleet.engine().start(wanted(2, over), { actor: 'token:ops' }))).toBe(code)
    expect(await fleet.running()).toEqual({ 1: 4 })
  })

  test('a roll-back of a rollout that superseded another goes back to what was proven, not to what that one brought', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const plan = aPlan({ stages: [{ name: 'all', percent: 100, bakeMs: 0 }] })
    await fleet.engine().start(wanted(2, { plan }), { actor: 'token:ops' })
    const { id } = await fleet.engine().start(wanted(3, { plan, supersede: true }), { actor: 'token:ops' })
    await run(fleet, 10, { state: (_, manifest) => (manifest.startsWith('3') ? 'failed' : 'succeeded') })
    expect(await stateOf(fleet, id)).toBe('rolled_back')
    expect(await fleet.running()).toEqual({ 1: 10 })
  })

  test('a rollout that is stored has started, also where nobody can be told at once', async () => {
    await using fleet = await aFleet(10)
    await fleet.obey()
    const isConnected = (device: string) => fleet.online.has(device)
    const push = () => {
      throw new Error('the broker is not there')
    }
    const mute = createRollouts(fleet.hub, { isConnected, push })
    const { id } = await mute.start(wanted(2), { actor: 'token:ops' })
    expect(await stateOf(fleet, id)).toBe('running')
    const second = await mute.start(wanted(3, { supersede: true }), { actor: 'token:ops' })
    expect(await stateOf(fleet, id)).toBe('superseded')
    expect(
      await mute.operate(second.id, { operation: 'pause', reason: 'lunch' }, { actor: 'token:ops' }),
    ).toMatchObject({ state: 'paused' })
    await fleet.engine().operate(second.id, { operation: 'resume', reason: 'back' }, { actor: 'token:ops' })
    await run(fleet, 25)
    expect(await stateOf(fleet, second.id)).toBe('completed')
  })

  test('while what devices reported before is still being added up, all others get their turn, and not all devices are looked at each second', async () => {
    await using fleet = await aFleet(100)
    await fleet.obey()
    let asked = 0
    const isConnected = () => {
      asked += 1
      return true
    }
    const engine = createRollouts(fleet.hub, { isConnected, push: () => undefined })
    const plan = aPlan({ installTimeoutMs: 600_000 })
    await engine.start(wanted(2, { plan }), { actor: 'token:ops' })
    /** Looks; how many devices were looked at, of how many the past is known, and what turns others had meanwhile. */
    const look = async (afterMs: number) => {
      fleet.clock.nowMs += afterMs
      asked = 0
      let turns = 0
      const turn = (): void => {
        turns += 1
        next = setImmediate(turn)
      }
      let next = setImmediate(turn)
      await engine.look()
      clearImmediate(next)
      const [row] = await fleet.hub.database.all(
        z.object({ pasts: z.number() }),
        'SELECT count(past) AS pasts FROM rollout_tallies',
      )
      return { asked, pasts: row?.pasts, turns }
    }
    expect(await look(30_000)).toMatchObject({ asked: 100, pasts: 40 })
    const reading = await look(1_000)
    expect(reading).toMatchObject({ asked: 0, pasts: 80 })
    expect(reading.turns).toBeGreaterThanOrEqual(19)
    // now all is known, which may decide something
    expect(await look(1_000)).toMatchObject({ asked: 100, pasts: 100 })
    expect(await look(1_000)).toMatchObject({ asked: 0, pasts: 100 })
  })

  test('an operation that the state does not allow is refused with a sentence', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    await fleet.engine().operate(id, { operation: 'abort', reason: 'enough' }, { actor: 'token:ops' })
    expect(
      await refusalOf(fleet.engine().operate(id, { operation: 'resume', reason: '' }, { actor: 'token:ops' })),
    ).toBe('rollout-state')
    await expect(
      fleet.engine().operate(id, { operation: 'pause', reason: '' }, { actor: 'token:ops' }),
    ).rejects.toThrow('a rollout that is aborted cannot be paused, only one that is running')
    await run(fleet, 3)
    expect(await fleet.running()).toEqual({ 1: 4 })
  })

  test('a roll-back of a rollout that has completed is refused, saying how to go back', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(2), { actor: 'token:ops' })
    await run(fleet, 24)
    await expect(
      fleet.engine().operate(id, { operation: 'rollback', reason: '' }, { actor: 'token:ops' }),
    ).rejects.toThrow(
      'a rollout that is completed cannot be rolled back; to go back, start a rollout of the version that ran before',
    )
  })
})
