// What happens around a rollout while it runs: devices that come, go and fail, clocks that jump, rows that cannot be read.

import { pino } from 'pino'
import { Registry } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { retryWish } from '../../../hub/fleet/desired.ts'
import { findDevice, revokeDevice } from '../../../hub/fleet/devices.ts'
import { progressStatements } from '../../../hub/fleet/progress.ts'
import { createRollouts } from '../../../hub/rollouts/engine.ts'
import { runRollouts } from '../../../hub/rollouts/looks.ts'
import { addRolloutMetrics } from '../../../hub/rollouts/metrics.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { membersOf, rolloutById, stagesOf } from '../../../hub/rollouts/store.ts'
import { aFleet, aPlan, type TestFleet } from './a-fleet.ts'

const ops = { actor: 'token:ops' }
const byInstallation = (over: Partial<WrittenPlan> = {}) =>
  aPlan({
    stages: [
      { name: 'canary', where: 'site = north', bakeMs: 3_000 },
      { name: 'all', percent: 100, bakeMs: 3_000 },
    ],
    gates: [{ metric: 'installation', failuresMax: 9 }],
    quorum: 0.5,
    ...over,
  })
const wanted = (plan = byInstallation(), over: object = {}) => ({
  model: 'vibration',
  version: 2,
  group: 'all',
  plan,
  supersede: false,
  ...over,
})

async function go(fleet: TestFleet, rounds: number, state?: Parameters<TestFleet['obey']>[0]): Promise<void> {
  const engine = fleet.engine()
  for (let round = 0; round < rounds; round += 1) {
    await engine.look()
    await fleet.obey(state)
    fleet.clock.nowMs += 1_000
  }
}

const stateOf = async (fleet: TestFleet, id: string) => (await rolloutById(fleet.hub.database, id))?.state
const memberOf = async (fleet: TestFleet, id: string, device: string) =>
  (await membersOf(fleet.hub.database, id)).find((member) => member.device === device)
const Wish = z.object({ role: z.string(), manifest: z.string(), sample: z.number().nullable() })
const wishesOf = (fleet: TestFleet, device: string) =>
  fleet.hub.database.all(Wish, 'SELECT role, manifest, sample FROM desired WHERE device = ? ORDER BY role', [device])

