// What a rollout does next: a pure function of its state, what the devices reported and the time.
// The engine stores what is decided here in one batch, so that a hub killed at any moment decides the same again.
// Automation pauses, takes back and passes stages with evidence; it passes no hold, and advances on nothing undecided.

import { isTerminal } from '@roost/shared/protocol/progress.ts'
import { counted, named } from '../wording.ts'
import type { StageVerdict } from './evidence/judge.ts'
import { observe } from './observe.ts'
import { offers, waiting } from './offers.ts'
import type { OnFail, OnUndecided } from './plan/gate-answers.ts'
import type { PlannedStage, RolloutPlan } from './plan/plan.ts'
import { isQuorate, outOfReach, quorumSentence } from './quorum.ts'
import {
  type Action,
  countsAsFailure,
  type DeviceView,
  gatesOf,
  isBroken,
  isInactive,
  isInstalled,
  isOf,
  type Judge,
  type PauseKind,
  type RolloutView,
  type StageView,
} from './states.ts'

export type { Action, DeviceView, Judge, RolloutState, RolloutView, StageState, StageView } from './states.ts'
export { countsAsFailure, hasAccepted, isBroken, isInFlight, isInstalled, rolloutStates } from './states.ts'

/** Idempotent: carried out and asked again at the same time it decides nothing more of the same.
 *  @param judge is asked about the stages of `stagesJudged` only
 *  @param nowMs hub time */
export function decide(rollout: RolloutView, judge: Judge, nowMs: number): Action[] {
  if (rollout.state === 'draft' || rollout.state === 'awaiting_approval' || rollout.state === 'rejected') return []
  const observed = rollout.devices.map((device) => observe(device, rollout.plan, nowMs))
  const news = observed.flatMap((device, i): Action[] =>
    device.state === rollout.devices[i]?.state
      ? []
      : [{ do: 'device', device: device.device, state: device.state, reason: device.reason }],
  )
  const now = { ...rollout, devices: observed }
  const verdicts = new Map<number, StageVerdict>()
  const once: Judge = (index, devices) => {
    const verdict = verdicts.get(index) ?? judge(index, devices)
    verdicts.set(index, verdict)
    return verdict
  }
  switch (rollout.state) {
    case 'running':
      return [...news, ...(watch(rollout, now, once) ?? advance(now, once, nowMs))]
    case 'paused': {
      const failed = watch(rollout, now, once)
      return [...news, ...(failed ?? []), ...withdrawInactive(untouched(observed, failed), 'planned')]
    }
    case 'aborted':
    case 'superseded':
      return [...news, ...withdrawInactive(observed, closing[rollout.state])]
    case 'rolling_back':
      return [...news, ...takeBack(observed)]
    case 'completed':
      return [...news, ...lateOffers(rollout.plan, observed, nowMs)]
    case 'rolled_back':
      return news
  }
}

const closing = { aborted: 'cancelled', superseded: 'superseded' } as const

/** The stages that `decide` asks the judge about, given the same rollout and time: the one at hand (while it is held, the
 *  one before), and those that had passed and lose a device now. */
export function stagesJudged(rollout: RolloutView, nowMs: number): number[] {
  const observed = rollout.devices.map((device) => observe(device, rollout.plan, nowMs))
  const watched = watchedStage(rollout)
  return [...new Set([...fallen(rollout, observed), ...(watched === undefined ? [] : [watched.index])])]
}

const stageAtHand = ({ stages }: Pick<RolloutView, 'stages'>): StageView | undefined =>
  stages.find(({ state }) => state !== 'passed')

/** Where something can fail: also while the next stage waits for a person, or the rollout is paused. */
export function watchedStage(rollout: Pick<RolloutView, 'state' | 'stages'>): StageView | undefined {
  if (rollout.state !== 'running' && rollout.state !== 'paused') return undefined
  const stage = stageAtHand(rollout)
  if (stage === undefined || stage.state === 'failed') return undefined
  return stage.state === 'pending' || stage.state === 'held' ? rollout.stages[stage.index - 1] : stage
}

/** Passed stages of which a device is broken now that was not before: what it said then was not the end of it. */
function fallen({ stages, devices }: RolloutView, observed: readonly DeviceView[]): number[] {
  const lost = observed.filter((device, i) => {
    const before = devices[i]
    return countsAsFailure(device) && before !== undefined && !isBroken(before)
  })
  return stages
    .filter(({ state, index }) => state === 'passed' && lost.some((device) => isOf(device, index)))
    .map(({ index }) => index)
}

