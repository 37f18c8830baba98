// Rollouts as the API shows them.

import { z } from '@hono/zod-openapi'
import { namesOfTokens, withNames } from '../governance/token-names.ts'
import type { Reader } from '../storage/database.ts'
import { openingOf } from './evidence/gather.ts'
import { StageVerdict } from './evidence/judge.ts'
import { lastLookOf } from './evidence/looks.ts'
import { Finding } from './plan/check.ts'
import { RolloutPlan, reachOf, type StageMode, stageModes } from './plan/plan.ts'
import {
  type DeviceView,
  pauseKinds,
  type RolloutState,
  type RolloutView,
  rolloutStates,
  stageStates,
} from './states.ts'
import {
  approvalsOf,
  type MemberRow,
  membersOf,
  type StageRow,
  type StoredRollout,
  stageStatesOf,
  stagesOf,
  warningsOf,
} from './store.ts'
import { unreadableSentence } from './unreadable.ts'
import { loadRollout, validApprovals } from './view.ts'
import { type Waits, waitsFor } from './waiting.ts'

export const Rollout = z
  .object({
    id: z.string(),
    model: z.string(),
    version: z.number().int(),
    deployment: z.string(),
    group: z.string(),
    /** The group's query as it was when the rollout started. */
    query: z.string(),
    /** Its ETag: grows with every change of it or its stages. */
    revision: z.number().int(),
    state: z.enum(rolloutStates),
    reason: z.string(),
    /** Why it is paused; null unless it is. */
    pausedBy: z.enum(pauseKinds).nullable(),
    /** Null where what is stored can no longer be read as one. */
    plan: RolloutPlan.nullable(),
    createdBy: z.string(),
    createdAt: z.iso.datetime(),
    /** Null of a draft. */
    startedBy: z.string().nullable(),
    changedAt: z.iso.datetime(),
  })
  .openapi('Rollout')

/** Of actors in a rollout, by `token:Ab3dEf9h`: what their tokens are called. */
const Names = z.record(z.string(), z.string())

export const ListedRollout = Rollout.extend({
  stages: z.array(z.object({ name: z.string(), state: z.enum(stageStates) })),
  names: Names,
}).openapi('ListedRollout')

const Stage = z.object({
  name: z.string(),
  /** Who is in it, as the plan says it: `5 %`, `10 devices`, a label query. */
  reach: z.string(),
  mode: z.enum(stageModes),
  state: z.enum(stageStates),
  /** How many devices are in which state, of those whose first stage it is. */
  devices: z.record(z.string(), z.number().int()),
  /** Of a stage that was rolled back, those of its devices that had been offered the version, and how many of them say
   *  that they run what ran there before; null where it was not. */
  takenBack: z.object({ devices: z.number().int(), back: z.number().int() }).nullable(),
  /** Approvals it needs before it begins, and those that count now. */
  approvals: z.object({ needed: z.number().int(), given: z.array(z.string()) }),
  heldSince: z.iso.datetime().nullable(),
  releasedBy: z.string().nullable(),
  admittingSince: z.iso.datetime().nullable(),
  bakingSince: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  /** The last verdict that changed the stage, with every number it was based on. */
  verdict: StageVerdict.nullable(),
})

const Approval = z.object({
  stage: z.string(),
  approver: z.string(),
  name: z.string(),
  decision: z.enum(['approve', 'reject']),
  comment: z.string(),
  at: z.iso.datetime(),
  /** A rejection, or the stage's beginning anew, came after it. */
  void: z.boolean(),
})

export const RolloutDetail = Rollout.extend({
  stages: z.array(Stage),
  approvals: z.array(Approval),
  /** What it waits for, and until when it does at the longest; null where it has ended. */
  waits: z.object({ for: z.string(), until: z.iso.datetime().nullable() }).nullable(),
  /** What was doubtful about the plan when it started. */
  warnings: z.array(Finding),
  /** Devices that said they cannot go back to what they ran before: somebody must look at each. */
  unableToRollBack: z.array(z.string()),
  names: Names,
}).openapi('RolloutDetail')

