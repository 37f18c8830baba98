// The plan of a rollout that names none.

import { devicesWithin } from './draw.ts'
import { RolloutPlan } from './plan.ts'

const hourMs = 3_600_000

/** A canary, half, all; two hours and ten minutes of watching at least: what a rollout gets that names no plan, save in
 *  a group of one or two (`defaultPlanFor`). */
export const defaultPlan: RolloutPlan = RolloutPlan.parse({
  stages: [
    { name: 'canary', percent: 10, bakeMs: hourMs },
    { name: 'half', percent: 50, bakeMs: hourMs },
    { name: 'all', percent: 100, bakeMs: hourMs / 6 },
  ],
})

/** The default plan for so many devices. Stages that end at the same device are one, watched for as long as the longest
 *  of them: one device is its own canary. */
export function defaultPlanFor(devices: number): RolloutPlan {
  const merged = Map.groupBy(defaultPlan.stages, ({ percent }) => devicesWithin(percent ?? 100, devices))
  const stages = [...merged.values()].flatMap((same) => {
    const last = same.at(-1)
    return last === undefined ? [] : [{ ...last, bakeMs: Math.max(...same.map(({ bakeMs }) => bakeMs)) }]
  })
  return { ...defaultPlan, stages }
}
