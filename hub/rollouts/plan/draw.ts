// Which devices belong to which stage of a rollout, and why.
// The draw is a hash, not a shuffle: it can be recomputed and explained years later.

import { matches, parseQuery } from '../../fleet/labels.ts'
import { counted } from '../../wording.ts'
import { type InLine, type Standing, standInLine } from './line.ts'
import { type PlannedStage, reachOf } from './plan.ts'

export type Candidate = {
  device: string
  profile: string
  labels: Readonly<Record<string, string>>
  standing: Standing
  /** Whether it runs another version in the deployment: something that a shadow can run beside. */
  replaces: boolean
}

export type Drawn = {
  device: string
  /** Index of the first stage it takes part in. */
  stage: number
  /** Index of the stage in which the version answers there: later than `stage` where it is in shadow before. */
  servesFrom: number
  /** What it was drawn within: `profile/site`. */
  stratum: string
  /** Its hash, 0 … 1, which gave it its turn within the stratum. */
  rank: number
  /** Its place in the line of all, from 1: a stage takes the first of the line. */
  place: number
  standing: Standing
}

/** A plan that these devices cannot meet: `field` is the path within the plan. */
export type DrawRefusal = {
  refused: 'empty-stage' | 'too-many-devices' | 'stages-left-over'
  stage: string
  field: string
  detail: string
}

/** Draws each device into the first stage whose number, percentage or query covers it. Devices put aside are in the last
 *  stage only. In a shadow stage are the first of those devices that run something it could run beside; they are drawn
 *  into a later stage like all others, and count as treated only from then on.
 *  A stage that would add nobody is a refusal: an empty canary must never count as a passed one. */
export function drawStages(
  rollout: string,
  candidates: readonly Candidate[],
  stages: readonly PlannedStage[],
): Drawn[] | DrawRefusal {
  const byDevice = new Map(candidates.map((candidate) => [candidate.device, candidate]))
  const line = standInLine(
    rollout,
    candidates.map(({ device, standing, ...of }) => ({ device, standing, stratum: stratumOf(of) })),
  )
  const serves = new Map<string, number>()
  const shadows = new Map<string, number>()
  for (const [i, stage] of stages.entries()) {
    const isShadow = stage.mode === 'shadow'
    const isLast = i === stages.length - 1
    const taken = isShadow ? shadows : serves
    const free = line.filter(
      ({ device, standing }) =>
        !taken.has(device) &&
        (isLast || standing !== 'aside') &&
        (!isShadow || (byDevice.get(device)?.replaces === true && !serves.has(device))),
    )
    const chosen = choose(stage, free, taken.size, line.length, byDevice)
    if ('refused' in chosen) return { ...chosen, stage: stage.name, field: `stages.${i}` }
    for (const { device } of chosen) taken.set(device, i)
  }
  const last = stages.at(-1)
  if (serves.size < line.length && last !== undefined) {
    return {
      refused: 'stages-left-over',
      stage: last.name,
      field: `stages.${stages.length - 1}`,
      detail: `after stage ${last.name} (${reachOf(last)}), the last, ${line.length - serves.size} of ${counted(line.length, 'device')} would be left without the version; end with "percent": 100`,
    }
  }
  return line.map((one): Drawn => {
    const servesFrom = serves.get(one.device) ?? stages.length - 1
    return { ...placeOf(one), stage: Math.min(shadows.get(one.device) ?? servesFrom, servesFrom), servesFrom }
  })
}

/** Who comes when the rollout has begun joins its last stage, behind all others. */
export function drawLate(
  rollout: string,
  candidates: readonly Candidate[],
  stages: readonly PlannedStage[],
  behind: number,
): Drawn[] {
  const waiting = candidates.map(({ device, standing, ...of }) => ({ device, standing, stratum: stratumOf(of) }))
  const last = stages.length - 1
  return standInLine(rollout, waiting).map((one) => ({
    ...placeOf({ ...one, place: one.place + behind }),
    stage: last,
    servesFrom: last,
  }))
}

const stratumOf = ({ profile, labels }: Pick<Candidate, 'profile' | 'labels'>) => `${profile}/${labels.site ?? ''}`

const placeOf = ({ device, stratum, rank, place, standing }: InLine) => ({ device, stratum, rank, place, standing })

type Choice = readonly InLine[] | Pick<DrawRefusal, 'refused' | 'detail'>

/** @param free those it may take, in line  @param already how many are in stages of its kind before it */
function choose(
  stage: PlannedStage,
  free: readonly InLine[],
  already: number,
  total: number,
  byDevice: ReadonlyMap<string, Candidate>,
): Choice {
  const { name, devices, percent = 100, where } = stage
  if (devices !== undefined && devices > total) {
    return {
      refused: 'too-many-devices',
      detail: `stage ${name} wants ${counted(devices, 'device')}, and there are only ${total}; ask for fewer, or for a percentage`,
    }
  }
  const wanted = devices ?? devicesWithin(percent, total)
  const chosen = where === undefined ? free.slice(0, Math.max(0, wanted - already)) : fitting(where, free, byDevice)
  if (chosen.length > 0) return chosen
  return {
    refused: 'empty-stage',
    detail: `stage ${name} (${reachOf(stage)}) of ${counted(total, 'device')} would add none: ${whyNone(stage, free.length, wanted, already)}`,
  }
}

function fitting(where: string, free: readonly InLine[], byDevice: ReadonlyMap<string, Candidate>): readonly InLine[] {
  const parsed = parseQuery(where)
  if (!parsed.ok) throw new Error(`the query of a stage cannot be read: ${parsed.message}`)
  return free.filter(({ device }) => {
    const candidate = byDevice.get(device)
    return candidate !== undefined && matches(parsed.query, { id: device, ...candidate })
  })
}

function whyNone({ mode, where }: PlannedStage, free: number, wanted: number, already: number): string {
  if (free === 0 && mode === 'shadow')
    return 'none of them runs another version that it could run beside; leave the stage out'
  if (free === 0) return 'the stages before have all that may be in it; leave it out'
  if (where !== undefined) return 'no device that is left fits the query'
  return `the stages before have ${already}, and it reaches ${wanted}; merge it with the one before or raise it`
}

/** How many of the devices a cumulative percentage covers: at least so many. */
export const devicesWithin = (percent: number, devices: number): number => Math.ceil((percent / 100) * devices - 1e-9)
