// The plan of a rollout as data: who goes first, for how long it is watched, what must hold, and what happens if it does
// not. What the schema takes is what can be read; whether a fleet can meet it is asked when a rollout starts.

import { DeploymentName, ModelName, Name } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { parseQuery } from '../../fleet/labels.ts'
import { Gate } from '../metrics/list.ts'
import { gateDefaults, planDefaults, stageDefaults } from './defaults.ts'
import { OnFail, OnUndecided } from './gate-answers.ts'
import { RolloutId } from './rollout-id.ts'
import { Window } from './window.ts'
import { withDurations } from './with-durations.ts'

const stagesMax = 16
const gatesMax = 16

const PositiveMs = z.number().int().positive()

export const stageModes = ['shadow', 'canary', 'full'] as const
export type StageMode = (typeof stageModes)[number]

const StageQuery = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    const parsed = parseQuery(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: `${parsed.message} at character ${parsed.at + 1}` })
  })

const StageInput = z.strictObject({
  name: Name,
  /** Who is in it, in one of three ways. So many devices, counted with those of the stages before. */
  devices: z.number().int().positive().optional(),
  /** Of all devices of the rollout, cumulative: 5, 25, 100. */
  percent: z.number().gt(0).max(100).optional(),
  /** Those a label query fits, as far as they are in no earlier stage. */
  where: StageQuery.optional(),
  /** `shadow`: the version runs beside what the device runs, and answers nobody. `full`: nobody is left to compare with. */
  mode: z.enum(stageModes).optional(),
  /** Share of the inferences that a shadow sees. */
  shadowSample: z.number().gt(0).max(1).default(stageDefaults.shadowSample),
  /** Watched for at least this long after the last of its devices installed. */
  bakeMs: z.int({ error: 'say how long the stage is watched: "bake": "24h", or bakeMs' }).nonnegative(),
  /** Instead of the plan's `stageTimeLimitMs`. */
  timeLimitMs: PositiveMs.optional(),
  /** Waits for a person before it begins. */
  hold: z.boolean().default(stageDefaults.hold),
  /** So many approvers, other than who started it, must say yes before it begins. */
  approvals: z.number().int().min(0).max(10).default(stageDefaults.approvals),
  /** Instead of the plan's. */
  gates: z.array(Gate).max(gatesMax).optional(),
  onFail: OnFail.optional(),
  onUndecided: OnUndecided.optional(),
})

