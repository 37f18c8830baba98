// How long a rollout takes at the least, and after how long each stage would wait for a person: from pace, concurrency,
// windows and bake times. Holds and approvals take as long as people do, and are not in here.

import type { Drawn } from './draw.ts'
import type { RolloutPlan } from './plan.ts'
import { opensAt, openTimeAfter } from './window.ts'

/** What one installation is taken to last. Nobody knows before; it only matters beside concurrency. */
export const assumedInstallMs = 60_000
const minuteMs = 60_000

/** Since the start, ms. */
export type StageTiming = {
  beginsMs: number
  /** Every device has been offered it, and installed it. */
  installedMs: number
  /** It has been watched for its bake time. */
  passesMs: number
  /** After so long in the stage it pauses, if it has not passed. */
  timeLimitMs: number
}

/** @param timezones of the devices that have one  @param nowMs hub time: windows depend on it */
export function stageTimings(
  plan: RolloutPlan,
  drawn: readonly Drawn[],
  timezones: ReadonlyMap<string, string>,
  nowMs: number,
): StageTiming[] {
  let at = nowMs
  return plan.stages.map((stage, i) => {
    const beginsMs = at - nowMs
    const members = drawn.filter((device) => device.stage === i || device.servesFrom === i)
    const installedAt = installedBy(
      plan,
      members.map(({ device }) => timezones.get(device)),
      at,
    )
    at = installedAt + stage.bakeMs
    const timeLimitMs = stage.timeLimitMs ?? plan.stageTimeLimitMs
    return { beginsMs, installedMs: installedAt - nowMs, passesMs: at - nowMs, timeLimitMs }
  })
}

/** Busy for so long until the last of so many devices has installed. */
export function busyFor({ pace, concurrency }: Pick<RolloutPlan, 'pace' | 'concurrency'>, devices: number): number {
  const inTurns = Math.ceil(devices / concurrency) * assumedInstallMs
  const atPace = pace === undefined ? 0 : ((devices - 1) / pace.devicesPerMinute) * minuteMs + assumedInstallMs
  return Math.round(Math.max(inTurns, atPace))
}

function installedBy(plan: RolloutPlan, timezones: readonly (string | undefined)[], atMs: number): number {
  const { window } = plan
  if (window === undefined) return atMs + busyFor(plan, timezones.length)
  const zones = [...Map.groupBy(timezones, (zone) => zone ?? '')]
  return Math.max(
    atMs,
    ...zones.map(([zone, members]) => openTimeAfter(window, zone, atMs, busyFor(plan, members.length)) ?? atMs),
  )
}

/** The longest that a device's window stays closed from any hour of the coming four weeks on, ms. */
export function longestClosed(
  window: NonNullable<RolloutPlan['window']>,
  timezone: string | undefined,
  nowMs: number,
): number {
  let longest = 0
  const endMs = nowMs + 28 * 1_440 * minuteMs
  for (let at = nowMs; at < endMs; at += 60 * minuteMs) {
    const opening = opensAt(window, timezone, at)
    if (opening === undefined) return Number.POSITIVE_INFINITY
    longest = Math.max(longest, opening - at)
    at = Math.max(at, opening)
  }
  return longest
}
