// Faults of other fleet updaters, measured or reported by their users, each as a case that must end otherwise here.

import { describe, expect, test } from 'vitest'
import { decide } from '../../../hub/rollouts/decide.ts'
import { operate } from '../../../hub/rollouts/operate.ts'
import { isInstalled, type Judge, type RolloutView } from '../../../hub/rollouts/states.ts'
import {
  aDevice,
  aPlan,
  aRollout,
  aVerdict,
  type Behaviour,
  byFailures,
  obedient,
  operated,
  type Played,
  play,
  says,
  stagesOf,
  statesOf,
  withDevices,
} from './a-rollout.ts'

const begun = (over: Partial<RolloutView> = {}): Played => ({ rollout: aRollout(over), nowMs: 0 })
const canaries = ['d-0', 'd-1']
const touched = ({ rollout }: Played) =>
  rollout.devices.filter(({ attempt }) => attempt > 0).map(({ device }) => device)
const isAt = (state: string) => (rollout: RolloutView) => rollout.state === state
const stageIs = (index: number, state: string) => (rollout: RolloutView) => rollout.stages[index]?.state === state
const silent: Behaviour = () => undefined

describe('a pause', () => {
  test('withdraws what is not active, also from those that are away and come back after it', () => {
    const staging: Behaviour = ({ stage }) => (stage === 0 ? 'succeeded' : 'staged')
    let played = play(begun(), { until: stageIs(1, 'admitting'), behaviour: staging })
    played = play(played, { forMs: 100, behaviour: staging })
    const waiting = played.rollout.devices.filter(({ state }) => state === 'staged').map(({ device }) => device)
    expect(waiting).toHaveLength(3)
    played = { ...played, rollout: withDevices(played.rollout, waiting, (device) => ({ ...device, online: false })) }
    played = operated(played, { operation: 'pause' })
    played = play(played, { forMs: 500 })
    played = { ...played, rollout: withDevices(played.rollout, waiting, (device) => ({ ...device, online: true })) }
    played = play(played, { forMs: 10_000 })
    expect(played.rollout.devices.filter(isInstalled).map(({ device }) => device)).toEqual(canaries)
    expect(waiting.map((device) => statesOf(played)[device])).toEqual(['planned', 'planned', 'planned'])
  })

  test('is not undone by time, and what fails while it lasts is answered all the same', () => {
    let played = play(begun(), { until: stageIs(0, 'baking') })
    played = play(operated(played, { operation: 'pause' }), { forMs: 100_000 })
    expect(played.rollout.state).toBe('paused')
    played = play(says(played, ['d-1'], 'rolled_back', 'errors'), { forMs: 2_000 })
    expect(played.rollout.state).toBe('rolled_back')
    expect(statesOf(played)).toMatchObject({ 'd-0': 'rolled_back', 'd-1': 'rolled_back', 'd-2': 'planned' })
  })

  test('does not use up the time limit: who resumes has all of it', () => {
    const undecided: Judge = () => aVerdict('undecided')
    let played = play(begun(), { until: stageIs(0, 'baking'), judge: undecided })
    played = play(operated(played, { operation: 'pause' }), { forMs: 59_000, judge: undecided })
    played = play(operated(played, { operation: 'resume' }), { forMs: 50_000, judge: undecided })
    expect(played.rollout.state).toBe('running')
    played = play(played, { forMs: 15_000, judge: undecided })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'undecided' })
  })
})