const PlanInput = z
  .strictObject({
    version: z.literal(1).default(planDefaults.version),
    stages: z.array(StageInput).min(1).max(stagesMax),
    gates: z
      .array(Gate)
      .max(gatesMax)
      .default([
        { metric: 'installation', ...gateDefaults.installation },
        { metric: 'error_rate', ...gateDefaults.error_rate },
        { metric: 'latency', ...gateDefaults.latency },
      ]),
    /** Inferences each side must have before a comparison says anything. */
    samplesMin: z.number().int().positive().default(planDefaults.samplesMin),
    /** Share of a stage's devices that must have installed before its bake begins. */
    quorum: z.number().gt(0).max(1).default(planDefaults.quorum),
    /** Devices installing at the same time. */
    concurrency: z.number().int().positive().max(100_000).default(planDefaults.concurrency),
    /** Devices that are offered the version, at most so many in a minute. */
    pace: z.strictObject({ devicesPerMinute: z.number().positive().max(100_000) }).optional(),
    /** Failed installations that are borne in the whole rollout, as a number or a share of its devices. */
    failuresMax: z.number().int().nonnegative().optional(),
    failuresMaxPercent: z.number().min(0).max(100).optional(),
    /** A device that reports nothing final for this long after it was offered has timed out. */
    installTimeoutMs: PositiveMs.default(planDefaults.installTimeoutMs),
    /** One that is there and stands still for this long has timed out as well; without it only the whole time counts. */
    progressTimeoutMs: PositiveMs.optional(),
    /** A stage that is still undecided after this long does what `onUndecided` says. */
    stageTimeLimitMs: PositiveMs.default(planDefaults.stageTimeLimitMs),
    onFail: OnFail.default(planDefaults.onFail),
    onUndecided: OnUndecided.default(planDefaults.onUndecided),
    /** When devices may be changed. */
    window: Window.optional(),
    /** Devices that fit the group's query later join the last stage while it is open. */
    dynamic: z.boolean().default(planDefaults.dynamic),
  })
  .superRefine(({ stages, failuresMax, failuresMaxPercent }, context) => {
    const complain = (path: PropertyKey[], message: string) => context.addIssue({ code: 'custom', path, message })
    stages.forEach((stage, i) => {
      const ways = [stage.devices, stage.percent, stage.where].filter((way) => way !== undefined)
      if (ways.length !== 1) complain(['stages', i], `say of stage ${stage.name} one of devices, percent and where`)
      if (stage.mode === 'full' && i < stages.length - 1) {
        complain(['stages', i, 'mode'], 'only the last stage is full: call this one canary')
      }
      if (stages.findIndex(({ name }) => name === stage.name) < i) {
        complain(['stages', i, 'name'], 'every stage needs a name of its own')
      }
    })
    for (const [before, stage] of rising(stages)) {
      if (stage.percent <= before.percent) {
        const path = ['stages', stages.findIndex(({ name }) => name === stage.name), 'percent']
        complain(path, 'percentages are cumulative: each stage must be larger than the one before')
      }
    }
    const last = stages.at(-1)
    if (last?.percent !== undefined && last.percent !== 100) {
      complain(['stages', stages.length - 1, 'percent'], 'the last stage must reach 100 percent')
    }
    if (last?.mode !== undefined && last.mode !== 'full') {
      complain(
        ['stages', stages.length - 1, 'mode'],
        'the last stage is full: it brings the version to all that are left',
      )
    }
    if (failuresMax !== undefined && failuresMaxPercent !== undefined) {
      complain(['failuresMaxPercent'], 'give failuresMax or failuresMaxPercent, not both')
    }
  })

type Percented = { name: string; percent: number }

/** Neighbours among the stages of one kind (in shadow, or serving) that are given in percent. */
function rising(stages: readonly z.infer<typeof StageInput>[]): [Percented, Percented][] {
  const kinds = [stages.filter(({ mode }) => mode === 'shadow'), stages.filter(({ mode }) => mode !== 'shadow')]
  return kinds.flatMap((kind) => {
    const given = kind.flatMap(({ name, percent }) => (percent === undefined ? [] : [{ name, percent }]))
    return given.slice(1).map((stage, i): [Percented, Percented] => [given[i] ?? stage, stage])
  })
}

export type PlannedStage = Omit<z.infer<typeof StageInput>, 'mode'> & { mode: StageMode }

/** Also what is stored: what comes out goes in again and stays the same. */
export const RolloutPlan = withDurations(
  PlanInput.transform((plan) => ({
    ...plan,
    stages: plan.stages.map(
      (stage, i): PlannedStage => ({ ...stage, mode: stage.mode ?? (i < plan.stages.length - 1 ? 'canary' : 'full') }),
    ),
  })),
)
export type RolloutPlan = z.output<typeof RolloutPlan>
/** As it may be written, what has a default left out. */
export type WrittenPlan = z.input<typeof PlanInput>

export const NewRollout = z.strictObject({
  /** As a dry run named it, to start with the draw that it showed. */
  id: RolloutId.optional(),
  model: ModelName,
  version: z.number().int().positive(),
  /** Name of a group; its members are evaluated and frozen when the rollout starts. */
  group: Name,
  /** Defaults to the model's name. */
  deployment: DeploymentName.optional(),
  plan: RolloutPlan.optional(),
  /** Take over devices that another active rollout holds; that one ends as superseded. */
  supersede: z.boolean().default(false),
  /** Written down, checked, and not started: `start` does that, and freezes the members then. */
  draft: z.boolean().default(false),
})
export type NewRollout = z.infer<typeof NewRollout>

/** How a stage says who is in it: `5 %`, `10 devices`, `site = north`. */
export const reachOf = ({ devices, percent, where }: Pick<PlannedStage, 'devices' | 'percent' | 'where'>): string =>
  where ?? (percent === undefined ? `${devices} ${devices === 1 ? 'device' : 'devices'}` : `${percent} %`)