/** What follows where something fails; undefined where nothing does.
 *  @param now the rollout with its devices as just observed */
function watch(before: RolloutView, now: RolloutView, judge: Judge): Action[] | undefined {
  const watched = watchedStage(now)
  const reopened = now.state === 'running' || watched !== undefined ? fallen(before, now.devices) : []
  const verdicts: Action[] = []
  for (const index of [...new Set([...reopened, ...(watched === undefined ? [] : [watched.index])])]) {
    const stage = now.stages[index]
    if (stage === undefined) continue
    const verdict = judge(index, now.devices)
    const failing = verdict.gates.filter((gate) => gate.outcome === 'fail')
    if (failing.length > 0) {
      const reason = `stage ${stage.name} failed: ${failing.map((gate) => `${gate.metric}: ${gate.sentence}`).join('; ')}`
      return react(now, stage, { verdict, answer: answerTo(now.plan, index, verdict), kind: 'gate', reason })
    }
    if (reopened.includes(index)) verdicts.push({ do: 'stage', index, state: 'passed', verdict })
  }
  const stage = stageAtHand(now) ?? now.stages.at(-1)
  const spent = watched === undefined ? undefined : overBudget(now)
  if (spent !== undefined && stage !== undefined) {
    const answer = now.plan.stages[stage.index]?.onFail ?? now.plan.onFail
    return react(now, stage, { answer, kind: 'budget', reason: spent })
  }
  return verdicts.length > 0 ? verdicts : undefined
}

/** More failed installations than the plan bears, in the whole rollout. */
function overBudget({ plan, devices }: RolloutView): string | undefined {
  const share = plan.failuresMaxPercent
  const max = plan.failuresMax ?? (share === undefined ? undefined : Math.floor((share / 100) * devices.length))
  if (max === undefined) return undefined
  const failed = devices.filter(countsAsFailure).length
  if (failed <= max) return undefined
  const allowed = share === undefined ? `${max}` : `${max} (${share} % of ${counted(devices.length, 'device')})`
  return `${counted(failed, 'failed installation')} in the whole rollout, its plan bears ${allowed}`
}

const severity: readonly OnFail[] = ['pause', 'rollback_stage', 'rollback']

/** The sternest answer among those of the gates that fail. */
function answerTo(plan: RolloutPlan, stage: number, { gates }: StageVerdict): OnFail {
  const fallback = plan.stages[stage]?.onFail ?? plan.onFail
  const answers = gates.flatMap((gate, i) =>
    gate.outcome === 'fail' ? [gatesOf(plan, stage)[i]?.onFail ?? fallback] : [],
  )
  return severity.findLast((answer) => answers.includes(answer)) ?? fallback
}

type Failure = { verdict?: StageVerdict; answer: OnFail; kind: PauseKind; reason: string }

/** A stage may fail again while the rollout is paused for another reason. */
function react(rollout: RolloutView, stage: StageView, { verdict, answer, kind, reason }: Failure): Action[] {
  const failed: Action = {
    do: 'stage',
    index: stage.index,
    state: 'failed',
    ...(verdict === undefined ? {} : { verdict }),
  }
  if (answer === 'rollback') return [failed, ...rollBack(rollout, reason)]
  const paused: Action = { do: 'rollout', state: 'paused', reason, kind }
  return answer === 'pause' ? [failed, paused] : [failed, ...rollBackStage(rollout, stage.index), paused]
}

/** Takes the version back from the devices of the stage and of those after it, which begin anew when it does. */
export function rollBackStage({ stages, devices }: RolloutView, stage: number): Action[] {
  const later = stages.filter(({ index, state }) => index > stage && state !== 'pending')
  const touched = devices.filter(
    (device) =>
      (device.stage >= stage || device.servesFrom >= stage) &&
      device.state !== 'planned' &&
      device.state !== 'cancelled' &&
      !device.withdrawn,
  )
  return [
    ...later.map(({ index }): Action => ({ do: 'stage', index, state: 'pending' })),
    ...touched.map(
      (device): Action => ({ do: 'withdraw', device: device.device, as: isBroken(device) ? device.state : 'planned' }),
    ),
  ]
}

const untouched = (devices: readonly DeviceView[], actions: readonly Action[] | undefined): DeviceView[] => {
  const touched = new Set(actions?.flatMap((action) => (action.do === 'withdraw' ? [action.device] : [])))
  return devices.filter(({ device }) => !touched.has(device))
}