describe('a resume', () => {
  const plan = aPlan({ onFail: 'pause' })
  const failing: Behaviour = ({ device }) => (device === 'd-0' ? 'failed' : 'succeeded')

  test('acknowledges the failures that were seen, by device: a further one trips again, a corrected one excuses none', () => {
    let played = play(begun({ plan }), { until: isAt('paused'), behaviour: failing })
    expect(played.rollout.pausedBy).toBe('gate')
    played = play(operated(played, { operation: 'resume' }), { forMs: 500, behaviour: failing })
    expect(played.rollout.state).toBe('running')
    played = play(says(played, ['d-1'], 'rolled_back'), { forMs: 500 })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'gate' })
  })

  test('of a time-out that turns out a success leaves the next failure to count', () => {
    let played = play(begun({ plan }), {
      until: isAt('paused'),
      behaviour: ({ device }) => (device === 'd-0' ? 'downloading' : 'succeeded'),
    })
    expect(statesOf(played)['d-0']).toBe('timed_out')
    played = operated(played, { operation: 'resume' })
    played = play(says(played, ['d-0'], 'succeeded'), { forMs: 500 })
    expect(statesOf(played)['d-0']).toBe('succeeded')
    played = play(says(played, ['d-1'], 'rolled_back'), { forMs: 500 })
    expect(played.rollout.pausedBy).toBe('gate')
  })

  test('starts no stage by itself: the one that stopped is watched anew', () => {
    let played = play(begun({ plan }), { until: isAt('paused'), behaviour: failing })
    played = operated(played, { operation: 'resume' })
    expect(stagesOf(played)).toEqual(['admitting', 'pending'])
    // one of two canaries is not the quorum of 0.8, whoever acknowledged what
    played = play(played, { forMs: 120_000, behaviour: failing })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'undecided' })
    expect(touched(played)).toEqual(canaries)
  })
})

describe('canaries', () => {
  test('that are silent pause the rollout at its time limit and let nobody else have it', () => {
    const played = play(begun(), { forMs: 100_000, behaviour: silent, judge: () => aVerdict('pass') })
    expect(played.rollout.state).toBe('paused')
    expect(touched(played)).toEqual(canaries)
  })

  test('that are all done with it, one way or another, are not done well', () => {
    const plan = aPlan({ gates: [{ metric: 'installation', failuresMax: 5 }] })
    const refusing: Behaviour = ({ device }) => (device === 'd-0' ? 'rejected' : 'succeeded')
    const played = play(begun({ plan }), { forMs: 100_000, behaviour: refusing, judge: () => aVerdict('pass') })
    expect(played.rollout.state).toBe('paused')
    expect(stagesOf(played)).toEqual(['inconclusive', 'pending'])
    expect(touched(played)).toEqual(canaries)
  })

  test('of which one fails after it had succeeded, when the next stage has begun, take it back from all', () => {
    let played = play(begun(), { until: stageIs(1, 'admitting') })
    played = play(played, { forMs: 300 })
    expect(touched(played).length).toBeGreaterThan(2)
    // the gate of the stage at hand bears it, that of the stage it belongs to does not
    const judge: Judge = (index, devices) => (index === 0 ? byFailures(0, devices) : aVerdict('pass'))
    played = play(says(played, ['d-1'], 'rolled_back', 'errors'), { forMs: 2_000, judge })
    expect(played.rollout.state).toBe('rolled_back')
    expect(stagesOf(played)[0]).toBe('failed')
    expect(played.rollout.devices.filter(isInstalled)).toEqual([])
  })

  test('of which one fails after that, where its stage bears it, have their verdict told anew', () => {
    let played = play(begun(), { until: stageIs(1, 'admitting') })
    played = says(played, ['d-1'], 'rolled_back', 'errors')
    const actions = decide(played.rollout, () => aVerdict('pass'), played.nowMs)
    expect(actions).toContainEqual({ do: 'stage', index: 0, state: 'passed', verdict: aVerdict('pass') })
    played = play(played, { judge: () => aVerdict('pass') })
    expect(played.rollout.state).toBe('completed')
  })

  test('that could not say in time never let the rollout go on, whatever the plan says of it', () => {
    for (const onUndecided of ['pause', 'rollback'] as const) {
      const plan = aPlan({ onUndecided })
      const played = play(begun({ plan }), { forMs: 100_000, judge: () => aVerdict('undecided') })
      expect(played.rollout.state).toBe(onUndecided === 'pause' ? 'paused' : 'rolled_back')
      expect(touched(played)).toEqual(canaries)
    }
  })
})

test('a pause that nobody gave a reason for says who asked for it', () => {
  const { rollout } = play(begun({}), { until: stageIs(0, 'admitting') })
  const reasonOf = (reason: string) => {
    const actions = operate(rollout, { operation: 'pause', reason }, 'token:ops')
    return 'refused' in actions ? [] : actions.flatMap((action) => (action.do === 'rollout' ? action.reason : []))
  }
  expect(reasonOf('')).toEqual(['paused by token:ops'])
  expect(reasonOf('lunch')).toEqual(['pause: lunch'])
})