/** A device as `aFleet` makes them, later. */
const enrol = ({ hub, online }: TestFleet, device: string, labels: Record<string, string>) => {
  online.add(device)
  return hub.database.write([
    {
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES (?, ?, 'generic-x64', ?, ?, ?, 'c', 0)`,
      args: [device, JSON.stringify(labels), Buffer.from(device), new Uint8Array(32), new Uint8Array(32)],
    },
  ])
}

test('a rollout whose stored plan cannot be read stops no other, and is said once', async () => {
  await using fleet = await aFleet(4)
  await fleet.obey()
  const { id } = await fleet.engine().start(wanted(byInstallation(), { deployment: 'other' }), ops)
  const good = await fleet.engine().start(wanted(), ops)
  await fleet.hub.database.write([{ sql: `UPDATE rollouts SET plan = '{"stages":7}' WHERE id = ?`, args: [id] }])
  const said: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => void said.push(line) })
  const engine = createRollouts(
    { ...fleet.hub, log },
    { isConnected: (device) => fleet.online.has(device), push: () => undefined },
  )
  for (let round = 0; round < 14; round += 1) {
    await engine.look()
    await fleet.obey()
    fleet.clock.nowMs += 1_000
  }
  expect(await stateOf(fleet, good.id)).toBe('completed')
  expect(said).toHaveLength(1)
  expect(said[0]).toContain(id)
})

test('a look that fails altogether is repeated, and ends nothing', async () => {
  await using fleet = await aFleet(1)
  const stop = new AbortController()
  let looks = 0
  const look = () => {
    looks += 1
    if (looks === 2) stop.abort()
    return Promise.reject(new Error('the database is away'))
  }
  const engine = { ...fleet.engine(), look }
  await runRollouts({ stopping: stop.signal, log: fleet.hub.log }, engine)
  expect(looks).toBe(2)
})

describe('a device that fails three times, whatever the versions', () => {
  const report = (fleet: TestFleet, manifest: string, attempt: number, state: 'failed' | 'succeeded') =>
    fleet.hub.database.write(
      progressStatements(
        'd-000',
        {
          kind: 'event',
          event: 'progress',
          at: 0,
          deployment: 'vibration',
          manifest,
          attempt,
          generation: 1,
          state,
          ...(state === 'failed' ? { reason: 'crash' as const } : {}),
        },
        fleet.clock.nowMs,
      ),
    )
  const asideOf = async (fleet: TestFleet) => (await findDevice(fleet.hub.database, 'd-000'))?.aside_until ?? null

  test('is put aside for a day: no rollout offers it anything; a success in between begins anew; twice told is once', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    const [two = '', three = ''] = [fleet.digests[2], fleet.digests[3]]
    await report(fleet, two, 1, 'failed')
    await report(fleet, two, 1, 'failed')
    await report(fleet, three, 1, 'failed')
    expect(await asideOf(fleet)).toBeNull()
    await report(fleet, two, 2, 'succeeded')
    await report(fleet, three, 2, 'failed')
    await report(fleet, two, 3, 'failed')
    expect(await asideOf(fleet)).toBeNull()
    await report(fleet, three, 3, 'failed')
    expect(await asideOf(fleet)).toBe(fleet.clock.nowMs + 86_400_000)
    const { id } = await fleet.engine().start(wanted(), ops)
    // those put aside are in the last stage, whatever a stage's query says
    expect((await memberOf(fleet, id, 'd-000'))?.stage).toBe(1)
    await go(fleet, 14)
    expect(await stateOf(fleet, id)).toBe('completed')
    expect(await memberOf(fleet, id, 'd-000')).toMatchObject({ state: 'planned', offered_at: null })
    await retryWish(fleet.hub.database, { device: 'd-000', deployment: 'vibration', by: 'token:ops' }, 0)
    expect(await asideOf(fleet)).toBeNull()
  })

  test('is offered it once somebody says to try again', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    for (const attempt of [1, 2, 3]) await report(fleet, fleet.digests[3] ?? '', attempt, 'failed')
    const stages = [
      { name: 'canary', where: 'site = north', bakeMs: 3_000 },
      { name: 'all', percent: 100, bakeMs: 60_000 },
    ]
    const { id } = await fleet.engine().start(wanted(byInstallation({ stages })), ops)
    await go(fleet, 8)
    expect((await memberOf(fleet, id, 'd-000'))?.state).toBe('planned')
    await fleet.engine().operate(id, { operation: 'retry', reason: 'new disk', devices: ['d-000'] }, ops)
    await go(fleet, 3)
    expect((await memberOf(fleet, id, 'd-000'))?.state).toBe('succeeded')
  })
})

describe('membership', () => {
  test('of a rollout that runs is what it was, whatever labels say since; of a dynamic one it grows', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    await fleet.hub.database.write([{ sql: `UPDATE device_groups SET query = 'site = north or site = south'` }])
    for (const dynamic of [false, true]) {
      const version = dynamic ? 3 : 2
      const { id } = await fleet.engine().start(wanted(byInstallation({ dynamic }), { version }), ops)
      const device = `late-${dynamic}`
      await enrol(fleet, device, { site: 'north' })
      await enrol(fleet, `else-${dynamic}`, { site: 'east' })
      await go(fleet, 45)
      expect(await stateOf(fleet, id)).toBe(dynamic ? 'running' : 'completed')
      const joined = await memberOf(fleet, id, device)
      expect(joined?.state).toBe(dynamic ? 'succeeded' : undefined)
      expect(await memberOf(fleet, id, `else-${dynamic}`)).toBeUndefined()
      if (!dynamic) continue
      expect(joined).toMatchObject({ stage: 1, attempt: 1, previous: null })
      // from east to south: in it now
      await fleet.hub.database.write([{ sql: `UPDATE devices SET labels = '{"site":"south"}' WHERE id = 'else-true'` }])
      await go(fleet, 35)
      expect((await memberOf(fleet, id, 'else-true'))?.state).toBe('succeeded')
      await fleet.engine().operate(id, { operation: 'advance', reason: 'enough', stage: 'all' }, ops)
      await go(fleet, 2)
      expect(await stateOf(fleet, id)).toBe('completed')
    }
  })

  test('a device that is revoked while it is at it is no failure and holds nobody up', async () => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    const { id } = await fleet.engine().start(wanted(byInstallation({ quorum: 1 })), ops)
    await fleet.engine().look()
    await fleet.hub.database.write([revokeDevice('d-000', fleet.clock.nowMs)])
    fleet.online.delete('d-000')
    await go(fleet, 14)
    expect(await stateOf(fleet, id)).toBe('completed')
    expect((await memberOf(fleet, id, 'd-000'))?.state).toBe('cancelled')
  })
})

test('a shadow is wanted beside what serves; when it begins to serve both change in one generation', async () => {
  await using fleet = await aFleet(4)
  await fleet.obey()
  const stages: WrittenPlan['stages'] = [
    { name: 'beside', mode: 'shadow', where: 'site = north', shadowSample: 0.25, bakeMs: 2_000 },
    { name: 'all', percent: 100, bakeMs: 2_000 },
  ]
  const { id } = await fleet.engine().start(wanted(byInstallation({ stages })), ops)
  const [one = '', two = ''] = [fleet.digests[1], fleet.digests[2]]
  expect(await wishesOf(fleet, 'd-000')).toEqual([
    { role: 'primary', manifest: one, sample: null },
    { role: 'shadow', manifest: two, sample: 0.25 },
  ])
  expect(await wishesOf(fleet, 'd-001')).toEqual([{ role: 'primary', manifest: one, sample: null }])
  const generation = async () => (await findDevice(fleet.hub.database, 'd-000'))?.generation ?? 0
  const before = await generation()
  while ((await stagesOf(fleet.hub.database, id))[0]?.state !== 'passed') await go(fleet, 1)
  await go(fleet, 1)
  expect(await wishesOf(fleet, 'd-000')).toEqual([{ role: 'primary', manifest: two, sample: null }])
  expect(await generation()).toBe(before + 1)
  await go(fleet, 8)
  expect(await stateOf(fleet, id)).toBe('completed')
  expect(await fleet.running()).toEqual({ 2: 4 })
})

test('a shadow goes when the rollout is aborted, and what serves stays', async () => {
  await using fleet = await aFleet(4)
  await fleet.obey()
  const stages: WrittenPlan['stages'] = [
    { name: 'beside', mode: 'shadow', where: 'site = north', bakeMs: 90_000 },
    { name: 'all', percent: 100, bakeMs: 2_000 },
  ]
  const { id } = await fleet.engine().start(wanted(byInstallation({ stages })), ops)
  await go(fleet, 2)
  await fleet.engine().operate(id, { operation: 'abort', reason: 'no' }, ops)
  expect((await wishesOf(fleet, 'd-000')).map(({ role }) => role)).toEqual(['primary'])
  expect(await fleet.running()).toEqual({ 1: 4 })
})

test.each([
  ['forward', 3 * 86_400_000],
  ['back', -3 * 86_400_000],
])(
  'a clock that jumps %s neither shortens nor lengthens how long a stage is watched, also over a restart',
  async (_, jumpMs) => {
    await using fleet = await aFleet(4)
    await fleet.obey()
    const started = fleet.clock.nowMs
    let jumped = 0
    const uptime = () => ({ boot: 'b-1', uptimeMs: fleet.clock.nowMs - started - jumped })
    // an engine made anew each time: a hub that was restarted in between
    const engine = () =>
      createRollouts(
        fleet.hub,
        { isConnected: (device) => fleet.online.has(device), push: () => undefined },
        { uptime },
      )
    const stages = [{ name: 'all', percent: 100, bakeMs: 20_000 }]
    const plan = byInstallation({ stages, stageTimeLimitMs: 60_000 })
    const { id } = await engine().start(wanted(plan), ops)
    let passedAfter = 0
    for (let second = 0; second < 60; second += 1) {
      await engine().look()
      await fleet.obey()
      if ((await stateOf(fleet, id)) === 'completed') break
      passedAfter = second
      fleet.clock.nowMs += 1_000
      if (second === 10) {
        fleet.clock.nowMs += jumpMs
        jumped += jumpMs
      }
    }
    expect(await stateOf(fleet, id)).toBe('completed')
    expect(passedAfter).toBeGreaterThanOrEqual(20)
    expect(passedAfter).toBeLessThanOrEqual(24)
  },
)

test('a device that cannot go back is an alarm of its own', async () => {
  await using fleet = await aFleet(4)
  await fleet.obey()
  const metrics = new Registry()
  const engine = createRollouts(
    fleet.hub,
    { isConnected: (device) => fleet.online.has(device), push: () => undefined },
    { alarms: addRolloutMetrics(metrics) },
  )
  const { id } = await engine.start(wanted(), ops)
  await engine.look()
  await fleet.obey((_, manifest) => (manifest.startsWith('2') ? 'failed' : 'succeeded'))
  await fleet.hub.database.write([
    { sql: `UPDATE device_deployments SET reason = 'unable_to_roll_back' WHERE device = 'd-000' AND state = 'failed'` },
  ])
  await engine.look()
  await engine.look()
  expect(await metrics.getSingleMetricAsString('roost_rollout_unable_to_roll_back_total')).toContain('total 1')
  expect((await memberOf(fleet, id, 'd-000'))?.reason).toBe('unable_to_roll_back')
})
