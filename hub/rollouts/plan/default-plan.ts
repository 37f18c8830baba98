// The plan of a rollout that names none, by how many devices there are and how many of them run another version.

import { RolloutPlan, type WrittenPlan } from './plan.ts'

type WrittenStage = WrittenPlan['stages'][number]

const minuteMs = 60_000
const hourMs = 60 * minuteMs

/** From here on a canary of ten can be told from the rest by drawing again. */
const manyDevices = 40

/** Few devices: shadow, a tenth, half, all, in about three hours. Many: shadow on ten, ten canaries or 1 %, a quarter,
 *  all, in about a day. Shadow only where something runs beside which it could; stages that would add nobody are left
 *  out. A stage that cannot tell waits three days, then for a person.
 *  @param replacing devices that run another version in the deployment */
export function defaultPlanFor(devices: number, replacing = 0): RolloutPlan {
  const stages = devices < manyDevices ? ofFew(devices) : ofMany(devices)
  return RolloutPlan.parse({ stages: [...shadowOf(devices, replacing), ...stages], stageTimeLimitMs: 72 * hourMs })
}

function shadowOf(devices: number, replacing: number): WrittenStage[] {
  if (replacing === 0) return []
  return devices < manyDevices
    ? [{ name: 'shadow', mode: 'shadow', devices: Math.min(replacing, 5), bakeMs: hourMs }]
    : [{ name: 'shadow', mode: 'shadow', devices: Math.min(replacing, 10), bakeMs: 6 * hourMs }]
}

function ofFew(devices: number): WrittenStage[] {
  if (devices === 1) return [{ name: 'all', percent: 100, bakeMs: hourMs }]
  const half: WrittenStage[] = devices === 2 ? [] : [{ name: 'half', percent: 50, bakeMs: hourMs }]
  return [
    { name: 'canary', percent: devices === 2 ? 50 : 10, bakeMs: hourMs },
    ...half,
    { name: 'all', percent: 100, bakeMs: 10 * minuteMs },
  ]
}

function ofMany(devices: number): WrittenStage[] {
  const canary = Math.max(10, Math.ceil(devices / 100))
  const next: WrittenStage =
    canary > devices / 8
      ? { name: 'half', percent: 50, bakeMs: 6 * hourMs }
      : { name: 'quarter', percent: 25, bakeMs: 6 * hourMs }
  return [{ name: 'canary', devices: canary, bakeMs: 12 * hourMs }, next, { name: 'all', percent: 100, bakeMs: hourMs }]
}
