// The promotion policy of a model: which gates lie between the stages, who must approve, and what follows.

import { z } from '@hono/zod-openapi'
import { figureNames } from '../evaluation/figure-names.ts'
import { EvaluationTask } from '../evaluation/task.ts'
import { Problem } from '../problem.ts'
import { Alias, championAlias } from '../registry/aliases.ts'
import type { Stage } from '../registry/stages.ts'
import { parseRule, ruleLengthMax } from './parse-rule.ts'
import { printRule, type Rule, versionMeasures } from './rule.ts'

export const rulesMax = 64
const approversMax = 20
const expireDaysMax = 365
const datasetsMax = 64

/** A rule as text; what comes out is its canonical form. */
const RuleText = z
  .string()
  .max(ruleLengthMax)
  .transform((text, context) => {
    const parsed = parseRule(text)
    const fault = parsed.ok ? unknownFigure(parsed.rule) : `${parsed.message} (at character ${parsed.at + 1})`
    if (parsed.ok && fault === undefined) return printRule(parsed.rule)
    context.addIssue({ code: 'custom', message: `${JSON.stringify(text)}: ${fault}` })
    return z.NEVER
  })
  .openapi({ type: 'string', example: 'accuracy >= champion - 0.01 with 95 % confidence' })

/** A rule about a figure that no evaluation measures would be undecided for ever. */
function unknownFigure(rule: Rule): string | undefined {
  if (rule.kind !== 'compare' || rule.metric.source !== 'evaluation') return undefined
  const { name } = rule.metric
  if (figureNames.includes(name)) return undefined
  const known = [...figureNames, ...versionMeasures].join(', ')
  return `there is no figure ${name}; there are ${known}, and metrics.${name} is what the registration brought`
}

const Approvals = z.strictObject({
  /** How many different people must approve; 0: none is asked. */
  needed: z.number().int().min(0).max(approversMax).default(0),
  /** A request that was not approved by then expires. */
  expireDays: z.number().positive().max(expireDaysMax).default(7),
})

const Transition = z.strictObject({
  gates: z.array(RuleText).max(rulesMax).default([]),
  /** true: a version whose gates pass moves, or asks for approval, by itself. */
  automatic: z.boolean().default(false),
  approvals: Approvals.prefault({}),
})
export type Transition = z.infer<typeof Transition>

/** Which evaluations count: who may evaluate must not choose what the gates look at. */
const CountingEvaluations = z.strictObject({
  /** Snapshots (sha256) whose evaluations count; empty: any. */
  datasets: z
    .array(
      z.string().regex(/^[0-9a-f]{64}$/, 'a snapshot is named by its sha256 here: roost datasets show <name> has it'),
    )
    .max(datasetsMax)
    .default([]),
  /** Only evaluations against this column count, and only without a task or a mapping of columns of their own; null: any. */
  label: z.string().min(1).max(200).nullable().default(null),
  /** Only evaluations that were asked for with exactly this task count; of versions that name none. null: as `label` says. */
  task: EvaluationTask.nullable().default(null),
})
export type CountingEvaluations = z.infer<typeof CountingEvaluations>

export const PromotionPolicy = z
  .strictObject({
    /** What lies before each stage. */
    stages: z.strictObject({ staging: Transition.prefault({}), production: Transition.prefault({}) }).prefault({}),
    /** Where the version goes whose place another takes in production; `production`: it stays beside it. */
    previousProduction: z.enum(['archived', 'staging', 'production']).default('archived'),
    /** Pointed at a version that reaches production; null: none. */
    alias: Alias.nullable().default(championAlias),
    /** The least stage a version must have to be rolled out. */
    rolloutFrom: z.enum(['development', 'staging', 'production']).default('development'),
    /** What a comparison with the champion is while there is none. */
    withoutChampion: z.enum(['undecided', 'pass']).default('undecided'),
    evaluations: CountingEvaluations.prefault({}),
  })
  .openapi('PromotionPolicy')
export type PromotionPolicy = z.infer<typeof PromotionPolicy>

/** A rule about a device profile that nobody knows would be undecided for ever, too.
 *  @throws Problem unknown-profile */
export function assertProfilesKnown({ stages }: PromotionPolicy, profiles: readonly string[]): void {
  for (const [stage, { gates }] of Object.entries(stages)) {
    for (const [i, text] of gates.entries()) {
      const parsed = parseRule(text)
      if (!parsed.ok || parsed.rule.kind !== 'runs-on' || profiles.includes(parsed.rule.profile)) continue
      const detail = `${JSON.stringify(text)}: there is no profile ${parsed.rule.profile}; there are ${profiles.join(', ')}`
      throw new Problem(422, 'unknown-profile', 'Unknown device profile', detail, {
        field: `stages.${stage}.gates.${i}`,
      })
    }
  }
}

/** Where no policy was ever put: nothing is asked, nothing happens by itself. */
export const defaultPolicy: PromotionPolicy = PromotionPolicy.parse({})

/** The stages one is promoted to. */
export type Goal = 'staging' | 'production'

/** The stage after; undefined where there is none. */
export function stageAfter(stage: Stage): Goal | undefined {
  if (stage === 'development') return 'staging'
  return stage === 'staging' ? 'production' : undefined
}

/** How far a stage is; archived is nowhere. */
export const rankOf = (stage: Stage): number => ['archived', 'development', 'staging', 'production'].indexOf(stage)

/** The rules before a stage. They were parsed before they were stored. */
export function rulesOf(policy: PromotionPolicy, goal: Goal): Rule[] {
  return policy.stages[goal].gates.map((text) => {
    const parsed = parseRule(text)
    if (!parsed.ok) throw new Error(`a stored rule cannot be read: ${text}: ${parsed.message}`)
    return parsed.rule
  })
}
