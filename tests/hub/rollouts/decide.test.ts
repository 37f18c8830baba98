import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import { describe, expect, test } from 'vitest'
import {
  type DeviceView,
  decide,
  isBroken,
  isInFlight,
  isInstalled,
  type RolloutView,
} from '../../../hub/rollouts/decide.ts'
import { RolloutPlan } from '../../../hub/rollouts/plan/plan.ts'
import { applyActions as apply } from '../../../hub/rollouts/simulate/apply.ts'
import { pendingStage, plannedDevice } from '../../../hub/rollouts/states.ts'
import { aVerdict } from '../../builders/verdicts.ts'

const plan = RolloutPlan.parse({
  stages: [
    { name: 'canary', percent: 20, bakeMs: 1000 },
    { name: 'all', percent: 100, bakeMs: 1000 },
  ],
  concurrency: 3,
  installTimeoutMs: 5000,
  stageTimeLimitMs: 60_000,
})

const verdict = aVerdict

/** Judges as the engine does, by failures alone. */
const byFailures = (_: number, devices: readonly DeviceView[]) => verdict(devices.some(isBroken) ? 'fail' : 'pass')

const aDevice = (over: Partial<DeviceView> = {}): DeviceView => {
  const device = { ...plannedDevice('d-0', over.stage ?? 0), ...over }
  return { ...device, servesFrom: over.servesFrom ?? device.stage }
}

const aRollout = (over: Partial<RolloutView> = {}): RolloutView => ({
  state: 'running',
  pausedBy: null,
  plan,
  stages: [pendingStage(0, 'canary'), pendingStage(1, 'all')],
  devices: Array.from({ length: 10 }, (_, i) => aDevice({ device: `d-${i}`, stage: i < 2 ? 0 : 1 })),
  ...over,
})

const reports = (rollout: RolloutView, state: ProgressState, when: (device: DeviceView) => boolean): RolloutView => ({
  ...rollout,
  devices: rollout.devices.map((device) => (when(device) ? { ...device, reported: { state, reason: null } } : device)),
})