describe('a hold', () => {
  const stages = [
    { name: 'canary', percent: 20, bakeMs: 1_000 },
    { name: 'all', percent: 100, bakeMs: 1_000, hold: true },
  ]
  const plan = aPlan({ stages })

  test('is passed by no amount of evidence and time, and by a person', () => {
    let played = play(begun({ plan }), { forMs: 1_000_000, until: () => false })
    expect(stagesOf(played)).toEqual(['passed', 'held'])
    expect(touched(played)).toEqual(canaries)
    played = play(operated(played, { operation: 'release', stage: 'all' }), {})
    expect(played.rollout.state).toBe('completed')
  })

  test('is not released before its turn, nor by the name of the stage before it, which has none', () => {
    const played = play(begun({ plan }), { until: stageIs(0, 'baking') })
    expect(() => operated(played, { operation: 'release', stage: 'canary' })).toThrow('stage canary is not held')
    expect(() => operated(played, { operation: 'release', stage: 'all' })).toThrow('not the turn of stage all yet')
  })

  test('does not shield what fails while it lasts', () => {
    let played = play(begun({ plan }), { until: stageIs(1, 'held') })
    played = play(says(played, ['d-0'], 'rolled_back', 'errors'), { forMs: 2_000 })
    expect(played.rollout.state).toBe('rolled_back')
    played = play(begun({ plan }), { until: stageIs(1, 'held') })
    played = play(played, { forMs: 200, judge: () => aVerdict('fail') })
    expect(['rolling_back', 'rolled_back']).toContain(played.rollout.state)
  })

  test('stands where somebody advances the stage before it, and is not asked twice by asking twice', () => {
    let played = play(begun({ plan }), { until: stageIs(0, 'baking'), judge: () => aVerdict('undecided') })
    played = operated(operated(played, { operation: 'advance', stage: 'canary' }), {
      operation: 'advance',
      stage: 'canary',
    })
    played = play(played, { forMs: 5_000 })
    expect(stagesOf(played)).toEqual(['passed', 'held'])
    expect(() => operated(played, { operation: 'advance', stage: 'all' })).toThrow('release lets one begin')
    played = operated(operated(played, { operation: 'release', stage: 'all' }), { operation: 'release', stage: 'all' })
    expect(stagesOf(played)).toEqual(['passed', 'held'])
    expect(stagesOf(play(played, { forMs: 100 }))).toEqual(['passed', 'admitting'])
  })

  test('with approvals is passed by them alone', () => {
    const approved = aPlan({ stages: stages.map((stage, i) => ({ ...stage, hold: false, approvals: i * 2 })) })
    let played = play(begun({ plan: approved }), { until: stageIs(1, 'held') })
    expect(() => operated(played, { operation: 'release', stage: 'all' })).toThrow('needs 2 approvals')
    const withApprovals = (approvals: number): Played => ({
      ...played,
      rollout: { ...played.rollout, stages: played.rollout.stages.map((stage) => ({ ...stage, approvals })) },
    })
    expect(stagesOf(play(withApprovals(1), { forMs: 10_000 }))).toEqual(['passed', 'held'])
    played = play(withApprovals(2), {})
    expect(played.rollout.state).toBe('completed')
  })
})

