// A rollout as `decide` sees it, and devices that do what a test says, without hub or database.

import type { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { decide } from '../../../hub/rollouts/decide.ts'
import type { StageVerdict } from '../../../hub/rollouts/evidence/judge.ts'
import { type GateVerdict, noFigures, type Outcome } from '../../../hub/rollouts/gates/verdict.ts'
import { type Asked, operate } from '../../../hub/rollouts/operate.ts'
import { RolloutPlan, type WrittenPlan } from '../../../hub/rollouts/plan/plan.ts'
import { applyActions as apply } from '../../../hub/rollouts/simulate/apply.ts'
import {
  countsAsFailure,
  type DeviceView,
  type Judge,
  pendingStage,
  plannedDevice,
  type RolloutView,
} from '../../../hub/rollouts/states.ts'

export const aPlan = (over: Partial<WrittenPlan> = {}): RolloutPlan =>
  RolloutPlan.parse({
    stages: [
      { name: 'canary', percent: 20, bakeMs: 1_000 },
      { name: 'all', percent: 100, bakeMs: 1_000 },
    ],
    gates: [{ metric: 'installation' }],
    concurrency: 3,
    installTimeoutMs: 5_000,
    stageTimeLimitMs: 60_000,
    ...over,
  })

export const aGateVerdict = (outcome: Outcome, metric: GateVerdict['metric'] = 'installation'): GateVerdict => ({
  ...noFigures,
  metric,
  label: metric,
  outcome,
  sentence: `it is ${outcome}`,
})

export const aVerdict = (outcome: Outcome): StageVerdict => ({ outcome, gates: [aGateVerdict(outcome)] })

/** Judges by failures of the stages so far alone, none borne. */
export const byFailures: Judge = (index, devices) =>
  aVerdict(devices.some((device) => device.stage <= index && countsAsFailure(device)) ? 'fail' : 'pass')

export const aDevice = (over: Partial<DeviceView> = {}): DeviceView => {
  const device = { ...plannedDevice('d-0', over.stage ?? 0), ...over }
  return { ...device, servesFrom: over.servesFrom ?? device.stage }
}

/** Ten devices, two of them canaries, unless said otherwise. */
export function aRollout(over: Partial<RolloutView> = {}): RolloutView {
  const plan = over.plan ?? aPlan()
  return {
    state: 'running',
    pausedBy: null,
    plan,
    stages: plan.stages.map(({ name }, index) => pendingStage(index, name)),
    devices: Array.from({ length: 10 }, (_, i) => aDevice({ device: `d-${i}`, stage: i < 2 ? 0 : 1 })),
    ...over,
  }
}

/** What a device says when asked for something: a state, or nothing. */
export type Behaviour = (device: DeviceView, nowMs: number) => ProgressState | undefined

/** Installs at once what it is offered, as what it is offered. */
export const obedient: Behaviour = ({ role }) => (role === 'shadow' ? 'shadowing' : 'succeeded')

export type Played = { rollout: RolloutView; nowMs: number }

/** Looks every 100 ms until `until` or for `forMs`. Devices that are there answer what is wanted of them at once; those that
 *  are asked back go back. */
export function play(
  { rollout: begin, nowMs: from }: Played,
  {
    forMs = 20_000,
    until = () => false,
    judge = byFailures,
    behaviour = obedient,
  }: { forMs?: number; until?: (rollout: RolloutView) => boolean; judge?: Judge; behaviour?: Behaviour },
): Played {
  let rollout = begin
  let nowMs = from
  for (; nowMs < from + forMs && !until(rollout); nowMs += 100) {
    rollout = apply(rollout, decide(rollout, judge, nowMs), nowMs)
    rollout = { ...rollout, devices: rollout.devices.map((device) => answered(device, behaviour, nowMs)) }
  }
  return { rollout, nowMs }
}

const asked: ReadonlySet<ProgressState> = new Set(['planned', 'cancelled', 'superseded'])

function answered(device: DeviceView, behaviour: Behaviour, nowMs: number): DeviceView {
  if (!device.online || device.gone) return device
  if (device.withdrawn || device.state === 'planned') return { ...device, backOnPrevious: true }
  if (asked.has(device.state) || device.reported !== undefined) return device
  const state = behaviour(device, nowMs)
  return state === undefined ? device : { ...device, reported: { state, reason: null }, backOnPrevious: false }
}

/** What some devices report from now on. */
export const says = (
  { rollout, nowMs }: Played,
  names: readonly string[],
  state: ProgressState,
  reason: FailureReason | null = null,
): Played => ({
  rollout: withDevices(rollout, names, (device) => ({ ...device, reported: { state, reason } })),
  nowMs,
})

export const withDevices = (
  rollout: RolloutView,
  names: readonly string[],
  change: (device: DeviceView) => DeviceView,
): RolloutView => ({
  ...rollout,
  devices: rollout.devices.map((device) => (names.includes(device.device) ? change(device) : device)),
})

/** @throws the refusal's sentence */
export function operated({ rollout, nowMs }: Played, wanted: Omit<Asked, 'reason'>): Played {
  const actions = operate(rollout, { reason: 'test', ...wanted }, 'token:ops')
  if ('refused' in actions) throw new Error(actions.refused)
  return { rollout: apply(rollout, actions, nowMs), nowMs }
}

export const statesOf = ({ rollout }: Played): Record<string, ProgressState> =>
  Object.fromEntries(rollout.devices.map(({ device, state }) => [device, state]))
export const stagesOf = ({ rollout }: Played): string[] => rollout.stages.map(({ state }) => state)
