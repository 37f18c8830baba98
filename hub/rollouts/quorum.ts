// Whether enough devices of a stage are where it wants them, whether they still can be, and what keeps the others. Pure.

import { counted } from '../wording.ts'
import { isInWindow } from './offers.ts'
import type { RolloutPlan } from './plan/plan.ts'
import { type DeviceView, isBroken, isInFlight, isInPlace, isInstalled, isOf } from './states.ts'

/** Enough devices of the stage are where it wants them, and none is still at it. */
export function isQuorate(quorum: number, stage: number, devices: readonly DeviceView[]): boolean {
  const members = devices.filter((device) => isOf(device, stage) && !device.gone)
  const settled = devices.every((device) => device.stage > stage || !isInFlight(device))
  const there = members.filter((device) => isWhereWanted(device, stage)).length
  return settled && there >= Math.max(1, Math.ceil(quorum * members.length))
}

/** Where so many devices of a stage have failed or refused it that its quorum cannot come about any more, whatever the others
 *  do: nothing is won by waiting. One that has timed out may still report a success. `isNews`: nobody has resumed after it
 *  yet. */
export function outOfReach(
  quorum: number,
  stage: number,
  devices: readonly DeviceView[],
): { sentence: string; isNews: boolean } | undefined {
  const members = devices.filter((device) => isOf(device, stage) && !device.gone)
  const isOut = (device: DeviceView) =>
    (isBroken(device) && device.state !== 'timed_out') || device.state === 'rejected'
  const lost = members.filter(isOut)
  const needed = Math.max(1, Math.ceil(quorum * members.length))
  if (lost.length === 0 || members.length - lost.length >= needed) return undefined
  const isNews = lost.some(({ acknowledged }) => !acknowledged)
  return lost.length === members.length
    ? { sentence: 'no device of it can have the version any more', isNews }
    : { sentence: `its quorum of ${counted(needed, 'device')} cannot come about any more`, isNews }
}

/** How many devices of the stage are where it wants them, and what keeps the others. */
export function quorumSentence(
  plan: RolloutPlan,
  stage: number,
  devices: readonly DeviceView[],
  nowMs: number,
): string {
  const members = devices.filter((device) => isOf(device, stage) && !device.gone)
  const count = (holds: (device: DeviceView) => boolean) => members.filter(holds).length
  const planned = members.filter(({ state }) => state === 'planned')
  const aside = planned.filter(({ asideUntil }) => asideUntil !== null && nowMs < asideUntil)
  const closed = planned.filter(
    (device) => device.online && !aside.includes(device) && !isInWindow(plan, device, nowMs),
  )
  const absent = planned.filter((device) => !device.online && !aside.includes(device))
  const others: [number, one: string, many: string][] = [
    [absent.length, 'was never there to be asked', 'were never there to be asked'],
    [aside.length, 'is put aside after failing too often', 'are put aside after failing too often'],
    [closed.length, 'waits for its maintenance window', 'wait for their maintenance window'],
    [count(isInFlight), 'is still installing', 'are still installing'],
    [count(({ state }) => state === 'unreachable'), 'went away before it had it', 'went away before they had it'],
    [count(({ state }) => state === 'rejected'), 'refused it', 'refused it'],
    [
      count(({ state }) => state === 'timed_out'),
      'has timed out and may still come',
      'have timed out and may still come',
    ],
    [count((device) => isBroken(device) && device.state !== 'timed_out'), 'failed', 'failed'],
  ]
  const known = others.flatMap(([number, one, many]) => (number > 0 ? [counted(number, one, many)] : []))
  const there = count((device) => isWhereWanted(device, stage))
  return [`${there} of ${counted(members.length, 'device')} installed it`, ...known].join(', ')
}

/** Shadowing is enough for a stage in shadow only. */
const isWhereWanted = (device: DeviceView, stage: number): boolean =>
  stage >= device.servesFrom ? isInstalled(device) : isInPlace(device)
