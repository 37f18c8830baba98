// The members of a rollout as `decide` sees them: their rows, joined with what the devices say and whether they are there.

import { type DeploymentRow, reportedOf } from '../fleet/progress.ts'
import type { Reader } from '../storage/database.ts'
import type { DeviceView } from './decide.ts'
import type { MemberRow } from './store.ts'

export async function deviceViews(
  reader: Reader,
  deployment: string,
  members: readonly MemberRow[],
  isConnected: (device: string) => boolean,
): Promise<DeviceView[]> {
  const rows = await reportedOf(
    reader,
    members.map(({ device }) => device),
    deployment,
  )
  const reports = Map.groupBy(rows, ({ device }) => device)
  return members.map((member) => deviceView(member, reports.get(member.device) ?? [], isConnected(member.device)))
}

function deviceView(member: MemberRow, reports: readonly DeploymentRow[], online: boolean): DeviceView {
  const ofTarget = reports.find(({ manifest }) => manifest === member.target)
  const running = reports.find((report) => report.running)
  return {
    device: member.device,
    stage: member.stage,
    state: member.state,
    reason: member.reason,
    attempt: member.attempt,
    offeredAt: member.offered_at,
    withdrawn: member.withdrawn,
    online,
    // an older attempt's word says nothing of this one
    reported:
      ofTarget !== undefined && ofTarget.attempt === member.attempt
        ? { state: ofTarget.state, reason: ofTarget.reason }
        : undefined,
    backOnPrevious: (running?.manifest ?? null) === member.previous,
  }
}
