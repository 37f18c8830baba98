// What is wrong with a plan for these devices, said before anything starts: what can never work is refused, what may not
// be what somebody wants is warned of.

import { z } from 'zod'
import { counted, named } from '../../wording.ts'
import { stageContext } from '../evidence/stage-context.ts'
import type { Gate } from '../metrics/list.ts'
import type { Drawn } from './draw.ts'
import type { Membership } from './membership.ts'
import { type Past, recentMs } from './past.ts'
import type { RolloutPlan } from './plan.ts'
import type { Arms, Sight } from './sight.ts'
import { sightOf } from './sight.ts'
import { spellDuration } from './spelled-duration.ts'
import { longestClosed } from './timing.ts'
import { isTimezone } from './window.ts'

/** `field`: a path in the request. */
export const Finding = z.object({ code: z.string(), field: z.string().optional(), detail: z.string() })
export type Finding = z.infer<typeof Finding>
export type Checked = { refusals: Finding[]; warnings: Finding[]; sights: Sight[][] }

export function checkPlan(
  plan: RolloutPlan,
  drawn: readonly Drawn[],
  membership: Membership,
  past: Past,
  nowMs: number,
): Checked {
  const sights = plan.stages.map((_, index) => {
    const context = stageContext(plan, index)
    const arms = armsOf(drawn, membership, index)
    return gatesOf(plan, index).map(({ gate }) => sightOf(gate, arms, past, context))
  })
  return {
    refusals: [...contradictions(plan, drawn), ...gatesNobodyCouldMeet(plan, membership, past)],
    warnings: [
      ...absences(membership),
      ...stagesShort(plan, drawn),
      ...gatesInDoubt(plan, membership, past),
      ...blindGates(plan, sights),
      ...failuresBorne(plan, drawn),
      ...silenceUnseen(plan),
      ...windowsInDoubt(plan, membership, nowMs),
      ...paceInDoubt(plan),
    ],
    sights,
  }
}

type PlacedGate = { gate: Gate; field: string }

function gatesOf({ stages, gates }: RolloutPlan, stage: number): PlacedGate[] {
  const own = stages[stage]?.gates
  const field = own === undefined ? 'plan.gates' : `plan.stages.${stage}.gates`
  return (own ?? gates).map((gate, i) => ({ gate, field: `${field}.${i}` }))
}

/** Each gate once, wherever it is written. */
const allGates = (plan: RolloutPlan): PlacedGate[] => [
  ...new Map(plan.stages.flatMap((_, i) => gatesOf(plan, i)).map((placed) => [placed.field, placed])).values(),
]

/** Those that replace another version, of the stages up to this one and of those after. */
export function armsOf(drawn: readonly Drawn[], { candidates }: Membership, stage: number): Arms {
  const replaces = new Set(candidates.filter((candidate) => candidate.replaces).map(({ device }) => device))
  const strata = [
    ...Map.groupBy(
      drawn.filter(({ device }) => replaces.has(device)),
      ({ stratum, standing }) => `${stratum}/${standing}`,
    ).values(),
  ].map((members) => {
    const canary = members.filter(({ servesFrom }) => servesFrom <= stage).length
    return { canary, control: members.length - canary }
  })
  const sum = (side: 'canary' | 'control') => strata.reduce((total, stratum) => total + stratum[side], 0)
  return {
    taking: drawn.filter((device) => device.stage <= stage).length,
    canary: sum('canary'),
    control: sum('control'),
    strata,
  }
}

/** A plan that cannot come to its end whatever the devices do. */
function contradictions(plan: RolloutPlan, drawn: readonly Drawn[]): Finding[] {
  return plan.stages.flatMap((stage, i): Finding[] => {
    const limitMs = stage.timeLimitMs ?? plan.stageTimeLimitMs
    const [bake, limit] = [spellDuration(stage.bakeMs), spellDuration(limitMs)]
    if (stage.bakeMs >= limitMs) {
      const detail = `stage ${stage.name} is watched for ${bake} and paused as undecided after ${limit}, so it could never pass; give it a longer timeLimit (or the plan a longer stageTimeLimit)`
      return [{ code: 'bake-beyond-limit', field: `plan.stages.${i}.bakeMs`, detail }]
    }
    const members = drawn.filter((device) => device.stage === i || device.servesFrom === i).length
    const needed = Math.max(1, Math.ceil(plan.quorum * members))
    const atPaceMs = plan.pace === undefined ? 0 : ((needed - 1) / plan.pace.devicesPerMinute) * 60_000
    if (atPaceMs + stage.bakeMs < limitMs) return []
    const detail = `at ${counted(plan.pace?.devicesPerMinute ?? 0, 'device')} a minute it takes ${spellDuration(Math.round(atPaceMs))} to offer it to the ${counted(needed, 'device')} that stage ${stage.name} needs, and it pauses after ${limit}; raise the pace or the timeLimit`
    return [{ code: 'pace-too-slow', field: 'plan.pace', detail }]
  })
}

