// What has become of a device: its own report, and the clock where it reports nothing.

import { advances } from '../fleet/progress.ts'
import type { RolloutPlan } from './plan/plan.ts'
import { type DeviceView, isBroken, isInactive, isInFlight, isInstalled } from './states.ts'

/** How long an attempt may last as a whole, and how long it may stand still while the device is there. */
export const attemptMsMax = ({ installTimeoutMs }: RolloutPlan): number => installTimeoutMs
export const standstillMsMax = ({ installTimeoutMs, progressTimeoutMs }: RolloutPlan): number =>
  progressTimeoutMs ?? installTimeoutMs

/** The device's state after its report and the clock. One that has taken too long has timed out, which is a failure, if
 *  it is there or was activating; one that went away before is unreachable, which is none. Once it has timed out only an
 *  end corrects that: what it was doing last it may be doing for ever. One that was unreachable goes on when it returns. */
export function observe(device: DeviceView, plan: RolloutPlan, nowMs: number): DeviceView {
  if (device.state === 'cancelled' || device.state === 'superseded') return device
  if (device.gone)
    return isBroken(device) || device.state === 'rolled_back' ? device : { ...device, state: 'cancelled' }
  if (device.state === 'planned') return device
  const { reported } = device
  if (device.withdrawn) {
    return device.backOnPrevious && !isBroken(device) ? { ...device, state: 'rolled_back' } : device
  }
  const said = reported !== undefined && advances(device.state, reported.state) ? { ...device, ...reported } : device
  if (device.state !== 'unreachable') return withDeaths(withClock(said, device, plan, nowMs))
  // what it was doing before it went away it does again when it is there
  return isInFlight(said) && !device.online ? device : withDeaths(said)
}

/** The device has no complaint: each time it starts the version anew. */
const withDeaths = (device: DeviceView): DeviceView =>
  device.deaths > 0 && isInstalled(device) ? { ...device, state: 'failed', reason: 'crash' } : device

function withClock(said: DeviceView, before: DeviceView, plan: RolloutPlan, nowMs: number): DeviceView {
  if (!isInFlight(said) || said.offeredAt === null) return said
  const overdue = nowMs - said.offeredAt >= attemptMsMax(plan)
  const moved = said.state !== before.state
  const stands = said.online && !moved && nowMs - (said.progressAt ?? said.offeredAt) >= standstillMsMax(plan)
  if (!overdue && !stands) return said
  const away = !said.online && isInactive(said.state)
  return { ...said, state: away ? 'unreachable' : 'timed_out', reason: null }
}
