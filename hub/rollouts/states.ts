// The states of a rollout, of its stages and of its devices, as `decide` sees them, and what may be said of a device.

import type { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { isTerminal, progressStates } from '@roost/shared/protocol/progress.ts'
import type { StageVerdict } from './evidence/judge.ts'
import type { RolloutPlan } from './plan/plan.ts'

export const rolloutStates = [
  'draft',
  'awaiting_approval',
  'rejected',
  'running',
  'paused',
  'rolling_back',
  'completed',
  'rolled_back',
  'aborted',
  'superseded',
] as const
export type RolloutState = (typeof rolloutStates)[number]

/** Why a rollout is paused. `operator`: a person did it; `gate`: one failed; `undecided`: at the time limit, or where the
 *  quorum of a stage cannot come about any more; `budget`:
 *  more failed installations than the plan bears; `rejected`: an approver said no to a stage; `revoked`: an approval of
 *  the version was taken back. */
export const pauseKinds = ['operator', 'gate', 'undecided', 'budget', 'rejected', 'revoked'] as const
export type PauseKind = (typeof pauseKinds)[number]

/** `held`: a person must say go. `open`: the last stage of a dynamic rollout, passed once, that devices still join. */
export const stageStates = [
  'pending',
  'held',
  'admitting',
  'baking',
  'open',
  'passed',
  'failed',
  'inconclusive',
] as const
export type StageState = (typeof stageStates)[number]

export type StageView = {
  index: number
  name: string
  state: StageState
  /** Hub time, ms. */
  admittingSince: number | null
  bakingSince: number | null
  /** A person has said go. */
  released: boolean
  /** Approvers who said yes to this stage and still count. */
  approvals: number
}

/** `primary`: the version answers. `shadow`: it runs beside what answers. */
export type DeviceRole = 'primary' | 'shadow'

export type DeviceView = {
  device: string
  /** The first stage it takes part in. */
  stage: number
  /** The first stage in which the version answers there: later than `stage` for one that is in shadow before. */
  servesFrom: number
  state: ProgressState
  reason: FailureReason | null
  attempt: number
  /** What it was last offered as. */
  role: DeviceRole
  /** When the current attempt was offered, and when it last moved in it; hub time, ms. */
  offeredAt: number | null
  progressAt: number | null
  /** The old version has been asked back. */
  withdrawn: boolean
  /** An operator has seen that this attempt failed and gone on. */
  acknowledged: boolean
  online: boolean
  /** Revoked since: nothing can be wanted of it any more. */
  gone: boolean
  /** Failed too often lately: not offered anything until then; hub time, ms. */
  asideUntil: number | null
  /** IANA name, for the maintenance window; null: the plan's. */
  timezone: string | null
  /** What the device says of the target in this attempt; undefined while it has said nothing. */
  reported: { state: ProgressState; reason: FailureReason | null } | undefined
  /** Whether the device says that it runs what it ran before the rollout (or nothing, if it ran nothing). */
  backOnPrevious: boolean
  /** How often its runtime died with the version since it was offered, where that is the version's failure; else 0. */
  deaths: number
}

/** A device as it is before anything was wanted of it. */
export const plannedDevice = (device: string, stage: number, servesFrom = stage): DeviceView => ({
  device,
  stage,
  servesFrom,
  state: 'planned',
  reason: null,
  attempt: 0,
  role: 'primary',
  offeredAt: null,
  progressAt: null,
  withdrawn: false,
  acknowledged: false,
  online: true,
  gone: false,
  asideUntil: null,
  timezone: null,
  reported: undefined,
  backOnPrevious: false,
  deaths: 0,
})

export const pendingStage = (index: number, name: string): StageView => ({
  index,
  name,
  state: 'pending',
  admittingSince: null,
  bakingSince: null,
  released: false,
  approvals: 0,
})

export type RolloutView = {
  state: RolloutState
  /** Null unless `paused`. */
  pausedBy: PauseKind | null
  plan: RolloutPlan
  stages: readonly StageView[]
  devices: readonly DeviceView[]
}

/** `offer`: want the new version there; `unreachable`: for when it returns. `withdraw`: want the old one there again, the
 *  device's state being `as` from then on. `retry`: what failed may be offered again. `acknowledge`: their failures
 *  were seen. `release`: a person lets the stage begin. */
export type Action =
  | { do: 'device'; device: string; state: ProgressState; reason: FailureReason | null }
  | { do: 'offer'; device: string; as: 'offered' | 'unreachable'; role: DeviceRole }
  | { do: 'withdraw'; device: string; as: ProgressState }
  | { do: 'retry'; devices: readonly string[] }
  | { do: 'acknowledge'; devices: readonly string[] }
  | { do: 'stage'; index: number; state: StageState; verdict?: StageVerdict }
  | { do: 'release'; index: number; by: string }
  | { do: 'rollout'; state: RolloutState; reason: string; kind?: PauseKind }

/** The verdict over the devices of the stages up to `index`, given the devices as just observed: its gates in the order
 *  of `gatesOf(plan, index)`. */
export type Judge = (index: number, devices: readonly DeviceView[]) => StageVerdict

export const gatesOf = (plan: RolloutPlan, stage: number) => plan.stages[stage]?.gates ?? plan.gates

const rank = (state: ProgressState) => progressStates.indexOf(state)

/** States in which the device holds the version but does not run it: what a pause takes back. */
const inactive: ReadonlySet<ProgressState> = new Set(['offered', 'accepted', 'deferred', 'downloading', 'staged'])
const installed: ReadonlySet<ProgressState> = new Set(['succeeded', 'already_current'])
const broken: ReadonlySet<ProgressState> = new Set(['failed', 'rolled_back', 'timed_out'])
const closed: ReadonlySet<ProgressState> = new Set(['rejected', 'unreachable', 'cancelled', 'superseded'])

export const isInactive = (state: ProgressState): boolean => inactive.has(state)
const isShadowing = ({ role, state }: DeviceView): boolean => role === 'shadow' && state === 'shadowing'
/** What it was offered as, it is. */
export const isInPlace = (device: DeviceView): boolean => installed.has(device.state) || isShadowing(device)
export const isInFlight = (device: DeviceView): boolean =>
  device.state !== 'planned' && !isTerminal(device.state) && !isShadowing(device)
/** The version answers there, for good as far as the device knows. */
export const isInstalled = (device: DeviceView): boolean => installed.has(device.state)
/** Failed, took the version back by itself, or took too long. What we have taken back ourselves is not broken. */
export const isBroken = (device: DeviceView): boolean =>
  broken.has(device.state) && !(device.state === 'rolled_back' && device.withdrawn)
/** It runs the version, as far as it knows for good, and the version dies there again and again. */
export const keepsDying = ({ state, reason, reported }: DeviceView): boolean =>
  state === 'failed' && reason === 'crash' && reported !== undefined && installed.has(reported.state)
/** Broken, and nobody has gone on from it. */
export const countsAsFailure = (device: DeviceView): boolean => isBroken(device) && !device.acknowledged
/** Told that it takes the version on, whatever became of it; a refusal (does not fit) is no failure of the version. */
export const hasAccepted = (device: DeviceView): boolean =>
  rank(device.state) >= rank('accepted') && !closed.has(device.state)

/** What a device is wanted as while the rollout is at `stage`; undefined before its turn. */
export function roleAt(device: Pick<DeviceView, 'stage' | 'servesFrom'>, stage: number): DeviceRole | undefined {
  if (stage >= device.servesFrom) return 'primary'
  return stage >= device.stage ? 'shadow' : undefined
}

/** Whether the stage brings the version to this device, as shadow or to answer. */
export const isOf = (device: Pick<DeviceView, 'stage' | 'servesFrom'>, stage: number): boolean =>
  device.stage === stage || device.servesFrom === stage