describe('time', () => {
  test('a device that stands still has timed out, one that went away before it activated is unreachable and no failure', () => {
    const plan = aPlan({ gates: [{ metric: 'installation', failuresMax: 9 }] })
    let played = play(begun({ plan }), { forMs: 1_000, behaviour: () => 'downloading', judge: () => aVerdict('pass') })
    played = { ...played, rollout: withDevices(played.rollout, ['d-0'], (device) => ({ ...device, online: false })) }
    played = play(played, { forMs: 6_000, judge: () => aVerdict('pass') })
    expect(statesOf(played)).toMatchObject({ 'd-0': 'unreachable', 'd-1': 'timed_out' })
    // it comes back, and has its whole time
    played = { ...played, rollout: withDevices(played.rollout, ['d-0'], (device) => ({ ...device, online: true })) }
    played = play(played, { forMs: 4_000, judge: () => aVerdict('pass') })
    expect(statesOf(played)['d-0']).toBe('downloading')
    played = play(played, { forMs: 2_000, judge: () => aVerdict('pass') })
    expect(statesOf(played)['d-0']).toBe('timed_out')
  })

  test('a device that went dark while it activated the version counts as a failure', () => {
    let played = play(begun(), { forMs: 1_000, behaviour: () => 'activating' })
    played = { ...played, rollout: withDevices(played.rollout, canaries, (device) => ({ ...device, online: false })) }
    played = play(played, { forMs: 5_000 })
    expect(statesOf(played)).toMatchObject({ 'd-0': 'timed_out', 'd-1': 'timed_out' })
    expect(['rolling_back', 'rolled_back']).toContain(played.rollout.state)
  })

  test('standing still has a limit of its own, each step forward begins it anew', () => {
    const plan = aPlan({ progressTimeoutMs: 1_000, installTimeoutMs: 60_000 })
    const steps = ['accepted', 'downloading', 'staged', 'activating', 'probation', 'succeeded'] as const
    let played = play(begun({ plan }), { forMs: 200, behaviour: silent })
    for (const step of steps)
      played = play(says(played, ['d-0'], step), { forMs: 800, behaviour: silent, judge: () => aVerdict('pass') })
    expect(statesOf(played)).toMatchObject({ 'd-0': 'succeeded', 'd-1': 'timed_out' })
  })

  test('a report that comes late corrects a time-out, and only its end does', () => {
    const plan = aPlan({ gates: [{ metric: 'installation', failuresMax: 9 }] })
    let played = play(begun({ plan }), { forMs: 6_000, behaviour: () => 'downloading', judge: () => aVerdict('pass') })
    expect(statesOf(played)['d-0']).toBe('timed_out')
    played = play(says(played, ['d-0'], 'staged'), { forMs: 200, judge: () => aVerdict('pass') })
    expect(statesOf(played)['d-0']).toBe('timed_out')
    played = play(says(played, ['d-0'], 'succeeded'), { forMs: 200, judge: () => aVerdict('pass') })
    expect(statesOf(played)['d-0']).toBe('succeeded')
  })

  test('"offered" and "accepted" are not "installed", whatever was wanted there before', () => {
    const played = play(begun(), { forMs: 3_000, behaviour: () => 'accepted' })
    expect(stagesOf(played)).toEqual(['admitting', 'pending'])
  })
})

describe('retry', () => {
  test('offers again, as a new attempt, what failed, and only when somebody says so', () => {
    const plan = aPlan({ onFail: 'pause' })
    let played = play(begun({ plan }), { until: isAt('paused'), behaviour: () => 'failed' })
    played = play(operated(played, { operation: 'resume' }), { forMs: 10_000, behaviour: obedient })
    expect(played.rollout.devices.slice(0, 2).map(({ attempt, state }) => [attempt, state])).toEqual([
      [1, 'failed'],
      [1, 'failed'],
    ])
    played = operated(operated(played, { operation: 'retry' }), { operation: 'retry' })
    played = play(played, {})
    expect(played.rollout.state).toBe('completed')
    expect(played.rollout.devices.slice(0, 2).map(({ attempt }) => attempt)).toEqual([2, 2])
  })

  test('of some devices leaves the others as they are, and knows who is in the rollout', () => {
    const plan = aPlan({ onFail: 'pause' })
    let played = play(begun({ plan }), { until: isAt('paused'), behaviour: () => 'failed' })
    played = operated(played, { operation: 'retry', devices: ['d-0'] })
    expect(statesOf(played)).toMatchObject({ 'd-0': 'planned', 'd-1': 'failed', 'd-5': 'planned' })
  })

  test('says of each device that was named why there is nothing to retry, and then retries none', () => {
    const plan = aPlan({ onFail: 'pause' })
    const played = play(begun({ plan }), {
      until: isAt('paused'),
      behaviour: ({ device }) => (device === 'd-0' ? 'failed' : 'succeeded'),
    })
    const retry = (...devices: string[]) => operated(played, { operation: 'retry', devices })
    expect(() => retry('d-77')).toThrow(/^d-77 is not in this rollout$/)
    expect(() => retry('d-77', 'd-78')).toThrow(/^d-77 is not in this rollout, d-78 is not in this rollout$/)
    expect(() => retry('d-0', 'd-1', 'd-5')).toThrow(
      /^d-1 has not failed: it is succeeded, d-5 has not been offered it yet, and gets it in its turn$/,
    )
    expect(statesOf(played)['d-0']).toBe('failed')
    const once = retry('d-0')
    expect(statesOf(once)['d-0']).toBe('planned')
    expect(operated(once, { operation: 'retry', devices: ['d-0'] })).toEqual(once)
    expect(operated(once, { operation: 'retry' })).toEqual(once)
  })

  test('of all that failed, where none has, says so', () => {
    const played = play(begun(), { until: stageIs(0, 'baking') })
    const settled = withDevices(played.rollout, ['d-0', 'd-1'], (device) => ({ ...device, state: 'succeeded' }))
    expect(() => operated({ ...played, rollout: settled }, { operation: 'retry' })).toThrow('nothing to retry')
  })
})

