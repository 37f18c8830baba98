// The plan of a rollout as data: who goes first, for how long it is watched, what must hold, and what happens if it does not.

import { DeploymentName, ModelName, Name } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'

/** At most `failuresMax` devices may fail to install (or take the version back) among those that accepted it. */
const InstallationGate = z.strictObject({
  metric: z.literal('installation'),
  failuresMax: z.number().int().nonnegative().default(0),
})

/** Failed share of inferences: canary at most control + `margin`. */
const ErrorRateGate = z.strictObject({
  metric: z.literal('error_rate'),
  margin: z.number().min(0).max(1).default(0.01),
})

/** Latency at `quantile`: canary at most control * `ratioMax`, or at most `slackUs` more. Below the slack nobody would notice. */
const LatencyGate = z.strictObject({
  metric: z.literal('latency'),
  quantile: z.number().gt(0).lt(1).default(0.5),
  ratioMax: z.number().min(1).default(1.5),
  slackUs: z.number().nonnegative().default(500),
})

export const Gate = z.discriminatedUnion('metric', [InstallationGate, ErrorRateGate, LatencyGate])
export type Gate = z.infer<typeof Gate>

const stagesMax = 16

export const PlannedStage = z.strictObject({
  name: Name,
  /** Of the whole group, cumulative: 5, 25, 100. */
  percent: z.number().gt(0).max(100),
  /** Watched for at least this long after the last of its devices installed. */
  bakeMs: z.number().int().nonnegative(),
})
export type PlannedStage = z.infer<typeof PlannedStage>

const hourMs = 3_600_000

export const RolloutPlan = z
  .strictObject({
    stages: z.array(PlannedStage).min(1).max(stagesMax),
    gates: z
      .array(Gate)
      .max(16)
      .default([
        { metric: 'installation', failuresMax: 0 },
        { metric: 'error_rate', margin: 0.01 },
        { metric: 'latency', quantile: 0.5, ratioMax: 1.5, slackUs: 500 },
      ]),
    /** Inferences each side must have before a comparison says anything. */
    samplesMin: z.number().int().positive().default(100),
    /** Share of a stage's devices that must have installed before its bake begins. */
    quorum: z.number().gt(0).max(1).default(0.8),
    /** Devices installing at the same time. */
    concurrency: z.number().int().positive().max(100_000).default(50),
    /** A device that reports nothing final for this long after it was offered has timed out. */
    installTimeoutMs: z.number().int().positive().default(hourMs),
    /** A stage that is still undecided after this long pauses the rollout. */
    stageTimeLimitMs: z
      .number()
      .int()
      .positive()
      .default(24 * hourMs),
    onFail: z.enum(['rollback', 'pause']).default('rollback'),
  })
  .refine(
    ({ stages }) => stages.every((stage, i) => i === 0 || stage.percent > (stages[i - 1]?.percent ?? 0)),
    'percentages are cumulative: each stage must be larger than the one before',
  )
  .refine(({ stages }) => stages.at(-1)?.percent === 100, 'the last stage must reach 100 percent')
  .refine(
    ({ stages }) => new Set(stages.map((stage) => stage.name)).size === stages.length,
    'every stage needs a name of its own',
  )
export type RolloutPlan = z.infer<typeof RolloutPlan>

export const NewRollout = z.strictObject({
  model: ModelName,
  version: z.number().int().positive(),
  /** Name of a group; its members are evaluated and frozen when the rollout starts. */
  group: Name,
  /** Defaults to the model's name. */
  deployment: DeploymentName.optional(),
  plan: RolloutPlan.optional(),
  /** Take over devices that another active rollout holds; that one ends as superseded. */
  supersede: z.boolean().default(false),
})
export type NewRollout = z.infer<typeof NewRollout>

/** A canary, half, all; two hours and ten minutes of watching at least: what a rollout gets that names no plan, save in
 *  a group of one or two (`defaultPlanFor`). */
export const defaultPlan: RolloutPlan = RolloutPlan.parse({
  stages: [
    { name: 'canary', percent: 10, bakeMs: hourMs },
    { name: 'half', percent: 50, bakeMs: hourMs },
    { name: 'all', percent: 100, bakeMs: hourMs / 6 },
  ],
})

/** The default plan for so many devices. Stages that end at the same device are one, watched for as long as the longest
 *  of them: one device is its own canary. */
export function defaultPlanFor(devices: number): RolloutPlan {
  const merged = Map.groupBy(defaultPlan.stages, ({ percent }) => devicesWithin(percent, devices))
  const stages = [...merged.values()].flatMap((same) => {
    const last = same.at(-1)
    return last === undefined ? [] : [{ ...last, bakeMs: Math.max(...same.map(({ bakeMs }) => bakeMs)) }]
  })
  return { ...defaultPlan, stages }
}

/** How many of the devices a cumulative percentage covers: at least so many. */
export const devicesWithin = (percent: number, devices: number): number => Math.ceil((percent / 100) * devices - 1e-9)
