// What a stage's judge is told about the stage and its installations, in the engine and in the simulator alike.

import type { StageContext } from '../gates/verdict.ts'
import type { RolloutPlan } from '../plan/plan.ts'
import { countsAsFailure, type DeviceView, gatesOf, hasAccepted, isBroken, keepsDying, roleAt } from '../states.ts'
import type { EvidenceContext } from './gate-evidence.ts'

/** What the error budget is shared over, and where in the plan the stage stands. */
export const stageContext = (plan: RolloutPlan, index: number): StageContext => ({
  gates: gatesOf(plan, index).filter(({ metric }) => metric !== 'installation').length,
  stages: plan.stages.length,
  index,
  isLast: index === plan.stages.length - 1,
  mode: plan.stages[index]?.mode ?? 'canary',
})

/** Devices of the stages so far, by what became of the version there. */
export function installationsOf(devices: readonly DeviceView[], stage: number): EvidenceContext['installations'] {
  const members = devices.filter((device) => roleAt(device, stage) !== undefined)
  const count = (holds: (device: DeviceView) => boolean) => members.filter(holds).length
  return {
    assigned: count(({ offeredAt }) => offeredAt !== null),
    accepted: count(hasAccepted),
    failed: count(isBroken),
    tookBack: count((device) => countsAsFailure(device) && device.state === 'rolled_back'),
    died: count((device) => countsAsFailure(device) && keepsDying(device)),
    refused: count(({ state }) => state === 'rejected'),
    acknowledged: count((device) => isBroken(device) && device.acknowledged),
  }
}
