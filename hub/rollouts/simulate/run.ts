// One rollout to a simulated fleet, from the draw to its end, by the same `decide` and the same draw as a real one.

import type { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { type Uniform, uniformFrom } from '../../seeded-random.ts'
import { decide } from '../decide.ts'
import { blockDevicesMax, type DeviceCounts } from '../evidence/counts.ts'
import type { StageVerdict } from '../evidence/judge.ts'
import { type Drawn, type DrawRefusal, drawStages } from '../plan/draw.ts'
import type { RolloutPlan } from '../plan/plan.ts'
import { type DeviceRole, type Judge, pendingStage, plannedDevice, type RolloutView, roleAt } from '../states.ts'
import { applyActions } from './apply.ts'
import { blocksOf, createFleet, type SimulatedDevice, sinceOf } from './fleet.ts'
import { normal } from './samplers.ts'
import { type Effect, type FleetTraits, hourMs } from './scenario.ts'

const minuteMs = 60_000
/** Installing takes three minutes on most devices, on some much longer. */
const installMs = 3 * minuteMs
/** A rollout that has not ended by then has hung: an error of the plan or of ours. */
const hoursMax = 24 * 400

/** Where a rollout is when its judge is asked; `devices`: what is known of each, for this stage. */
export type JudgeContext = {
  times: {
    rollout: string
    plan: RolloutPlan
    nowMs: number
    /** When the stage began to admit, and to bake. */
    sinceMs: number
    bakingSinceMs: number | null
  }
  devices(): DeviceCounts[]
}
export type JudgeStage = (context: JudgeContext, devices: RolloutView['devices'], stage: number) => StageVerdict

export type Ending = {
  state: RolloutView['state']
  pausedBy: RolloutView['pausedBy']
  /** The stage it ended in; null where it completed. */
  stage: string | null
  hours: number
  /** Devices on which the new version ever answered. */
  exposed: number
  /** Metrics of the gates that failed. */
  failed: readonly string[]
}

export type Simulated = { plan: RolloutPlan; traits: FleetTraits; effect: Effect; seed: number }

/** @param judgeStage a new one for every rollout: it may remember what it said
 *  @returns how it ended, or why the plan cannot be met by such a fleet */
export function simulateRollout(
  { plan: written, traits, effect, seed }: Simulated,
  judgeStage: JudgeStage,
): Ending | DrawRefusal {
  // people say go at once
  const plan = { ...written, stages: written.stages.map((stage) => ({ ...stage, hold: false, approvals: 0 })) }
  // a Friday afternoon
  const startMs = Date.UTC(2026, 0, 2, 15)
  const rollout = `r-simulated-${seed}`
  const keepsBlocks = traits.devices <= blockDevicesMax
  const fleet = createFleet(traits, effect, { seed, startMs, keepsBlocks })
  const drawn = drawStages(
    rollout,
    fleet.devices.map(({ id, profile, site, online }) => ({
      device: id,
      profile,
      labels: { site },
      standing: online ? 'present' : 'away',
      replaces: true,
    })),
    plan.stages,
  )
  if ('refused' in drawn) return drawn

  const places = new Map(drawn.map((one) => [one.device, one]))
  const gateway = new Map(
    fleet.devices.map((device, i) => [device.id, createGateway(device, uniformFrom(seed, 1_000_000 + i))]),
  )
  let view: RolloutView = {
    state: 'running',
    pausedBy: null,
    plan,
    stages: plan.stages.map(({ name }, i) => pendingStage(i, name)),
    devices: drawn.map(({ device, stage, servesFrom }) => plannedDevice(device, stage, servesFrom)),
  }
  const exposed = new Set<string>()
  let failed: string[] = []
  let nowMs = startMs

  const judge: Judge = (stage, devices) => {
    const { admittingSince, bakingSince } = view.stages[stage] ?? { admittingSince: null, bakingSince: null }
    const context: JudgeContext = {
      times: { rollout, plan, nowMs, sinceMs: admittingSince ?? nowMs, bakingSinceMs: bakingSince },
      devices: () =>
        devices.map((device) => {
          const simulated = gateway.get(device.device)?.device
          const place = places.get(device.device)
          if (simulated === undefined || place === undefined) throw new RangeError(`${device.device} was not drawn`)
          return deviceCounts(simulated, place, { device, stage, nowMs, keepsBlocks })
        }),
    }
    const verdict = judgeStage(context, devices, stage)
    failed = verdict.gates.filter(({ outcome }) => outcome === 'fail').map(({ metric }) => metric)
    return verdict
  }

  while (view.state === 'running') {
    if (nowMs - startMs > hoursMax * hourMs) throw new Error(`a simulated rollout did not end within ${hoursMax} hours`)
    view = { ...view, devices: view.devices.map((device) => gateway.get(device.device)?.tell(device, nowMs) ?? device) }
    for (const { id, runs } of fleet.devices) if (runs === 'new') exposed.add(id)
    const actions = decide(view, judge, nowMs)
    view = applyActions(view, actions, nowMs)
    for (const action of actions) {
      if (action.do === 'offer') gateway.get(action.device)?.want({ role: action.role, sample: sampleOf(view) }, nowMs)
      if (action.do === 'withdraw') gateway.get(action.device)?.want(null, nowMs)
      if (action.do === 'stage' && action.state === 'admitting') fleet.beginStage()
    }
    if (actions.some((action) => action.do !== 'device')) continue
    nowMs = nextLookMs(view, nowMs)
    fleet.advance(nowMs)
  }
  const at = view.stages.find(({ state }) => state !== 'passed' && state !== 'open')
  return {
    state: view.state,
    pausedBy: view.pausedBy,
    stage: at?.name ?? null,
    hours: (nowMs - startMs) / hourMs,
    exposed: exposed.size,
    failed,
  }
}

/** The share that a shadow of the present stage sees. */
const sampleOf = ({ plan, stages }: RolloutView): number =>
  plan.stages[stages.findIndex(({ state }) => state !== 'passed')]?.shadowSample ?? 0

/** Often when a stage is young, less often as it grows old, and exactly at the end of its bake. */
function nextLookMs({ stages, plan }: RolloutView, nowMs: number): number {
  const stage = stages.find(({ state }) => state === 'admitting' || state === 'baking')
  const sinceMs = stage?.admittingSince ?? nowMs
  const next = nowMs + Math.min(2 * hourMs, Math.max(minuteMs, (nowMs - sinceMs) / 5))
  const bakedMs = (stage?.bakingSince ?? Number.POSITIVE_INFINITY) + (plan.stages[stage?.index ?? 0]?.bakeMs ?? 0)
  return bakedMs > nowMs ? Math.min(next, bakedMs) : next
}

type Wish = { role: DeviceRole; sample: number }

type Gateway = {
  readonly device: SimulatedDevice
  want(wish: Wish | null, nowMs: number): void
  /** The device's row with what it says now. */
  tell(row: RolloutView['devices'][number], nowMs: number): RolloutView['devices'][number]
}

/** What an agent does, as far as the hub sees it. */
function createGateway(device: SimulatedDevice, uniform: Uniform): Gateway {
  let wanted: Wish | null = null
  let readyMs: number | undefined
  let said: { state: ProgressState; reason: FailureReason | null } | undefined
  return {
    device,
    want(wish, nowMs) {
      wanted = wish
      said = undefined
      readyMs = wish === null ? nowMs : nowMs + installMs * Math.exp(0.7 * normal(uniform))
    },
    tell(row, nowMs) {
      if (device.online && readyMs !== undefined && nowMs >= readyMs) {
        readyMs = undefined
        device.shadowSample = wanted?.role === 'shadow' ? wanted.sample : 0
        const fails = wanted !== null && device.refusesToInstall
        device.runs = wanted?.role === 'primary' && !fails ? 'new' : 'old'
        if (fails) said = { state: 'failed', reason: 'load' }
        else if (wanted !== null) said = { state: wanted.role === 'shadow' ? 'shadowing' : 'succeeded', reason: null }
      }
      return { ...row, online: device.online, reported: said, backOnPrevious: device.runs === 'old' }
    },
  }
}

function deviceCounts(
  simulated: SimulatedDevice,
  { stratum, standing }: Drawn,
  {
    device,
    stage,
    nowMs,
    keepsBlocks,
  }: {
    device: RolloutView['devices'][number]
    stage: number
    nowMs: number
    keepsBlocks: boolean
  },
): DeviceCounts {
  const assigned = roleAt(device, stage) !== undefined && device.offeredAt !== null
  return {
    device: device.device,
    stratum: `${stratum}/${standing}`,
    stage: device.stage,
    treated: assigned,
    assigned,
    since: assigned && simulated.runs === 'old' && device.role === 'primary' ? null : sinceOf(simulated),
    before: simulated.past,
    ...(keepsBlocks ? { blocks: blocksOf(simulated) } : {}),
    ...(simulated.shadow.length > 0 ? { shadow: simulated.shadow } : {}),
    ...(simulated.lies === 'impossible' ? { suspect: 'its windows contradict themselves' } : {}),
    silentForMs: simulated.online ? 0 : nowMs - simulated.heardAt,
  }
}
