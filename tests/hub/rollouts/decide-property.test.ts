// Whatever devices, people, gates and time do in whatever order: what must hold of every decision.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { advances } from '../../../hub/fleet/progress.ts'
import { decide, mayBegin } from '../../../hub/rollouts/decide.ts'
import type { Outcome } from '../../../hub/rollouts/gates/verdict.ts'
import { operate, operations } from '../../../hub/rollouts/operate.ts'
import type { WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { applyActions as apply } from '../../../hub/rollouts/simulate/apply.ts'
import {
  type Action,
  type DeviceView,
  isInFlight,
  isInPlace,
  isOf,
  type RolloutView,
  roleAt,
} from '../../../hub/rollouts/states.ts'
import { aDevice, aPlan, aRollout, aVerdict } from './a-rollout.ts'

const seed = 4107
console.log(`decide-property: seed ${seed}`)

const size = 8
const names = Array.from({ length: size }, (_, i) => `d-${i}`)

const plans: Partial<WrittenPlan>[] = [
  {},
  { onFail: 'pause', concurrency: 2, failuresMax: 1 },
  { onFail: 'rollback_stage', onUndecided: 'rollback', pace: { devicesPerMinute: 30 } },
  { dynamic: true, progressTimeoutMs: 2_000 },
  {
    stages: [
      { name: 'beside', mode: 'shadow', devices: 2, bakeMs: 500 },
      { name: 'canary', percent: 25, bakeMs: 500, hold: true, onFail: 'rollback_stage' },
      { name: 'all', percent: 100, bakeMs: 500, approvals: 2 },
    ],
  },
]

function rolloutOf(over: Partial<WrittenPlan>): RolloutView {
  const plan = aPlan({ stageTimeLimitMs: 20_000, ...over })
  const hasShadow = plan.stages.length === 3
  const devices = names.map((device, i) =>
    hasShadow
      ? aDevice({ device, stage: i < 2 ? 0 : 2, servesFrom: i < 1 ? 1 : 2 })
      : aDevice({ device, stage: i < 2 ? 0 : 1 }),
  )
  // a device that serves in the canary without having been in shadow
  const mixed = hasShadow
    ? devices.map((device) => (device.device === 'd-3' ? { ...device, stage: 1, servesFrom: 1 } : device))
    : devices
  return aRollout({ plan, devices: mixed })
}

type Event =
  | { event: 'report'; device: number; state: ProgressState }
  | { event: 'obey' }
  | { event: 'online'; device: number; online: boolean }
  | { event: 'gone'; device: number }
  | { event: 'aside'; device: number; forMs: number }
  | { event: 'back'; device: number }
  | { event: 'operate'; operation: (typeof operations)[number]; stage: number | undefined }
  | { event: 'approve'; stage: number }
  | { event: 'judge'; outcome: Outcome }
  | { event: 'wait'; ms: number }

const device = fc.nat(size - 1)
const reported = fc.constantFrom<ProgressState>(
  'accepted',
  'deferred',
  'downloading',
  'staged',
  'shadowing',
  'activating',
  'probation',
  'succeeded',
  'already_current',
  'failed',
  'rolled_back',
  'rejected',
)
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ event: fc.constant('obey') }) },
  { weight: 3, arbitrary: fc.record({ event: fc.constant('report'), device, state: reported }) },
  { weight: 2, arbitrary: fc.record({ event: fc.constant('online'), device, online: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ event: fc.constant('gone'), device: fc.constantFrom(6, 7) }) },
  { weight: 1, arbitrary: fc.record({ event: fc.constant('aside'), device, forMs: fc.constantFrom(1_000, 60_000) }) },
  { weight: 2, arbitrary: fc.record({ event: fc.constant('back'), device }) },
  {
    weight: 2,
    arbitrary: fc.record({
      event: fc.constant('operate'),
      operation: fc.constantFrom(...operations),
      stage: fc.option(fc.nat(2), { nil: undefined }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ event: fc.constant('approve'), stage: fc.nat(2) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      event: fc.constant('judge'),
      outcome: fc.constantFrom('pass', 'pass', 'pass', 'fail', 'undecided'),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ event: fc.constant('wait'), ms: fc.constantFrom(100, 600, 1_200, 6_000, 21_000) }),
  },
)

/** What is wanted on a device: what the rollout asked for last, as the store writes it. */
type Wish = 'previous' | 'target' | 'shadow'

type World = { rollout: RolloutView; nowMs: number; outcome: Outcome; wishes: Map<string, Wish>; failing: Set<number> }

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}

const changeDevice = (rollout: RolloutView, at: number, change: (device: DeviceView) => DeviceView): RolloutView => ({
  ...rollout,
  devices: rollout.devices.map((one, i) => (i === at ? change(one) : one)),
})