function advance(rollout: RolloutView, judge: Judge, nowMs: number): Action[] {
  const { plan, devices } = rollout
  const stage = stageAtHand(rollout)
  if (stage === undefined) return complete(plan, devices, nowMs)
  const { index } = stage
  const planned = plan.stages[index]
  if (stage.state === 'pending' || stage.state === 'held') {
    if (mayBegin(planned, stage))
      return [{ do: 'stage', index, state: 'admitting' }, ...offers(plan, index, devices, nowMs)]
    return stage.state === 'held' ? [] : [{ do: 'stage', index, state: 'held' }]
  }
  const offering = offers(plan, index, devices, nowMs)
  if (stage.state === 'open') return offering
  if (stage.state !== 'admitting' && stage.state !== 'baking') return []

  const ready = isQuorate(plan.quorum, index, devices)
  const isLast = index === plan.stages.length - 1
  const left = waiting(plan, index, devices, nowMs, isLast)
  if (stage.state === 'admitting' && ready && left.length === 0) return [{ do: 'stage', index, state: 'baking' }]

  const verdict = judge(index, devices)
  const lost = isLast && plan.dynamic ? undefined : outOfReach(plan.quorum, index, devices)
  if (lost?.isNews === true) {
    const why = `${lost.sentence}: ${quorumSentence(plan, index, devices, nowMs)}`
    return undecided(rollout, stage, verdict, why, '')
  }
  const baked = stage.bakingSince !== null && nowMs - stage.bakingSince >= (planned?.bakeMs ?? 0)
  if (stage.state === 'baking' && verdict.outcome === 'pass' && ready && baked && left.length === 0) {
    return [{ do: 'stage', index, state: isLast && plan.dynamic ? 'open' : 'passed', verdict }]
  }
  if (nowMs - (stage.admittingSince ?? nowMs) >= timeLimitOf(plan, index)) {
    const why = undecidedSentence(verdict) ?? quorumSentence(plan, index, devices, nowMs)
    return undecided(rollout, stage, verdict, why)
  }
  return offering
}

export const timeLimitOf = (plan: RolloutPlan, stage: number): number =>
  plan.stages[stage]?.timeLimitMs ?? plan.stageTimeLimitMs

/** So many approvals where the plan asks for some, else a person's word where it says `hold`. */
export function mayBegin(planned: PlannedStage | undefined, { approvals, released }: StageView): boolean {
  if (planned === undefined) return false
  return planned.approvals > 0 ? approvals >= planned.approvals : !planned.hold || released
}

/** @param when what follows `is undecided` in the reason */
function undecided(
  rollout: RolloutView,
  stage: StageView,
  verdict: StageVerdict,
  why: string,
  when = ' at its time limit',
): Action[] {
  const { plan } = rollout
  const reason = `stage ${stage.name} is undecided${when}: ${why}`
  const ended: Action = { do: 'stage', index: stage.index, state: 'inconclusive', verdict }
  return undecidedAnswer(plan, stage.index, verdict) === 'rollback'
    ? [ended, ...rollBack(rollout, reason)]
    : [ended, { do: 'rollout', state: 'paused', reason, kind: 'undecided' }]
}

function undecidedAnswer(plan: RolloutPlan, stage: number, { gates }: StageVerdict): OnUndecided {
  const fallback = plan.stages[stage]?.onUndecided ?? plan.onUndecided
  const answers = gates.flatMap((gate, i) =>
    gate.outcome === 'undecided' ? [gatesOf(plan, stage)[i]?.onUndecided ?? fallback] : [],
  )
  return answers.length === 0 ? fallback : answers.includes('rollback') ? 'rollback' : 'pause'
}

/** Who was away all the time gets the version when it returns, with its own probation, outside the gates. */
function complete(plan: RolloutPlan, devices: readonly DeviceView[], nowMs: number): Action[] {
  const left = devices.filter(
    ({ state, role, gone }) => !gone && (state === 'planned' || (role === 'shadow' && state === 'shadowing')),
  )
  const late = left.filter(({ asideUntil }) => asideUntil === null || asideUntil <= nowMs)
  const offered = late.map(({ device }): Action => ({ do: 'offer', device, as: 'unreachable', role: 'primary' }))
  const kept = left.filter((device) => !late.includes(device))
  // what is wanted now would be fetched at whatever time the device returns
  const closing = kept.map(({ device }): Action => ({ do: 'device', device, state: 'cancelled', reason: null }))
  return [
    ...(plan.window === undefined ? offered : closing),
    { do: 'rollout', state: 'completed', reason: completedSentence(plan, devices, left, late) },
  ]
}

