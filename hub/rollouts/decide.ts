// What a rollout does next: a pure function of its state, what the devices reported and the time.
// The engine stores what is decided here in one batch, so that a hub killed at any moment decides the same again.

import type { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { isTerminal, progressStates } from '@roost/shared/protocol/progress.ts'
import { advances } from '../fleet/progress.ts'
import type { RolloutPlan } from './plan/plan.ts'
import type { StageVerdict } from './verdict.ts'

export const rolloutStates = [
  'running',
  'paused',
  'rolling_back',
  'completed',
  'rolled_back',
  'aborted',
  'superseded',
] as const
export type RolloutState = (typeof rolloutStates)[number]
export type StageState = 'pending' | 'admitting' | 'baking' | 'passed' | 'failed' | 'inconclusive'

export type StageView = {
  index: number
  name: string
  state: StageState
  admittingSince: number | null
  bakingSince: number | null
}

export type DeviceView = {
  device: string
  stage: number
  state: ProgressState
  reason: FailureReason | null
  attempt: number
  /** When the current attempt was offered, hub time. */
  offeredAt: number | null
  /** The old version has been asked back. */
  withdrawn: boolean
  online: boolean
  /** What the device says of the target in this attempt; undefined while it has said nothing. */
  reported: { state: ProgressState; reason: FailureReason | null } | undefined
  /** Whether the device says that it runs what it ran before the rollout (or nothing, if it ran nothing). */
  backOnPrevious: boolean
}

export type RolloutView = {
  state: RolloutState
  plan: RolloutPlan
  stages: readonly StageView[]
  devices: readonly DeviceView[]
}

/** `offer`: want the new version there. `withdraw`: want the old one there again. */
export type Action =
  | { do: 'device'; device: string; state: ProgressState; reason: FailureReason | null }
  | { do: 'offer'; device: string; as: 'offered' | 'unreachable' }
  | { do: 'withdraw'; device: string; as: ProgressState }
  | { do: 'stage'; index: number; state: StageState; verdict?: StageVerdict }
  | { do: 'rollout'; state: RolloutState; reason: string }

/** @param judge the verdict over the stages up to `index`, given the devices as just observed
 *  @param nowMs hub time */
export function decide(
  rollout: RolloutView,
  judge: (index: number, devices: readonly DeviceView[]) => StageVerdict,
  nowMs: number,
): Action[] {
  const observed = rollout.devices.map((device) => observe(device, rollout.plan.installTimeoutMs, nowMs))
  const news = observed.flatMap((device, i): Action[] =>
    device.state === rollout.devices[i]?.state
      ? []
      : [{ do: 'device', device: device.device, state: device.state, reason: device.reason }],
  )
  switch (rollout.state) {
    case 'running':
      return [...news, ...advance({ ...rollout, devices: observed }, judge, nowMs)]
    case 'paused':
    case 'aborted':
    case 'superseded':
      return [...news, ...withdrawInactive(observed, rollout.state === 'paused' ? 'planned' : closing[rollout.state])]
    case 'rolling_back':
      return [...news, ...takeBack(observed)]
    case 'completed':
    case 'rolled_back':
      return news
  }
}

const closing = { aborted: 'cancelled', superseded: 'superseded' } as const

const rank = (state: ProgressState) => progressStates.indexOf(state)

/** States in which the device holds the version but does not run it: what a pause takes back. */
const inactive: ReadonlySet<ProgressState> = new Set(['offered', 'accepted', 'deferred', 'downloading', 'staged'])
const installed: ReadonlySet<ProgressState> = new Set(['succeeded', 'already_current'])
const broken: ReadonlySet<ProgressState> = new Set(['failed', 'rolled_back', 'timed_out'])

export const isInFlight = (device: DeviceView) => device.state !== 'planned' && !isTerminal(device.state)
export const isInstalled = (device: DeviceView) => installed.has(device.state)
export const isBroken = (device: DeviceView) => broken.has(device.state)
/** Told that it takes the version on, whatever became of it; a refusal (does not fit) is no failure of the version. */
export const hasAccepted = (device: DeviceView) => rank(device.state) >= rank('accepted') && !closed.has(device.state)
const closed: ReadonlySet<ProgressState> = new Set(['rejected', 'unreachable', 'cancelled', 'superseded'])

/** The device's state after its report and the clock. Once it has taken too long only an end corrects that: what it was
 *  doing last it may be doing for ever. */
function observe(device: DeviceView, installTimeoutMs: number, nowMs: number): DeviceView {
  if (device.state === 'planned' || device.state === 'cancelled' || device.state === 'superseded') return device
  const { reported } = device
  if (device.withdrawn) {
    return device.backOnPrevious && !isBroken(device) ? { ...device, state: 'rolled_back' } : device
  }
  const said = reported !== undefined && advances(device.state, reported.state) ? { ...device, ...reported } : device
  const overdue = device.offeredAt !== null && nowMs - device.offeredAt >= installTimeoutMs
  return overdue && isInFlight(said) ? { ...said, state: 'timed_out', reason: null } : said
}

function advance(
  rollout: RolloutView,
  judge: (index: number, devices: readonly DeviceView[]) => StageVerdict,
  nowMs: number,
): Action[] {
  const { plan, stages, devices } = rollout
  const stage = stages.find(({ state }) => state !== 'passed')
  if (stage === undefined) return complete(devices)
  if (stage.state === 'pending') {
    return [{ do: 'stage', index: stage.index, state: 'admitting' }, ...offers(plan, stage.index, devices)]
  }

  const verdict = judge(stage.index, devices)
  const failing = verdict.gates.filter((gate) => gate.outcome === 'fail')
  if (failing.length > 0) {
    const reason = `stage ${stage.name} failed: ${failing.map((gate) => `${gate.metric}: ${gate.sentence}`).join('; ')}`
    return [
      { do: 'stage', index: stage.index, state: 'failed', verdict },
      { do: 'rollout', state: plan.onFail !== 'pause' ? 'rolling_back' : 'paused', reason },
    ]
  }

  const waitedMs = nowMs - (stage.admittingSince ?? nowMs)
  const ready = isQuorate(plan.quorum, stage.index, devices)
  const offering = offers(plan, stage.index, devices)
  if (stage.state === 'admitting' && ready && offering.length === 0) {
    return [{ do: 'stage', index: stage.index, state: 'baking' }]
  }
  const bakedMs = nowMs - (stage.bakingSince ?? nowMs)
  const bakeMs = plan.stages[stage.index]?.bakeMs ?? 0
  if (stage.state === 'baking' && verdict.outcome === 'pass' && ready && bakedMs >= bakeMs) {
    return [{ do: 'stage', index: stage.index, state: 'passed', verdict }]
  }
  if (waitedMs >= plan.stageTimeLimitMs) {
    const why = ready ? undecidedSentence(verdict) : quorumSentence(stage.index, devices)
    return [
      { do: 'stage', index: stage.index, state: 'inconclusive', verdict },
      { do: 'rollout', state: 'paused', reason: `stage ${stage.name} is undecided at its time limit: ${why}` },
    ]
  }
  return offering
}

/** Enough devices of the stage installed, and none is still at it. */
function isQuorate(quorum: number, stage: number, devices: readonly DeviceView[]): boolean {
  const members = devices.filter((device) => device.stage === stage)
  const settled = devices.every((device) => device.stage > stage || !isInFlight(device))
  return settled && members.filter(isInstalled).length >= Math.max(1, Math.ceil(quorum * members.length))
}

/** The next devices to offer to: of this stage or an earlier one, connected, not tried yet, as many as may run at once. */
function offers(plan: RolloutPlan, stage: number, devices: readonly DeviceView[]): Action[] {
  const free = Math.max(0, plan.concurrency - devices.filter(isInFlight).length)
  return devices
    .filter((device) => device.stage <= stage && device.state === 'planned' && device.online)
    .slice(0, free)
    .map(({ device }) => ({ do: 'offer', device, as: 'offered' }))
}

/** Who was away all the time gets the version when it returns, with its own probation, outside the gates. */
function complete(devices: readonly DeviceView[]): Action[] {
  const late = devices.filter(({ state }) => state === 'planned')
  const running = devices.filter(isInstalled).length
  return [
    ...late.map(({ device }): Action => ({ do: 'offer', device, as: 'unreachable' })),
    {
      do: 'rollout',
      state: 'completed',
      reason: `${running} of ${devices.length} devices run it${late.length > 0 ? `, ${late.length} were away and get it when they return` : ''}`,
    },
  ]
}

/** One that has timed out may still come back and install it: it is asked for nothing any more, and stays a failure. */
const withdrawInactive = (devices: readonly DeviceView[], as: ProgressState): Action[] =>
  devices.flatMap(({ device, state, withdrawn, reported }): Action[] => {
    if (withdrawn) return []
    if (inactive.has(state)) return [{ do: 'withdraw', device, as }]
    const isSilent = state === 'timed_out' && (reported === undefined || inactive.has(reported.state))
    return isSilent ? [{ do: 'withdraw', device, as: state }] : []
  })

/** Asks the old version back wherever the new one was wanted, then waits for the devices that are connected. */
function takeBack(devices: readonly DeviceView[]): Action[] {
  const asked = devices.filter((device) => device.state !== 'planned' && !device.withdrawn)
  if (asked.length > 0) {
    return asked.map(({ device, state }) => ({ do: 'withdraw', device, as: inactive.has(state) ? 'cancelled' : state }))
  }
  const returning = devices.filter((device) => device.withdrawn && !device.backOnPrevious)
  if (returning.some((device) => device.online)) return []
  const away = returning.length
  return [
    {
      do: 'rollout',
      state: 'rolled_back',
      reason: `every connected device is back on what it ran before${away > 0 ? `; ${away} are away and go back when they return` : ''}`,
    },
  ]
}

const undecidedSentence = ({ gates }: StageVerdict) =>
  gates
    .filter((gate) => gate.outcome === 'undecided')
    .map((gate) => `${gate.metric}: ${gate.sentence}`)
    .join('; ')

function quorumSentence(stage: number, devices: readonly DeviceView[]): string {
  const members = devices.filter((device) => device.stage === stage)
  const away = members.filter((device) => device.state === 'planned').length
  return `${members.filter(isInstalled).length} of ${members.length} devices installed it, ${away} were never there to be asked`
}