function happen(world: World, event: Event): World {
  const { rollout, nowMs } = world
  switch (event.event) {
    case 'report':
      return { ...world, rollout: changeDevice(rollout, event.device, (one) => reportedBy(one, event.state)) }
    case 'obey':
      return {
        ...world,
        rollout: rollout.devices.reduce((now, one, i) => changeDevice(now, i, () => obeyed(one)), rollout),
      }
    case 'online':
      return { ...world, rollout: changeDevice(rollout, event.device, (one) => ({ ...one, online: event.online })) }
    case 'gone':
      return {
        ...world,
        rollout: changeDevice(rollout, event.device, (one) => ({ ...one, gone: true, online: false })),
      }
    case 'aside':
      return {
        ...world,
        rollout: changeDevice(rollout, event.device, (one) => ({ ...one, asideUntil: nowMs + event.forMs })),
      }
    case 'back':
      return { ...world, rollout: changeDevice(rollout, event.device, (one) => ({ ...one, backOnPrevious: true })) }
    case 'approve': {
      const stages = rollout.stages.map((one) =>
        one.index === event.stage ? { ...one, approvals: one.approvals + 1 } : one,
      )
      return { ...world, rollout: { ...rollout, stages } }
    }
    case 'judge':
      return { ...world, outcome: event.outcome }
    case 'wait':
      return { ...world, nowMs: nowMs + event.ms }
    case 'operate': {
      const stage = event.stage === undefined ? undefined : rollout.plan.stages[event.stage]?.name
      const actions = operate(rollout, { operation: event.operation, reason: '', stage }, 'token:ops')
      if ('refused' in actions) return world
      const after = carriedOut(world, actions)
      const again = operate(after.rollout, { operation: event.operation, reason: '', stage }, 'token:ops')
      must(
        'refused' in again || again.length === 0 || event.operation === 'retry',
        `${event.operation} asked twice does it twice`,
      )
      return after
    }
  }
}

/** A device reports only of what it was asked for, and never goes back within an attempt. */
function reportedBy(one: DeviceView, state: ProgressState): DeviceView {
  if (!one.online || one.gone || one.offeredAt === null || one.state === 'planned') return one
  if (one.role === 'shadow' && (state === 'succeeded' || state === 'probation' || state === 'already_current'))
    return one
  if (one.role === 'primary' && state === 'shadowing') return one
  if (one.role === 'shadow' && state === 'activating') return one
  if (one.reported !== undefined && !advances(one.reported.state, state)) return one
  return { ...one, reported: { state, reason: null }, backOnPrevious: state === 'failed' || state === 'rolled_back' }
}

/** Where it is there: installs what it was offered, goes back where it was asked to. */
function obeyed(one: DeviceView): DeviceView {
  const back = one.online && (one.withdrawn || one.state === 'planned') ? { ...one, backOnPrevious: true } : one
  return reportedBy(back, one.role === 'shadow' ? 'shadowing' : 'succeeded')
}

function carriedOut(world: World, actions: readonly Action[]): World {
  const wishes = new Map(world.wishes)
  const failing = new Set(world.failing)
  for (const action of actions) {
    if (action.do === 'offer') wishes.set(action.device, action.role === 'shadow' ? 'shadow' : 'target')
    if (action.do === 'withdraw') wishes.set(action.device, 'previous')
    if (action.do === 'stage' && action.verdict !== undefined) {
      if (action.verdict.outcome === 'fail') failing.add(action.index)
      else failing.delete(action.index)
    }
    if (action.do === 'stage' && action.verdict === undefined) failing.delete(action.index)
  }
  return { ...world, rollout: apply(world.rollout, actions, world.nowMs), wishes, failing }
}

function look(world: World): World {
  const { rollout, nowMs, outcome } = world
  const actions = decide(rollout, () => aVerdict(outcome), nowMs)
  checkActions(world, actions)
  const after = carriedOut(world, actions)
  checkMoves(rollout, after.rollout, actions)
  return after
}

const ended: ReadonlySet<string> = new Set(['completed', 'rolled_back', 'aborted', 'superseded', 'rejected'])