describe('a roll-back', () => {
  test('reaches devices that are away, and does not wait for them', () => {
    let played = play(begun(), { until: stageIs(1, 'baking') })
    played = { ...played, rollout: withDevices(played.rollout, ['d-3'], (device) => ({ ...device, online: false })) }
    played = play(operated(played, { operation: 'rollback' }), {})
    expect(played.rollout.state).toBe('rolled_back')
    expect(played.rollout.devices.every(({ withdrawn }) => withdrawn)).toBe(true)
    expect(statesOf(played)['d-3']).toBe('succeeded')
    played = { ...played, rollout: withDevices(played.rollout, ['d-3'], (device) => ({ ...device, online: true })) }
    expect(statesOf(play(played, { forMs: 300 }))['d-3']).toBe('rolled_back')
  })

  test('ends where a device cannot go back, and says so', () => {
    let played = play(begun(), { until: stageIs(0, 'baking') })
    played = says(played, ['d-0'], 'failed', 'unable_to_roll_back')
    for (let look = 0; look < 5; look += 1, played.nowMs += 100) {
      const actions = decide(played.rollout, byFailures, played.nowMs)
      const ended = actions.find((action) => action.do === 'rollout' && action.state === 'rolled_back')
      if (ended !== undefined)
        expect(ended).toMatchObject({ reason: expect.stringContaining('unable to go back: d-0') })
      played = play(played, { forMs: 100 })
      played.rollout = withDevices(played.rollout, ['d-0'], (device) => ({ ...device, backOnPrevious: false }))
    }
    expect(played.rollout.state).toBe('rolled_back')
  })

  test('of a stage takes that one and those after it back, keeps those before it, and begins anew when resumed', () => {
    const stages = [
      { name: 'one', percent: 20, bakeMs: 100 },
      { name: 'two', percent: 50, bakeMs: 100 },
      { name: 'all', percent: 100, bakeMs: 100 },
    ]
    const devices = Array.from({ length: 10 }, (_, i) =>
      aDevice({ device: `d-${i}`, stage: i < 2 ? 0 : i < 5 ? 1 : 2 }),
    )
    let played = play(begun({ plan: aPlan({ stages }), devices }), { until: stageIs(2, 'baking') })
    played = operated(operated(played, { operation: 'rollback', stage: 'two' }), {
      operation: 'rollback',
      stage: 'two',
    })
    expect(stagesOf(played)).toEqual(['passed', 'failed', 'pending'])
    played = play(played, { forMs: 5_000 })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'operator' })
    expect(played.rollout.devices.filter(isInstalled).map(({ device }) => device)).toEqual(canaries)
    played = play(operated(played, { operation: 'resume' }), {})
    expect(played.rollout.state).toBe('completed')
    expect(played.rollout.devices.map(({ attempt }) => attempt)).toEqual([1, 1, 2, 2, 2, 2, 2, 2, 2, 2])
  })

  test('of the stage alone where its gate says so', () => {
    let played = play(begun({ plan: aPlan({ onFail: 'rollback_stage' }) }), { until: stageIs(1, 'baking') })
    played = play(played, { forMs: 1_000, judge: (index) => aVerdict(index === 1 ? 'fail' : 'pass') })
    expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'gate' })
    expect(played.rollout.devices.filter(isInstalled).map(({ device }) => device)).toEqual(canaries)
  })
})

