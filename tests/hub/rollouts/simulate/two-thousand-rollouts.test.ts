// P11: two thousand simulated rollouts with fixed seeds, by the decisions and gates of real ones. The fleet: 200 uneven
// devices with a day's cycle, each wandering by itself, away a fifth of the time.

import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { RolloutPlan } from '../../../../hub/rollouts/plan/plan.ts'
import { simulateMany } from '../../../../hub/rollouts/simulate/many.ts'
import { Effect, FleetTraits } from '../../../../hub/rollouts/simulate/scenario.ts'
import { type Summary, summarise } from '../../../../hub/rollouts/simulate/summary.ts'

const seed = 20_261_126
const margin = 0.01
const canaries = 10
/** Not what it takes but when it has hung, also where everything else runs beside it. */
const minutes = { timeout: 600_000 }

const plan = RolloutPlan.parse({
  stages: [
    { name: 'canary', devices: canaries, bake: '24h' },
    { name: 'half', percent: 50, bake: '12h' },
    { name: 'all', percent: 100, bake: '1h' },
  ],
  gates: [{ metric: 'installation' }, { metric: 'error_rate', margin }, { metric: 'latency', ratioMax: 1.5 }],
  quorum: 0.5,
  stageTimeLimit: '72h',
})

async function simulated(
  what: string,
  rollouts: number,
  traits: Partial<FleetTraits>,
  effect: Partial<Effect>,
): Promise<Summary> {
  const seeds = Array.from({ length: rollouts }, (_, i) => seed + i)
  const batch = {
    plan,
    traits: FleetTraits.parse({ devices: 200, ...traits }),
    effect: Effect.parse(effect),
    withThreshold: false,
    seeds,
  }
  const endings = await simulateMany(batch, availableParallelism())
  const summary = summarise(
    endings.map(({ roost }) => roost),
    'all',
  )
  const { completed, stopped, stoppedBeforeLast, undecided, exposed } = summary
  console.log(
    `${what}: of ${rollouts} (seed ${seed}) ${completed.count} completed, ${stopped.count} stopped (${stoppedBeforeLast.count} before the last stage), ${undecided.count} undecided, exposed ${exposed.median} (90 %: ${exposed.p90})`,
  )
  return summary
}

const healthy = {
  'nothing wrong': { count: 350, traits: {}, effect: {} },
  'nothing wrong, and a heat wave that hits all': {
    count: 150,
    traits: { shift: { afterHours: 6, errorRate: 0.03 } },
    effect: {},
  },
  'nothing wrong, devices most unlike': { count: 150, traits: { spread: 1.5, offline: 0.4 }, effect: {} },
  'nothing wrong, one device in a hundred lies': { count: 150, traits: { lying: 0.01 }, effect: {} },
  'a better version': { count: 200, traits: {}, effect: { errorRate: -0.005, latencyRatio: 0.9 } },
} satisfies Record<string, { count: number; traits: Partial<FleetTraits>; effect: Partial<Effect> }>

for (const [what, { count, traits, effect }] of Object.entries(healthy)) {
  test(`${what}: at most one rollout in twenty is stopped, and nine in ten complete`, minutes, async () => {
    const { stopped, completed } = await simulated(what, count, traits, effect)
    expect(stopped.high).toBeLessThanOrEqual(0.05)
    // a liar among the canaries stops nothing alone, but may leave a person to decide
    expect(what.includes('lies') ? completed.share : completed.low).toBeGreaterThanOrEqual(0.9)
  })
}

const bad = {
  'errors up by twice the margin': { count: 550, effect: { errorRate: 2 * margin } },
  'twice as slow as before': { count: 250, effect: { latencyRatio: 2 } },
  'does not install on half of the devices': { count: 150, effect: { installFailures: 0.5 } },
} satisfies Record<string, { count: number; effect: Partial<Effect> }>

for (const [what, { count, effect }] of Object.entries(bad)) {
  test(`${what}: nine in ten are caught before the last stage, and only the canaries ran it`, minutes, async () => {
    const { stoppedBeforeLast, exposed } = await simulated(what, count, {}, effect)
    expect(stoppedBeforeLast.low).toBeGreaterThanOrEqual(0.9)
    expect(exposed.p90).toBeLessThanOrEqual(canaries)
  })
}

test('at the margin itself it is seldom passed: it waits for a person', minutes, async () => {
  const { completed, stopped } = await simulated('errors up by the margin', 60, {}, { errorRate: margin })
  expect(completed.share).toBeLessThanOrEqual(0.1)
  expect(stopped.share).toBeLessThanOrEqual(0.1)
})