function checkActions({ rollout, outcome }: World, actions: readonly Action[]): void {
  const completes = actions.some((action) => action.do === 'rollout' && action.state === 'completed')
  const present = rollout.stages.find(({ state }) => state !== 'passed')
  const offered = actions.filter((action) => action.do === 'offer')
  must(new Set(offered.map((action) => action.device)).size === offered.length, 'a device is offered it twice at once')
  for (const action of offered) {
    const to = rollout.devices.find((one) => one.device === action.device)
    must(rollout.state === 'running', `an offer while ${rollout.state}`)
    must(to !== undefined && !to.gone, 'an offer to nobody')
    if (to === undefined) continue
    must(
      to.state === 'planned' || (to.role === 'shadow' && to.state === 'shadowing' && action.role === 'primary'),
      `an offer to a device that is ${to.state}`,
    )
    if (completes) continue
    must(present !== undefined, 'an offer when every stage has passed')
    const planned = rollout.plan.stages[present?.index ?? -1]
    must(
      present !== undefined &&
        (present.state !== 'held' && present.state !== 'pending' ? true : mayBegin(planned, present)),
      'an offer while held',
    )
    must(roleAt(to, present?.index ?? -1) === action.role, 'an offer out of turn')
    must(to.online, 'an offer to a device that is away')
  }
  for (const action of actions) {
    if (action.do === 'rollout') must(!ended.has(rollout.state), `a rollout that is ${rollout.state} moves`)
    if (action.do === 'stage' && (action.state === 'passed' || action.state === 'open')) {
      const members = rollout.devices.filter((one) => isOf(one, action.index) && !one.gone)
      const isReopened = rollout.stages[action.index]?.state === 'passed'
      must(isReopened ? outcome !== 'fail' : outcome === 'pass', `a stage passes on ${outcome}`)
      must(isReopened || members.some((one) => isInPlace(one)), 'an empty stage passes')
    }
    if (action.do === 'stage' && action.state === 'admitting' && present !== undefined) {
      must(mayBegin(rollout.plan.stages[action.index], present), 'a hold is passed')
    }
  }
}

function checkMoves(before: RolloutView, after: RolloutView, actions: readonly Action[]): void {
  const acted = new Set(
    actions.flatMap((action) => (action.do === 'offer' || action.do === 'withdraw' ? [action.device] : [])),
  )
  for (const [i, one] of after.devices.entries()) {
    const was = before.devices[i]
    if (was === undefined || was.state === one.state || acted.has(one.device)) continue
    const presumed = one.state === 'timed_out' || one.state === 'unreachable' || one.state === 'cancelled'
    const takenBack = one.state === 'rolled_back' && was.withdrawn
    must(presumed || takenBack || advances(was.state, one.state), `${was.state} moves back to ${one.state}`)
  }
  const startsMore = actions.some((action) => action.do === 'offer' && action.as === 'offered')
  // one that was unreachable and returns is not asked whether there is room
  const returned = after.devices.filter(
    (one, i) => isInFlight(one) && before.devices[i]?.state === 'unreachable',
  ).length
  must(
    !startsMore || after.devices.filter(isInFlight).length - returned <= after.plan.concurrency,
    'more at it than may be at a time',
  )
}

function checkRest({ rollout, wishes, failing }: World): void {
  const wish = (one: DeviceView) => wishes.get(one.device) ?? 'previous'
  const there = rollout.devices.filter(({ gone }) => !gone)
  if (rollout.state === 'completed') {
    must(
      rollout.stages.every(({ state }) => state === 'passed'),
      'completed with a stage that has not passed',
    )
    must(failing.size === 0, 'completed with a verdict that fails')
  }
  if (rollout.state === 'rolled_back') {
    must(
      there.every((one) => wish(one) === 'previous'),
      'rolled back, and a device is not asked back',
    )
  }
  if (rollout.state === 'paused' || rollout.state === 'aborted') {
    must(
      there.every((one) => wish(one) !== 'shadow'),
      `${rollout.state} with a shadow`,
    )
    for (const one of there) {
      must(
        !isInFlight(one) || !['offered', 'accepted', 'deferred', 'downloading', 'staged'].includes(one.state),
        'stopped, and one goes on',
      )
    }
  }
}

test('decisions hold what they must', () => {
  const reached = new Map<string, number>()
  const script = fc.tuple(fc.constantFrom(...plans), fc.array(event, { minLength: 5, maxLength: 80 }))
  fc.assert(
    fc.property(script, ([plan, events]) => {
      let world: World = { rollout: rolloutOf(plan), nowMs: 0, outcome: 'pass', wishes: new Map(), failing: new Set() }
      for (const event of events) {
        world = look(happen(world, event))
        // the same look again: what comes of it ends
        for (let again = 0; again < 3; again += 1) world = look(world)
        checkRest(world)
      }
      reached.set(world.rollout.state, (reached.get(world.rollout.state) ?? 0) + 1)
    }),
    { seed, numRuns: 1_500 },
  )
  // the property is about something: every end is reached
  expect([...reached.keys()].sort()).toEqual(
    expect.arrayContaining(['aborted', 'completed', 'paused', 'rolled_back', 'rolling_back', 'running']),
  )
})
