// A rollout as `decide` sees it: its rows, joined with what the devices say and whether they are there.

import { revokedAmong } from '../promotion/persons.ts'
import type { Reader } from '../storage/database.ts'
import { deathsIn, deathsThatCount } from './deaths.ts'
import type { DeviceView, RolloutView, StageView } from './states.ts'
import {
  type ApprovalRow,
  approvalsOf,
  type Circumstances,
  circumstancesOf,
  type MemberRow,
  membersOf,
  type RolloutRow,
  type SaidRow,
  type StageRow,
  saidIn,
  stagesOf,
} from './store.ts'

export type Loaded = { row: RolloutRow; stages: StageRow[]; members: MemberRow[]; view: RolloutView }

export async function loadRollout(
  reader: Reader,
  row: RolloutRow,
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<Loaded> {
  const stages = await stagesOf(reader, row.id)
  const members = await membersOf(reader, row.id)
  const approvals = await validApprovals(reader, row.id)
  const view: RolloutView = {
    state: row.state,
    pausedBy: row.paused_by,
    plan: row.plan,
    stages: stages.map((stage) => stageView(stage, approvals)),
    devices: await deviceViews(reader, row, members, isConnected, nowMs),
  }
  return { row, stages, members, view }
}

/** Those that count: not void, nor given with a token that was revoked since. */
export async function validApprovals(reader: Reader, rollout: string): Promise<ApprovalRow[]> {
  const given = (await approvalsOf(reader, rollout)).filter((row) => row.decision === 'approve' && !row.void)
  const revoked = await revokedAmong(
    reader,
    given.map(({ approver }) => approver),
  )
  return given.filter(({ approver }) => !revoked.has(approver))
}

const stageView = (row: StageRow, approvals: readonly ApprovalRow[]): StageView => ({
  index: row.idx,
  name: row.name,
  state: row.state,
  admittingSince: row.admitting_since,
  bakingSince: row.baking_since,
  released: row.released_by !== null,
  approvals: approvals.filter(({ stage }) => stage === row.idx).length,
})

async function deviceViews(
  reader: Reader,
  row: RolloutRow,
  members: readonly MemberRow[],
  isConnected: (device: string) => boolean,
  nowMs: number,
): Promise<DeviceView[]> {
  const { id } = row
  const deaths = deathsThatCount(await deathsIn(reader, row, nowMs), members)
  const reports = Map.groupBy(await saidIn(reader, id), ({ device }) => device)
  const circumstances = new Map((await circumstancesOf(reader, id)).map((row) => [row.device, row]))
  return members.map((member) => ({
    ...deviceView(
      member,
      reports.get(member.device) ?? [],
      circumstances.get(member.device),
      isConnected(member.device),
    ),
    deaths: deaths.get(member.device) ?? 0,
  }))
}

function deviceView(
  member: MemberRow,
  reports: readonly SaidRow[],
  circumstances: Circumstances | undefined,
  online: boolean,
): Omit<DeviceView, 'deaths'> {
  const ofTarget = reports.find(({ manifest }) => manifest === member.target)
  const running = reports.find((report) => report.running)
  return {
    device: member.device,
    stage: member.stage,
    servesFrom: member.serves_from,
    state: member.state,
    reason: member.reason,
    attempt: member.attempt,
    role: member.role,
    offeredAt: member.offered_at,
    progressAt: member.progress_at,
    withdrawn: member.withdrawn,
    acknowledged: member.acknowledged_attempt === member.attempt,
    online,
    gone: circumstances?.gone ?? true,
    asideUntil: circumstances?.aside_until ?? null,
    timezone: circumstances?.timezone ?? null,
    // an older attempt's word says nothing of this one
    reported:
      ofTarget !== undefined && ofTarget.attempt === member.attempt
        ? { state: ofTarget.state, reason: ofTarget.reason }
        : undefined,
    backOnPrevious: (running?.manifest ?? null) === member.previous,
  }
}