export const Member = z
  .object({
    device: z.string(),
    /** Why its reports are left out of the gates: they cannot be true. Null where they count. */
    leftOut: z.string().nullable(),
    stage: z.string(),
    /** The stage from which the version answers there: a later one where it runs in shadow first. */
    servesFrom: z.string(),
    role: z.enum(['primary', 'shadow']),
    /** What it was drawn within, and its place there (0 … 1): the draw can be recomputed from the rollout's id. */
    stratum: z.string(),
    rank: z.number(),
    state: z.string(),
    reason: z.string().nullable(),
    /** What the device itself says of it. */
    detail: z.string().nullable(),
    attempt: z.number().int(),
    /** An operator has seen that this attempt failed and gone on. */
    acknowledged: z.boolean(),
    offeredAt: z.iso.datetime().nullable(),
    target: z.string(),
    previous: z.string().nullable(),
  })
  .openapi('RolloutDevice')

export const Decision = z.object({
  seq: z.number().int(),
  at: z.iso.datetime(),
  actor: z.string(),
  /** That of the actor's token; null where it is none. */
  name: z.string().nullable(),
  action: z.string(),
  detail: z.unknown(),
})

const iso = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString())

export const showRollout = <R extends StoredRollout>(row: R) => ({
  id: row.id,
  model: row.model,
  version: row.version,
  deployment: row.deployment,
  group: row.group_name,
  query: row.query,
  revision: row.revision,
  state: row.state,
  reason: row.reason,
  pausedBy: row.paused_by,
  plan: row.plan,
  createdBy: row.created_by,
  createdAt: new Date(row.created_at).toISOString(),
  startedBy: row.started_by,
  changedAt: new Date(row.changed_at).toISOString(),
})