test.each([
  ['rollback', 'pause', 'paused'],
  ['pause', 'rollback', 'rolled_back'],
] as const)('a gate that says %s of a plan that says otherwise: its own answer holds', (onPlan, onGate, ends) => {
  const plan = aPlan({ onFail: onPlan, gates: [{ metric: 'installation', onFail: onGate }] })
  const played = play(begun({ plan }), { behaviour: () => 'failed' })
  expect(played.rollout.state).toBe(ends)
})

test('more failed installations than the plan bears in all stages together stop it, where each gate bears them', () => {
  const plan = aPlan({ failuresMaxPercent: 10, onFail: 'pause', quorum: 0.5 })
  const failing: Behaviour = ({ device }) => (device === 'd-0' || device === 'd-4' ? 'failed' : 'succeeded')
  const played = play(begun({ plan }), { behaviour: failing, judge: () => aVerdict('pass') })
  expect(played.rollout).toMatchObject({ state: 'paused', pausedBy: 'budget' })
  expect(stagesOf(played)[0]).toBe('passed')
})

test('devices that failed too often are offered nothing until their day is over, and hold nobody up', () => {
  const devices = aRollout().devices.map((device) =>
    device.device === 'd-7' ? { ...device, asideUntil: 15_000 } : device,
  )
  let played = play(begun({ devices }), { forMs: 14_000 })
  expect(played.rollout.state).toBe('completed')
  expect(statesOf(played)['d-7']).toBe('planned')
  played = play(begun({ devices, plan: aPlan({ quorum: 1 }) }), { forMs: 20_000 })
  expect(played.rollout.devices.find(({ device }) => device === 'd-7')?.offeredAt).toBeGreaterThanOrEqual(15_000)
})

test('a revoked device counts nowhere and holds nobody up', () => {
  let played = play(begun(), { until: stageIs(0, 'admitting'), behaviour: silent })
  played = { ...played, rollout: withDevices(played.rollout, ['d-0', 'd-9'], (device) => ({ ...device, gone: true })) }
  played = play(played, {})
  expect(played.rollout.state).toBe('completed')
  expect(statesOf(played)).toMatchObject({ 'd-0': 'cancelled', 'd-1': 'succeeded', 'd-9': 'cancelled' })
})

test('a canary of which every device was revoked passes nothing', () => {
  const devices = aRollout().devices.map((device) => ({ ...device, gone: device.stage === 0 }))
  const played = play(begun({ devices }), { forMs: 100_000, judge: () => aVerdict('pass') })
  expect(played.rollout.state).toBe('paused')
  expect(touched(played)).toEqual([])
})

describe('pace and window', () => {
  test('devices begin at most so many in a minute, and the stage is watched when the last has begun', () => {
    const plan = aPlan({ pace: { devicesPerMinute: 2 }, stageTimeLimitMs: 3_600_000 })
    const played = play(begun({ plan }), { forMs: 400_000 })
    expect(played.rollout.state).toBe('completed')
    const at = played.rollout.devices.map(({ offeredAt }) => offeredAt ?? 0).sort((a, b) => a - b)
    for (const [i, ms] of at.entries())
      expect((at[i + 2] ?? Number.POSITIVE_INFINITY) - ms).toBeGreaterThanOrEqual(60_000)
  })

  test('a device is changed within its window, by the clock on its wall', () => {
    const noon = Date.UTC(2026, 0, 5, 12)
    const window = { from: '13:00', to: '15:00', timezone: 'UTC' }
    const plan = aPlan({ window, stages: [{ name: 'all', percent: 100, bakeMs: 0 }], stageTimeLimitMs: 86_400_000 })
    const devices = ['UTC', 'Europe/Berlin'].map((timezone) => aDevice({ device: timezone, timezone }))
    let played = play({ rollout: aRollout({ plan, devices }), nowMs: noon }, { forMs: 5_000 })
    expect(statesOf(played)).toEqual({ UTC: 'planned', 'Europe/Berlin': 'succeeded' })
    expect(played.rollout.state).toBe('running')
    played = play({ ...played, nowMs: noon + 3_600_000 }, { forMs: 5_000 })
    expect(statesOf(played).UTC).toBe('succeeded')
    expect(played.rollout.state).toBe('completed')
  })
})

