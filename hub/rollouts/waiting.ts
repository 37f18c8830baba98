// What a rollout waits for now, and until when: a sentence for people, from the same facts that `decide` goes by.

import { counted } from '../wording.ts'
import { mayBegin, timeLimitOf } from './decide.ts'
import type { GateVerdict } from './gates/verdict.ts'
import { labelOf } from './metrics/list.ts'
import { awaits, isInWindow, paceOpensAt, waiting } from './offers.ts'
import { opensAt } from './plan/window.ts'
import { outOfReach, quorumSentence } from './quorum.ts'
import { gatesOf, isInFlight, type RolloutView, type StageView } from './states.ts'

/** `until`: when it goes on or ends by itself if nothing else happens, hub time, ms; null: a person must act, or nobody
 *  knows. */
export type Waits = { for: string; until: number | null }

/** Undefined where it has ended.
 *  @param gates what the last look said of those of the stage at hand; undefined before the first */
export function waitsFor(
  rollout: RolloutView,
  gates: readonly GateVerdict[] | undefined,
  nowMs: number,
): Waits | undefined {
  switch (rollout.state) {
    case 'draft':
      return { for: 'somebody to start it', until: null }
    case 'awaiting_approval':
      return { for: approvalsLeft(rollout, rollout.stages[0]), until: null }
    case 'paused':
      return { for: `a person: resume, roll back or abort (paused: ${rollout.pausedBy ?? 'operator'})`, until: null }
    case 'rolling_back':
      return { for: backSentence(rollout), until: null }
    case 'running':
      return ofStage(rollout, gates, nowMs)
    default:
      return undefined
  }
}

function approvalsLeft({ plan }: RolloutView, stage: StageView | undefined): string {
  const needed = stage === undefined ? 0 : (plan.stages[stage.index]?.approvals ?? 0)
  return `approvals of stage ${stage?.name}: ${stage?.approvals ?? 0} of ${needed} given`
}

function backSentence({ devices }: RolloutView): string {
  const missing = devices.filter(({ withdrawn, backOnPrevious, online }) => withdrawn && !backOnPrevious && online)
  return `${counted(missing.length, 'connected device')} to be back on what ran there before`
}

function ofStage(rollout: RolloutView, gates: readonly GateVerdict[] | undefined, nowMs: number): Waits {
  const { plan, stages } = rollout
  const stage = stages.find(({ state }) => state !== 'passed')
  if (stage === undefined) return { for: 'its next look: every stage has passed', until: nowMs }
  const planned = plan.stages[stage.index]
  if (stage.state === 'pending' || stage.state === 'held') {
    if (mayBegin(planned, stage)) return { for: `its next look: stage ${stage.name} begins`, until: nowMs }
    if ((planned?.approvals ?? 0) > 0) return { for: approvalsLeft(rollout, stage), until: null }
    return { for: `a person to release stage ${stage.name}`, until: null }
  }
  if (stage.state === 'open') {
    return { for: `devices that join stage ${stage.name}, until somebody advances it`, until: null }
  }
  const limit = (stage.admittingSince ?? nowMs) + timeLimitOf(plan, stage.index)
  if (stage.state === 'baking') {
    const baked = (stage.bakingSince ?? nowMs) + (planned?.bakeMs ?? 0)
    if (nowMs < baked) return { for: `stage ${stage.name} to be watched long enough`, until: Math.min(baked, limit) }
    const left = gatesLeft(rollout, stage, gates)
    if (left.length > 0)
      return { for: `gates of stage ${stage.name} that do not pass yet: ${left.join('; ')}`, until: limit }
  }
  return admission(rollout, stage, nowMs, limit)
}

/** In short: what a comparison found is in the verdict. */
function gatesLeft({ plan }: RolloutView, stage: StageView, gates: readonly GateVerdict[] | undefined): string[] {
  if (gates === undefined) return gatesOf(plan, stage.index).map((gate) => `${labelOf(gate)} (not looked at yet)`)
  return gates.flatMap(({ label, outcome, method, sentence }) =>
    outcome === 'pass' ? [] : [`${label} (${method === 'none' ? sentence : outcome})`],
  )
}

function admission({ plan, devices }: RolloutView, stage: StageView, nowMs: number, limit: number): Waits {
  const flying = devices.filter(isInFlight).length
  if (flying > 0) return { for: `${counted(flying, 'device')} still installing`, until: limit }
  const pace = paceOpensAt(plan, devices, nowMs)
  if (pace !== null && waiting(plan, stage.index, devices, nowMs).length > 0) {
    return { for: 'its pace to let the next devices begin', until: Math.min(pace, limit) }
  }
  const closed = devices.filter(
    (device) => awaits(device, stage.index) && device.online && !isInWindow(plan, device, nowMs),
  )
  const { window } = plan
  if (closed.length > 0 && window !== undefined) {
    const opens = closed.map(({ timezone }) => opensAt(window, timezone ?? undefined, nowMs) ?? limit)
    return { for: `the maintenance window of ${counted(closed.length, 'device')}`, until: Math.min(...opens, limit) }
  }
  const lost = outOfReach(plan.quorum, stage.index, devices)
  const far = quorumSentence(plan, stage.index, devices, nowMs)
  if (lost === undefined) return { for: `devices of stage ${stage.name}: ${far}`, until: limit }
  const what = `a person to retry devices of stage ${stage.name}, or to advance it`
  return { for: `${what}: ${lost.sentence} (${far})`, until: limit }
}