/** Of a rollout with a maintenance window, after its end: who has come back, when its window is open. */
const lateOffers = (plan: RolloutPlan, devices: readonly DeviceView[], nowMs: number): Action[] =>
  plan.window === undefined ? [] : offers(plan, plan.stages.length - 1, devices, nowMs)

/** Stays true when devices have moved on: it speaks of the end, and names who needs a look. */
function completedSentence(
  { window }: RolloutPlan,
  devices: readonly DeviceView[],
  left: readonly DeviceView[],
  late: readonly DeviceView[],
): string {
  const there = devices.filter(isInstalled).length
  const rest = devices.filter((device) => !isInstalled(device) && !left.includes(device) && !device.gone)
  return [
    `every stage passed; ${there} of ${counted(devices.length, 'device')} had it at the end`,
    ...who(`away, and to get it on return${window === undefined ? '' : ', within the maintenance window'}`, late),
    ...who(
      'left out after failing too often',
      left.filter((device) => !late.includes(device)),
    ),
    ...who('failed', rest.filter(isBroken)),
    ...who(
      'refused it',
      rest.filter(({ state }) => state === 'rejected'),
    ),
    ...who(
      'gone before it was done',
      rest.filter(({ state }) => state === 'unreachable'),
    ),
    ...who(
      'revoked',
      devices.filter(({ gone }) => gone),
    ),
  ].join('; ')
}

const who = (what: string, devices: readonly DeviceView[]): string[] =>
  devices.length === 0 ? [] : [`${what}: ${named(devices.map(({ device }) => device))}`]

const isGivenUp = ({ state }: DeviceView): boolean => state === 'timed_out' || state === 'unreachable'

/** One that has timed out or is away may still come back and install it: it is asked for nothing any more, and the one
 *  stays a failure. A shadow goes as well. */
const withdrawInactive = (devices: readonly DeviceView[], as: 'planned' | 'cancelled' | 'superseded'): Action[] =>
  devices.flatMap((device): Action[] => {
    const { state, withdrawn, reported, role } = device
    if (withdrawn || nothingWanted.has(state)) return []
    const leaves = isInactive(state) || (role === 'shadow' && !isTerminal(state))
    if (leaves) return [{ do: 'withdraw', device: device.device, as }]
    if (role === 'shadow' && state !== 'unreachable') return [{ do: 'withdraw', device: device.device, as: state }]
    const isSilent = isGivenUp(device) && (reported === undefined || isInactive(reported.state))
    return isSilent ? [{ do: 'withdraw', device: device.device, as: state === 'unreachable' ? as : state }] : []
  })

/** The old version is wanted again everywhere in the moment in which the rollout begins to go back: whoever takes it over
 *  then finds no device on the new one. */
export const rollBack = ({ devices }: RolloutView, reason: string): Action[] => [
  { do: 'rollout', state: 'rolling_back', reason },
  ...askBack(devices),
]

const askBack = (devices: readonly DeviceView[]): Action[] =>
  devices
    .filter((device) => !nothingWanted.has(device.state) && !device.withdrawn && !device.gone)
    .map(({ device, state }) => ({
      do: 'withdraw',
      device,
      as: isInactive(state) || state === 'shadowing' ? 'cancelled' : state,
    }))

/** Waits for the devices that are connected. */
function takeBack(devices: readonly DeviceView[]): Action[] {
  const asked = askBack(devices)
  if (asked.length > 0) return asked
  const missing = devices.filter(
    (device) => !device.gone && device.offeredAt !== null && device.role === 'primary' && !device.backOnPrevious,
  )
  const returning = missing.filter((device) => !cannotGoBack(device))
  if (returning.some((device) => device.online)) return []
  const sentences = [
    'every connected device was back on what it ran before at the end',
    ...who('away, and to go back on return', returning),
    ...who('unable to go back', missing.filter(cannotGoBack)),
  ]
  return [{ do: 'rollout', state: 'rolled_back', reason: sentences.join('; ') }]
}

/** What it should go back to is not there or failed too: a person must look at the device. */
export const cannotGoBack = ({ reason, reported }: Pick<DeviceView, 'reason' | 'reported'>): boolean =>
  reason === 'unable_to_roll_back' || reported?.reason === 'unable_to_roll_back'

const nothingWanted: ReadonlySet<string> = new Set(['planned', 'cancelled', 'superseded'])

const undecidedSentence = ({ gates }: StageVerdict): string | undefined =>
  gates
    .filter((gate) => gate.outcome === 'undecided')
    .map((gate) => `${gate.metric}: ${gate.sentence}`)
    .join('; ') || undefined
