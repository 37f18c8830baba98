// Who is offered the version next: connected, in turn, not put aside, within the window, as many as concurrency and pace
// allow.

import type { RolloutPlan } from './plan/plan.ts'
import { isOpen } from './plan/window.ts'
import { type Action, type DeviceView, isInFlight, roleAt } from './states.ts'

const minuteMs = 60_000

/** Whether something is still to be wanted of the device when the rollout is at `stage`: the version at all, or that it
 *  answers where it has run in shadow. */
export function awaits(device: DeviceView, stage: number): boolean {
  const role = roleAt(device, stage)
  if (role === undefined || device.gone) return false
  if (device.state === 'planned') return true
  return role === 'primary' && device.role === 'shadow' && device.state === 'shadowing'
}

const isAside = ({ asideUntil }: DeviceView, nowMs: number): boolean => asideUntil !== null && nowMs < asideUntil

/** Those that could be offered it now or soon: what keeps them is pace, concurrency or, where `evenClosed`, the window. */
export function waiting(
  plan: RolloutPlan,
  stage: number,
  devices: readonly DeviceView[],
  nowMs: number,
  evenClosed = false,
): DeviceView[] {
  return devices.filter(
    (device) =>
      awaits(device, stage) &&
      device.online &&
      !isAside(device, nowMs) &&
      (evenClosed || isInWindow(plan, device, nowMs)),
  )
}

export const isInWindow = (
  { window }: RolloutPlan,
  { timezone }: Pick<DeviceView, 'timezone'>,
  nowMs: number,
): boolean => window === undefined || isOpen(window, timezone ?? undefined, nowMs)

export function offers(plan: RolloutPlan, stage: number, devices: readonly DeviceView[], nowMs: number): Action[] {
  const free = Math.max(0, plan.concurrency - devices.filter(isInFlight).length)
  return waiting(plan, stage, devices, nowMs)
    .slice(0, Math.min(free, leftOfPace(plan, devices, nowMs)))
    .map((device) => ({ do: 'offer', device: device.device, as: 'offered', role: roleAt(device, stage) ?? 'primary' }))
}

/** So many may be offered it in each stretch of time; a pace below one a minute is one in a longer stretch. */
function leftOfPace({ pace }: RolloutPlan, devices: readonly DeviceView[], nowMs: number): number {
  if (pace === undefined) return Number.POSITIVE_INFINITY
  const atOnce = Math.max(1, Math.floor(pace.devicesPerMinute))
  const stretchMs = (minuteMs * atOnce) / pace.devicesPerMinute
  const recent = devices.filter(({ offeredAt }) => offeredAt !== null && nowMs - offeredAt < stretchMs).length
  return Math.max(0, atOnce - recent)
}

/** When the pace lets the next device be offered it; null where it does not keep anybody. */
export function paceOpensAt({ pace }: RolloutPlan, devices: readonly DeviceView[], nowMs: number): number | null {
  if (pace === undefined) return null
  const atOnce = Math.max(1, Math.floor(pace.devicesPerMinute))
  const stretchMs = (minuteMs * atOnce) / pace.devicesPerMinute
  const recent = devices.flatMap(({ offeredAt }) =>
    offeredAt !== null && nowMs - offeredAt < stretchMs ? [offeredAt] : [],
  )
  return recent.length < atOnce ? null : Math.min(...recent) + stretchMs
}
