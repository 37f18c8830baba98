// The simulator itself: the same for the same seed, and a fleet that is what it was asked to be.

import { expect, test } from 'vitest'
import { RolloutPlan } from '../../../../hub/rollouts/plan/plan.ts'
import { createFleet, sinceOf } from '../../../../hub/rollouts/simulate/fleet.ts'
import { simulateMany } from '../../../../hub/rollouts/simulate/many.ts'
import { pictureOf } from '../../../../hub/rollouts/simulate/picture.ts'
import { Effect, FleetTraits, hourMs } from '../../../../hub/rollouts/simulate/scenario.ts'
import { proportion, summarise } from '../../../../hub/rollouts/simulate/summary.ts'

const plan = RolloutPlan.parse({
  stages: [
    { name: 'shadow', mode: 'shadow', devices: 3, bake: '2h' },
    { name: 'canary', devices: 6, bake: '4h', hold: true, approvals: 2 },
    { name: 'all', percent: 100, bake: '1h' },
  ],
  gates: [{ metric: 'installation' }, { metric: 'error_rate' }, { metric: 'silence', silentMs: 6 * hourMs }],
  stageTimeLimit: '24h',
})
const batchOf = (devices: number, effect: Partial<Effect> = {}) => ({
  plan,
  traits: FleetTraits.parse({ devices, offline: 0.1 }),
  effect: Effect.parse(effect),
  withThreshold: true,
  seeds: [7, 8, 9, 10],
})

test('the same seeds give the same rollouts, on one thread or three', async () => {
  const batch = batchOf(30, { errorRate: 0.005 })
  const alone = await simulateMany(batch, 1)
  expect(await simulateMany(batch, 3)).toEqual(alone)
})

test('a plan that such a fleet cannot meet is refused with the reason', async () => {
  await expect(simulateMany(batchOf(5), 2)).rejects.toThrow(/stage canary wants 6 devices, and there are only 5/)
})

test('a version that fails everywhere is stopped in shadow, where it answers nobody', async () => {
  const endings = (await simulateMany(batchOf(30, { errorRate: 0.6 }), 1)).map(({ roost }) => roost)
  const { stopped, exposed, endedIn, failedGates } = summarise(endings, 'all')
  expect({ stopped: stopped.count, exposed: exposed.max }).toEqual({ stopped: 4, exposed: 0 })
  expect({ endedIn, failedGates }).toEqual({ endedIn: { shadow: 4 }, failedGates: { error_rate: 4 } })
})

test('the fleet has the rates, the share away and the effect that it was given', () => {
  const traits = FleetTraits.parse({ devices: 400, errorRate: 0.05, offline: 0.3, offlineHours: 2, latencyUs: 3_000 })
  const startMs = Date.UTC(2026, 0, 5)
  const options = { seed: 3, startMs, keepsBlocks: false }
  const fleet = createFleet(traits, Effect.parse({ errorRate: 0.1, latencyRatio: 2 }), options)
  const rate = (of: typeof sinceOf) => {
    const counts = fleet.devices.map(of).filter((one) => one !== null)
    const sum = (value: (one: (typeof counts)[number]) => number) => counts.reduce((all, one) => all + value(one), 0)
    const inferences = sum(({ ok, error }) => ok + error)
    return { errors: sum(({ error }) => error) / inferences, meanUs: sum((one) => one.latency.sumUs) / inferences }
  }
  const before = rate(({ past }) => past)
  expect(before.errors).toBeGreaterThan(0.045)
  expect(before.errors).toBeLessThan(0.055)
  let away = 0
  for (const device of fleet.devices) device.runs = 'new'
  for (let hour = 1; hour <= 200; hour++) {
    fleet.advance(startMs + hour * hourMs)
    away += fleet.devices.filter(({ online }) => !online).length
  }
  expect(away / 200 / 400).toBeGreaterThan(0.27)
  expect(away / 200 / 400).toBeLessThan(0.33)
  const since = rate(sinceOf)
  expect(since.errors - before.errors).toBeGreaterThan(0.09)
  expect(since.errors - before.errors).toBeLessThan(0.11)
  expect(since.meanUs / before.meanUs).toBeGreaterThan(1.9)
  expect(since.meanUs / before.meanUs).toBeLessThan(2.1)
})

test('intervals of shares as tables have them, and never outside of 0 to 1', () => {
  // 81 of 263: 0.2553 to 0.3662 (Newcombe 1998, Statist. Med. 17: 857-872, table I, method 3)
  expect(proportion(81, 263).low).toBeCloseTo(0.2553, 4)
  expect(proportion(81, 263).high).toBeCloseTo(0.3662, 4)
  expect(proportion(0, 20)).toMatchObject({ low: 0 })
  expect(proportion(20, 20)).toMatchObject({ high: 1 })
})

test('what is written into a picture cannot be more than text', () => {
  const ending = { state: 'completed', pausedBy: null, stage: null, hours: 3, exposed: 2, failed: [] } as const
  const picture = pictureOf('<script>&"', [{ name: '<b>', endings: [ending] }], 10)
  expect(picture).not.toMatch(/<script>|<b>/)
  expect(picture.match(/<circle/g)).toHaveLength(1)
})
