// Which devices belong to which stage of a rollout, and why.
// The draw is a hash, not a shuffle: it can be recomputed and explained years later.

import { createHash } from 'node:crypto'
import { devicesWithin } from './default-plan.ts'
import { type PlannedStage, reachOf } from './plan.ts'

/** `present`: connected when the rollout started; a canary takes devices that are there. */
export type Candidate = { device: string; profile: string; site: string; present: boolean }
/** `rank`: 0 … 1, the device's hash; `stratum`: what it was drawn within; `stage`: index into the stages. */
export type Drawn = { device: string; stage: number; stratum: string; rank: number }

export type EmptyStage = { emptyStage: string; detail: string }

/** Draws each device into the first stage whose cumulative percentage covers its place. Devices stand in line so that
 *  every stratum (profile, site) is spread evenly over the line, those that are present first, then by hash.
 *  A stage that would add nobody is returned as such: an empty canary must never count as a passed one. */
export function drawStages(
  rollout: string,
  candidates: readonly Candidate[],
  stages: readonly PlannedStage[],
): Drawn[] | EmptyStage {
  const line = standInLine(rollout, candidates)
  const ends = stages.map(({ percent, devices }) => devices ?? devicesWithin(percent ?? 100, line.length))
  const empty = stages.findIndex((_, i) => (ends[i] ?? 0) <= (ends[i - 1] ?? 0))
  if (empty >= 0) {
    const stage = stages[empty]
    return {
      emptyStage: stage?.name ?? '',
      detail: `stage ${stage?.name} (${stage === undefined ? '' : reachOf(stage)}) of ${line.length} devices would add none; merge it with the stage before or raise its percentage`,
    }
  }
  return line.map(({ device, stratum, rank }, i) => ({
    device,
    stratum,
    rank,
    stage: ends.findIndex((end) => i < end),
  }))
}

/** First 48 bits of sha256(rollout, device) as a number in [0, 1). */
export function unitHash(rollout: string, device: string): number {
  const digest = createHash('sha256').update(`${rollout}\0${device}`).digest()
  return digest.readUIntBE(0, 6) / 2 ** 48
}

type Placed = { device: string; stratum: string; rank: number; present: boolean; place: number }

function standInLine(rollout: string, candidates: readonly Candidate[]): Placed[] {
  const strata = Map.groupBy(candidates, ({ profile, site }) => `${profile}/${site}`)
  return [...strata]
    .flatMap(([stratum, members]) =>
      members
        .map(({ device, present }) => ({ device, stratum, present, rank: unitHash(rollout, device) }))
        .sort((a, b) => Number(b.present) - Number(a.present) || a.rank - b.rank)
        .map((member, i) => ({ ...member, place: (i + 0.5) / members.length })),
    )
    .sort(
      (a, b) =>
        Number(b.present) - Number(a.present) ||
        a.place - b.place ||
        a.rank - b.rank ||
        a.device.localeCompare(b.device),
    )
}