function gatesNobodyCouldMeet(plan: RolloutPlan, { candidates }: Membership, past: Past): Finding[] {
  const compares = candidates.some(({ replaces }) => replaces)
  return allGates(plan).flatMap(({ gate, field }): Finding[] => {
    if (gate.metric === 'agreement' && plan.stages.every(({ mode }) => mode !== 'shadow')) {
      const detail =
        'agreement is seen where both versions run on the same inputs: begin with a stage of mode shadow, or leave the gate out'
      return [{ code: 'gate-without-shadow', field, detail }]
    }
    if (gate.metric === 'custom' && compares && !past.metrics.has(gate.name)) {
      const known = [...past.metrics.keys()]
      const others =
        known.length === 0 ? 'they report no metric of their own' : `they report ${known.slice(0, 10).join(', ')}`
      const detail = `none of the devices has reported ${gate.name} with the version it runs, so the gate could never tell; ${others}`
      return [{ code: 'metric-not-reported', field, detail }]
    }
    return []
  })
}

/** Who is left out, put last, or not there. */
function absences({ candidates, skipped }: Membership): Finding[] {
  const findings: Finding[] = []
  const total = candidates.length + skipped.length
  const unfit = skipped.filter(({ kind }) => kind === 'profile')
  if (unfit.length > 0) {
    const profiles = [...Map.groupBy(unfit, ({ profile }) => profile)].map(
      ([profile, of]) => `${of.length} of profile ${profile}`,
    )
    const half = unfit.length * 2 >= total ? ', half of the group or more' : ''
    const detail = `the version has no variant for ${unfit.length} of ${counted(total, 'device')}${half} (${listed(profiles)}): what these run stays`
    findings.push({ code: 'no-variant', field: 'version', detail })
  }
  const held = skipped.flatMap((one) => (one.kind === 'held' ? [one.by] : []))
  if (held.length > 0) {
    const detail = `${listed([...new Set(held)])} is active on ${held.length} of ${counted(total, 'device')}, left out here; wait for its end, or say supersede`
    findings.push({ code: 'held-by-another', detail })
  }
  const aside = candidates.filter(({ standing }) => standing === 'aside')
  if (aside.length > 0) {
    const detail = `devices that have failed three times of late get it in the last stage, when they have been put aside for a day: ${listed(aside.map(({ device }) => device))}`
    findings.push({ code: 'put-aside', detail })
  }
  return findings
}

function stagesShort(plan: RolloutPlan, drawn: readonly Drawn[]): Finding[] {
  const last = plan.stages.length - 1
  return plan.stages.flatMap((stage, i): Finding[] => {
    const field = `plan.stages.${i}`
    const isShadow = stage.mode === 'shadow'
    const members = drawn.filter((device) =>
      isShadow ? device.stage <= i && device.stage < device.servesFrom : device.servesFrom === i,
    )
    const few = isShadow ? fewShadows(stage, members.length, drawn.length, field) : []
    const away = members.filter(({ standing }) => standing === 'away').length
    const quorum = Math.max(1, Math.ceil(plan.quorum * members.length))
    if (i === last || members.length === 0 || members.length - away >= quorum) return few
    const detail = `${away} of ${counted(members.length, 'device')} of stage ${stage.name} ${away === 1 ? 'is' : 'are'} not connected now, and it needs ${quorum}: it waits until so many are`
    return [...few, { code: 'devices-away', field, detail }]
  })
}

function fewShadows(stage: RolloutPlan['stages'][number], shadows: number, devices: number, field: string): Finding[] {
  const wanted = stage.devices ?? (stage.percent === undefined ? 0 : Math.ceil((stage.percent / 100) * devices - 1e-9))
  if (shadows >= wanted) return []
  const detail = `stage ${stage.name} wants ${counted(wanted, 'device')}, and only ${counted(shadows, 'runs', 'run')} another version that it could run beside`
  return [{ code: 'few-shadows', field, detail }]
}

function gatesInDoubt(plan: RolloutPlan, { candidates }: Membership, past: Past): Finding[] {
  const compares = candidates.filter(({ replaces }) => replaces).length
  const comparing = allGates(plan).filter(({ gate }) => gate.metric !== 'installation' && gate.metric !== 'silence')
  if (comparing.length === 0) return []
  if (compares === 0) {
    return [
      {
        code: 'nothing-to-compare',
        field: 'plan.gates',
        detail:
          'none of the devices runs another version, so there is nothing to compare with: only installations can fail',
      },
    ]
  }
  const days = recentMs / 86_400_000
  if (past.devices.length === 0) {
    return [
      {
        code: 'metric-not-reported',
        field: 'plan.gates',
        detail: `none of ${counted(compares, 'device')} with another version has reported anything in the last ${counted(days, 'day')}; unless they begin to, the gates cannot tell and the rollout will pause`,
      },
    ]
  }
  return comparing.flatMap(({ gate, field }): Finding[] => {
    if (gate.metric === 'accuracy' && past.devices.every(({ labelled }) => labelled === 0)) {
      return [
        {
          code: 'metric-not-reported',
          field,
          detail:
            'none of the devices has had labels: unless some come, accuracy cannot be told and the rollout will pause',
        },
      ]
    }
    const unseen =
      gate.metric === 'prediction_drift' &&
      (gate.output === undefined ? past.outputs.length === 0 : !past.outputs.includes(gate.output))
    if (!unseen) return []
    const known =
      past.outputs.length === 0
        ? 'the version that runs has no baseline of its outputs'
        : `they report ${listed(past.outputs)}`
    return [
      {
        code: 'metric-not-reported',
        field,
        detail: `none of the devices reports ${gate.output === undefined ? 'how its predictions are distributed' : `output ${gate.output}`}: ${known}`,
      },
    ]
  })
}