describe('a shadow stage', () => {
  const plan = aPlan({
    stages: [
      { name: 'beside', mode: 'shadow', devices: 3, bakeMs: 1_000 },
      { name: 'canary', percent: 20, bakeMs: 1_000 },
      { name: 'all', percent: 100, bakeMs: 1_000 },
    ],
  })
  const devices = Array.from({ length: 10 }, (_, i) =>
    aDevice({ device: `d-${i}`, stage: i < 3 ? 0 : 2, servesFrom: i < 2 ? 1 : 2 }),
  )
  const roles = ({ rollout }: Played) =>
    rollout.devices.filter(({ attempt }) => attempt > 0).map(({ device, role, state }) => [device, role, state])

  test('is in place when its devices shadow; each then serves in its own stage, as a new attempt', () => {
    let played = play(begun({ plan, devices }), { until: stageIs(0, 'baking') })
    expect(roles(played)).toEqual(['d-0', 'd-1', 'd-2'].map((device) => [device, 'shadow', 'shadowing']))
    played = play(played, { until: stageIs(1, 'baking') })
    expect(roles(played)).toEqual([
      ['d-0', 'primary', 'succeeded'],
      ['d-1', 'primary', 'succeeded'],
      ['d-2', 'shadow', 'shadowing'],
    ])
    played = play(played, {})
    expect(played.rollout.state).toBe('completed')
    expect(played.rollout.devices.map(({ role, attempt }) => [role, attempt])).toEqual([
      ...[0, 1, 2].map(() => ['primary', 2]),
      ...[3, 4, 5, 6, 7, 8, 9].map(() => ['primary', 1]),
    ])
  })

  test.each([
    ['pause', 'planned'],
    ['abort', 'cancelled'],
  ] as const)('%s takes the shadows away', (operation, left) => {
    let played = play(begun({ plan, devices }), { until: stageIs(0, 'baking') })
    played = operated(played, { operation })
    const actions = decide(played.rollout, byFailures, played.nowMs)
    expect(actions.filter((action) => action.do === 'withdraw').map(({ device }) => device)).toEqual([
      'd-0',
      'd-1',
      'd-2',
    ])
    played = play(played, { forMs: 200 })
    expect(statesOf(played)['d-1']).toBe(left)
  })

  test('a candidate that crashes in shadow fails the stage, and what serves was never touched', () => {
    const played = play(begun({ plan, devices }), { behaviour: () => 'failed' })
    expect(played.rollout.state).toBe('rolled_back')
    expect(played.rollout.devices.every(({ role, attempt }) => attempt === 0 || role === 'shadow')).toBe(true)
  })
})

test('a dynamic rollout stays open for those who come, gated like the rest, until somebody advances its last stage', () => {
  const plan = aPlan({ dynamic: true })
  let played = play(begun({ plan }), { forMs: 200_000 })
  expect(played.rollout.state).toBe('running')
  expect(stagesOf(played)).toEqual(['passed', 'open'])
  const joiner = aDevice({ device: 'late', stage: 1 })
  const joined = { ...played, rollout: { ...played.rollout, devices: [...played.rollout.devices, joiner] } }
  played = play(joined, { forMs: 1_000 })
  expect(statesOf(played).late).toBe('succeeded')
  expect(play(joined, { forMs: 2_000, behaviour: () => 'failed' }).rollout.state).toBe('rolled_back')
  played = play(operated(played, { operation: 'advance', stage: 'all' }), { forMs: 1_000 })
  expect(played.rollout.state).toBe('completed')
})