describe('decide', () => {
  test('a healthy rollout offers to the canary alone, bakes, then goes on to everybody and completes', () => {
    let rollout = aRollout()
    let now = 0
    const exposed: number[] = []
    for (; now < 20_000 && rollout.state === 'running'; now += 100) {
      rollout = apply(rollout, decide(rollout, byFailures, now), now)
      rollout = reports(rollout, 'succeeded', isInFlight)
      if (rollout.stages[0]?.state !== 'passed')
        exposed.push(rollout.devices.filter((d) => d.state !== 'planned').length)
    }
    expect(rollout.state).toBe('completed')
    expect(Math.max(...exposed)).toBe(2)
    expect(now).toBeGreaterThanOrEqual(2000)
    expect(rollout.devices.every(isInstalled)).toBe(true)
  })

  test('the reason of a rollout that completed speaks of its end, and names each device that lacks the version', () => {
    const states: [string, Partial<DeviceView>][] = [
      ['ran', { state: 'succeeded' }],
      ['away', { state: 'planned', online: false }],
      ['aside', { state: 'planned', asideUntil: 10_000 }],
      ['broke', { state: 'failed', acknowledged: true }],
      ['refused', { state: 'rejected' }],
      ['revoked', { state: 'cancelled', gone: true }],
    ]
    const rollout = aRollout({
      stages: aRollout().stages.map((stage) => ({ ...stage, state: 'passed' })),
      devices: states.map(([device, over]) => aDevice({ device, stage: 1, ...over })),
    })
    const actions = decide(rollout, byFailures, 1_000)
    expect(actions.at(-1)).toEqual({
      do: 'rollout',
      state: 'completed',
      reason:
        'every stage passed; 1 of 6 devices had it at the end; away, and to get it on return: away; ' +
        'left out after failing too often: aside; failed: broke; refused it: refused; revoked: revoked',
    })
  })

  test('a failed gate asks every touched device back to the old version and ends rolled back', () => {
    let rollout = apply(aRollout(), decide(aRollout(), byFailures, 0), 0)
    rollout = reports(rollout, 'probation', (device) => device.device === 'd-0')
    rollout = reports(rollout, 'failed', (device) => device.device === 'd-1')
    const actions = decide(rollout, byFailures, 10)
    expect(actions.filter((action) => action.do === 'withdraw')).toEqual([
      { do: 'withdraw', device: 'd-0', as: 'probation' },
      { do: 'withdraw', device: 'd-1', as: 'failed' },
    ])
    rollout = apply(rollout, actions, 10)
    expect(rollout.state).toBe('rolling_back')
    expect(apply(rollout, decide(rollout, byFailures, 30), 30).state).toBe('rolling_back')
    rollout = { ...rollout, devices: rollout.devices.map((device) => ({ ...device, backOnPrevious: true })) }
    rollout = apply(rollout, decide(rollout, byFailures, 40), 40)
    expect(rollout.state).toBe('rolled_back')
    expect(rollout.devices.map((device) => device.state).slice(0, 3)).toEqual(['rolled_back', 'failed', 'planned'])
  })

  test('a pause withdraws what is not active and leaves what is', () => {
    const rollout = aRollout({
      state: 'paused',
      devices: [
        aDevice({ device: 'a', state: 'staged', offeredAt: 0 }),
        aDevice({ device: 'b', state: 'activating', offeredAt: 0 }),
        aDevice({ device: 'c', state: 'succeeded', offeredAt: 0 }),
      ],
    })
    expect(decide(rollout, byFailures, 10)).toEqual([{ do: 'withdraw', device: 'a', as: 'planned' }])
  })

  test('undecided at the time limit pauses with the reason and never advances', () => {
    const stages = [
      { ...pendingStage(0, 'canary'), state: 'baking' as const, admittingSince: 0, bakingSince: 0 },
      pendingStage(1, 'all'),
    ]
    const devices = [aDevice({ state: 'succeeded' }), aDevice({ device: 'd-1', stage: 1 })]
    const undecided = () => verdict('undecided')
    expect(decide(aRollout({ stages, devices }), undecided, 59_999)).toEqual([])
    expect(decide(aRollout({ stages, devices }), undecided, 60_000)).toMatchObject([
      { do: 'stage', index: 0, state: 'inconclusive' },
      { do: 'rollout', state: 'paused' },
    ])
  })

  test('a canary whose devices are all away is never passed', () => {
    let rollout = aRollout()
    rollout = { ...rollout, devices: rollout.devices.map((device) => ({ ...device, online: false })) }
    for (let now = 0; now <= 60_000; now += 1000) rollout = apply(rollout, decide(rollout, byFailures, now), now)
    expect(rollout.state).toBe('paused')
    expect(rollout.stages[0]?.state).toBe('inconclusive')
  })

  test.each<[ProgressState, ProgressState, ProgressState]>([
    ['downloading', 'accepted', 'downloading'], // an older report repeated
    ['probation', 'succeeded', 'succeeded'],
    ['timed_out', 'succeeded', 'succeeded'], // a late true report
    ['succeeded', 'rolled_back', 'rolled_back'], // failed after all
    ['failed', 'probation', 'failed'],
    ['planned', 'succeeded', 'planned'], // never offered: not ours
    ['cancelled', 'succeeded', 'cancelled'],
  ])('a device in %s that reports %s is in %s', (state, reported, expected) => {
    const device = aDevice({ state, offeredAt: 0, reported: { state: reported, reason: null } })
    const actions = decide(aRollout({ state: 'completed', devices: [device] }), byFailures, 1)
    expect(apply(aRollout({ devices: [device] }), actions, 1).devices[0]?.state).toBe(expected)
  })
})