function blindGates(plan: RolloutPlan, sights: readonly (readonly Sight[])[]): Finding[] {
  return plan.stages.flatMap((stage, i): Finding[] => {
    const blind = (sights[i] ?? []).filter((sight) => sight.blind)
    if (blind.length === 0) return []
    const detail = `stage ${stage.name}: ${listed(blind.map(({ label }) => label))} could never decide (${blind[0]?.sentence}), so it would pause at its time limit; add devices, or a stage of mode shadow before it`
    return [{ code: 'too-few-to-tell', field: `plan.stages.${i}`, detail }]
  })
}

/** A gate on installations that not even the failure of every device can fail. */
const failuresBorne = (plan: RolloutPlan, drawn: readonly Drawn[]): Finding[] =>
  plan.stages.flatMap((stage, i) =>
    gatesOf(plan, i).flatMap(({ gate, field }): Finding[] => {
      const taking = drawn.filter((device) => device.stage <= i).length
      if (gate.metric !== 'installation' || gate.failuresMax < taking) return []
      const detail = `of stage ${stage.name} and those before it ${counted(taking, 'device takes', 'devices take')} the version, and ${counted(gate.failuresMax, 'failure is', 'failures are')} allowed: the gate passes even if all of them fail; the stage then pauses because its quorum cannot come about. Allow fewer than there are devices`
      return [{ code: 'failures-all-borne', field: `${field}.failuresMax`, detail }]
    }),
  )

/** Who falls silent as it begins is silent for `silentMs` only when the stage is over. */
const silenceUnseen = (plan: RolloutPlan): Finding[] =>
  plan.stages.flatMap((stage, i) =>
    gatesOf(plan, i).flatMap(({ gate, field }): Finding[] => {
      if (gate.metric !== 'silence' || stage.bakeMs >= gate.silentMs) return []
      const [bake, silent] = [spellDuration(stage.bakeMs), spellDuration(gate.silentMs)]
      const detail = `stage ${stage.name} is watched for ${bake}, and a device counts as silent after ${silent}: one that the version silences is not noticed there; watch it longer, or lower the gate's silent`
      return [{ code: 'silence-unseen', field, detail }]
    }),
  )

function windowsInDoubt(plan: RolloutPlan, { candidates }: Membership, nowMs: number): Finding[] {
  const { window } = plan
  if (window === undefined) return []
  const zones = Map.groupBy(candidates, ({ timezone }) => timezone)
  const unknown = [...zones].filter(([zone]) => zone !== undefined && !isTimezone(zone))
  const findings = unknown.slice(0, 10).map(
    ([zone, of]): Finding => ({
      code: 'unknown-timezone',
      field: 'plan.window.timezone',
      detail: `label timezone = ${zone} of ${counted(of.length, 'device')} (${listed(of.map(({ device }) => device))}) is no time zone; ${window.timezone} counts for them`,
    }),
  )
  const limitMs = Math.min(...plan.stages.map((stage) => stage.timeLimitMs ?? plan.stageTimeLimitMs))
  const closed = Math.max(...[...zones.keys()].map((zone) => longestClosed(window, zone, nowMs)))
  if (closed < limitMs) return findings
  const detail = `the window is closed for up to ${spellDuration(Math.round(closed / 60_000) * 60_000)}, and a stage pauses as undecided after ${spellDuration(limitMs)}: it may do so before any device may be changed; raise stageTimeLimit`
  return [...findings, { code: 'window-beyond-limit', field: 'plan.window', detail }]
}

/** As many a minute could only begin if each installation took less than a second. */
function paceInDoubt({ pace, concurrency }: RolloutPlan): Finding[] {
  if (pace === undefined || pace.devicesPerMinute <= concurrency * 60) return []
  const detail = `at most ${counted(concurrency, 'device installs', 'devices install')} at a time, so ${pace.devicesPerMinute} a minute would need installations of less than a second; concurrency decides`
  return [{ code: 'pace-without-effect', field: 'plan.pace', detail }]
}

const listedMax = 5
const listed = (all: readonly string[]): string => named(all, listedMax)
