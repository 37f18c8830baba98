// Rollouts as the API shows them.

import { z } from '@hono/zod-openapi'
import type { Reader } from '../storage/database.ts'
import { rolloutStates } from './decide.ts'
import { RolloutPlan, reachOf, type StageMode, stageModes } from './plan/plan.ts'
import { type MemberRow, membersOf, type RolloutRow, stagesOf } from './store.ts'
import { StageVerdict } from './verdict.ts'

export const Rollout = z
  .object({
    id: z.string(),
    model: z.string(),
    version: z.number().int(),
    deployment: z.string(),
    group: z.string(),
    /** The group's query as it was when the rollout started. */
    query: z.string(),
    state: z.enum(rolloutStates),
    reason: z.string(),
    plan: RolloutPlan,
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    changedAt: z.iso.datetime(),
  })
  .openapi('Rollout')

const Stage = z.object({
  name: z.string(),
  /** Who is in it, as the plan says it: `5 %`, `10 devices`, a label query. */
  reach: z.string(),
  mode: z.enum(stageModes),
  state: z.string(),
  /** How many devices are in which state. */
  devices: z.record(z.string(), z.number().int()),
  admittingSince: z.iso.datetime().nullable(),
  bakingSince: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  /** The last verdict that changed the stage, with every number it was based on. */
  verdict: StageVerdict.nullable(),
})
export const RolloutDetail = Rollout.extend({ stages: z.array(Stage) }).openapi('RolloutDetail')

export const Member = z.object({
  device: z.string(),
  stage: z.string(),
  /** What it was drawn within, and its place there (0 … 1): the draw can be recomputed from the rollout's id. */
  stratum: z.string(),
  rank: z.number(),
  state: z.string(),
  reason: z.string().nullable(),
  attempt: z.number().int(),
  target: z.string(),
  previous: z.string().nullable(),
})

export const Decision = z.object({
  seq: z.number().int(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  detail: z.unknown(),
})

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

export const showRollout = (row: RolloutRow): z.infer<typeof Rollout> => ({
  id: row.id,
  model: row.model,
  version: row.version,
  deployment: row.deployment,
  group: row.group_name,
  query: row.query,
  state: row.state,
  reason: row.reason,
  plan: row.plan,
  createdBy: row.created_by,
  createdAt: new Date(row.created_at).toISOString(),
  changedAt: new Date(row.changed_at).toISOString(),
})

export async function showDetail(reader: Reader, row: RolloutRow): Promise<z.infer<typeof RolloutDetail>> {
  const stages = await stagesOf(reader, row.id)
  const members = Map.groupBy(await membersOf(reader, row.id), ({ stage }) => stage)
  return {
    ...showRollout(row),
    stages: stages.map((stage) => ({
      name: stage.name,
      ...reachAndMode(row.plan, stage.idx),
      state: stage.state,
      devices: countByState(members.get(stage.idx) ?? []),
      admittingSince: iso(stage.admitting_since),
      bakingSince: iso(stage.baking_since),
      endedAt: iso(stage.ended_at),
      verdict: stage.verdict,
    })),
  }
}

const reachAndMode = (plan: RolloutPlan, index: number): { reach: string; mode: StageMode } => {
  const stage = plan.stages[index]
  return stage === undefined ? { reach: '', mode: 'full' } : { reach: reachOf(stage), mode: stage.mode }
}

const countByState = (members: readonly MemberRow[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(members, ({ state }) => state)].map(([state, all]) => [state, all.length]))

export const showMember = (plan: RolloutPlan, member: MemberRow): z.infer<typeof Member> => ({
  device: member.device,
  stage: plan.stages[member.stage]?.name ?? String(member.stage),
  stratum: member.stratum,
  rank: member.rank,
  state: member.state,
  reason: member.reason,
  attempt: member.attempt,
  target: member.target,
  previous: member.previous,
})