export async function showDetail(
  reader: Reader,
  row: StoredRollout,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<z.infer<typeof RolloutDetail>> {
  const { stages, members, view } = await readRollout(reader, row, isConnected, nowMs)
  const valid = await validApprovals(reader, row.id)
  const waits = await waitsOf(reader, row, view, nowMs)
  const releasers = stages.map(({ released_by }) => String(released_by))
  const names = await namesOfTokens(reader, [row.reason, ...actorsOf(row), ...releasers])
  return {
    ...showRollout(row),
    reason: withNames(row.reason, names),
    stages: showStages(
      { plan: row.plan, stages, members, back: new Set(view?.devices.filter(isBack).map(({ device }) => device)) },
      Map.groupBy(valid, ({ stage }) => stage),
    ),
    approvals: (await approvalsOf(reader, row.id)).map(({ stage, at, ...given }) => ({
      ...given,
      stage: stageName(stages, stage),
      at: new Date(at).toISOString(),
    })),
    waits: waits === undefined ? null : { for: waits.for, until: iso(waits.until) },
    warnings: await warningsOf(reader, row.id),
    unableToRollBack: members.filter(({ reason }) => reason === 'unable_to_roll_back').map(({ device }) => device),
    names: Object.fromEntries(names),
  }
}

export async function showList(
  reader: Reader,
  rows: readonly StoredRollout[],
): Promise<z.infer<typeof ListedRollout>[]> {
  const states = await stageStatesOf(
    reader,
    rows.map(({ id }) => id),
  )
  const stages = Map.groupBy(states, ({ rollout }) => rollout)
  const names = await namesOfTokens(
    reader,
    rows.flatMap((row) => [row.reason, ...actorsOf(row)]),
  )
  return rows.map((row) => ({
    ...showRollout(row),
    reason: withNames(row.reason, names),
    stages: (stages.get(row.id) ?? []).map(({ name, state }) => ({ name, state })),
    names: Object.fromEntries([...names].filter(([actor]) => actorsOf(row).includes(actor))),
  }))
}

const actorsOf = ({ created_by, started_by }: StoredRollout): string[] =>
  started_by === null ? [created_by] : [created_by, started_by]

/** What of a rollout can be shown; `view` is undefined where its plan cannot be read. */
export async function readRollout(
  reader: Reader,
  row: StoredRollout,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<{ stages: StageRow[]; members: MemberRow[]; view: RolloutView | undefined }> {
  if (row.plan !== null) return loadRollout(reader, { ...row, plan: row.plan }, isConnected, nowMs)
  return { stages: await stagesOf(reader, row.id), members: await membersOf(reader, row.id), view: undefined }
}

/** What it waits for, by the last look at the stage that is watched. */
export async function waitsOf(
  reader: Reader,
  row: StoredRollout,
  view: RolloutView | undefined,
  nowMs: number,
): Promise<Waits | undefined> {
  if (view === undefined)
    return goesOn.has(row.state) ? { for: `a person: ${unreadableSentence}`, until: null } : undefined
  const baking = row.state === 'running' ? view.stages.find(({ state }) => state === 'baking') : undefined
  if (baking === undefined) return waitsFor(view, undefined, nowMs)
  const opening = await openingOf(reader, row.id, baking.index)
  const look = await lastLookOf(reader, row.id, baking.index, opening)
  return waitsFor(view, look?.verdict.gates, nowMs)
}

const goesOn: ReadonlySet<RolloutState> = new Set(['draft', 'awaiting_approval', 'running', 'paused', 'rolling_back'])

/** `back`: devices that run what ran there before. */
type Shown = {
  plan: RolloutPlan | null
  stages: readonly StageRow[]
  members: readonly MemberRow[]
  back: ReadonlySet<string>
}

const isBack = ({ backOnPrevious }: DeviceView) => backOnPrevious

/** Asked back by a roll-back of the stage, a device waits for its turn again, or stays failed. */
function takenBack(
  { idx, state }: StageRow,
  { members, back }: Pick<Shown, 'members' | 'back'>,
): { devices: number; back: number } | null {
  if (state !== 'failed' && state !== 'pending') return null
  const asked = members.filter(
    ({ stage, serves_from, offered_at, withdrawn, state: at }) =>
      (stage === idx || serves_from === idx) && offered_at !== null && (withdrawn || at === 'planned'),
  )
  return asked.length === 0
    ? null
    : { devices: asked.length, back: asked.filter(({ device }) => back.has(device)).length }
}

function showStages(
  { plan, stages, members, back }: Shown,
  approvals: ReadonlyMap<number, readonly { approver: string }[]>,
): z.infer<typeof Stage>[] {
  const byStage = Map.groupBy(members, ({ stage }) => stage)
  return stages.map((stage) => ({
    name: stage.name,
    ...reachAndMode(plan, stage.idx),
    state: stage.state,
    devices: countByState(byStage.get(stage.idx) ?? []),
    takenBack: takenBack(stage, { members, back }),
    approvals: {
      needed: plan?.stages[stage.idx]?.approvals ?? 0,
      given: (approvals.get(stage.idx) ?? []).map(({ approver }) => approver),
    },
    heldSince: iso(stage.held_since),
    releasedBy: stage.released_by,
    admittingSince: iso(stage.admitting_since),
    bakingSince: iso(stage.baking_since),
    endedAt: iso(stage.ended_at),
    verdict: stage.verdict,
  }))
}

/** @param stages of the rollout, in their order */
export const stageName = (stages: readonly StageRow[], index: number): string => stages[index]?.name ?? String(index)

const reachAndMode = (plan: RolloutPlan | null, index: number): { reach: string; mode: StageMode } => {
  const stage = plan?.stages[index]
  return stage === undefined ? { reach: '', mode: 'full' } : { reach: reachOf(stage), mode: stage.mode }
}

const countByState = (members: readonly MemberRow[]): Record<string, number> =>
  Object.fromEntries([...Map.groupBy(members, ({ state }) => state)].map(([state, all]) => [state, all.length]))

export const showMember = (
  stages: readonly StageRow[],
  member: MemberRow,
  leftOut: string | null,
  detail: string | null,
): z.infer<typeof Member> => ({
  device: member.device,
  leftOut,
  stage: stageName(stages, member.stage),
  servesFrom: stageName(stages, member.serves_from),
  role: member.role,
  stratum: member.stratum,
  rank: member.rank,
  state: member.state,
  reason: member.reason,
  detail,
  attempt: member.attempt,
  acknowledged: member.acknowledged_attempt === member.attempt,
  offeredAt: iso(member.offered_at),
  target: member.target,
  previous: member.previous,
})
