// What a stage is judged by: the reports of its devices on the new version beside those that still run the old one.

import { mergeLatency } from '@roost/shared/sketch/latency.ts'
import type { Reader } from '../storage/database.ts'
import { type Counted, countedSince } from '../telemetry/windows.ts'
import { countsAsFailure, type DeviceView, hasAccepted } from './decide.ts'
import type { MemberRow, RolloutRow } from './store.ts'
import type { Arm, Evidence } from './verdict.ts'

/** How far back the devices' own past counts where nobody runs the old version any more. */
const ownPastMs = 86_400_000

export type Arms = Pick<Evidence, 'canary' | 'control' | 'controlKind'>

/** @param sinceMs when the stage began to admit, hub time: control is counted from then on, so that both sides saw
 *  the same time of day; the canary has what it has on the new version */
export async function armsOf(
  reader: Reader,
  rollout: RolloutRow,
  members: readonly MemberRow[],
  stage: number,
  sinceMs: number,
): Promise<Arms> {
  const { deployment, started_at: startedAt } = rollout
  const treated = members.filter((member) => member.stage <= stage && member.offered_at !== null)
  const replaced = (member: MemberRow) => (member.previous === member.target ? null : member.previous)
  const waiting = members.filter((member) => member.offered_at === null)
  const canary = await armBy(reader, treated, deployment, (member) => member.target, startedAt)
  const concurrent = await armBy(reader, waiting, deployment, replaced, sinceMs)
  if (concurrent.inferences > 0) return { canary, control: concurrent, controlKind: 'concurrent' }
  const past = await armBy(reader, treated, deployment, replaced, startedAt - ownPastMs)
  const comparable = members.some((member) => replaced(member) !== null)
  return { canary, control: past, controlKind: comparable ? 'own_past' : 'none' }
}

/** The failures that count are those an operator has not acknowledged. */
export function evidenceOf(arms: Arms, devices: readonly DeviceView[], stage: number): Evidence {
  const members = devices.filter((device) => device.stage <= stage)
  return {
    ...arms,
    accepted: members.filter(hasAccepted).length,
    failed: members.filter(countsAsFailure).length,
  }
}

/** The pooled reports of the members, each on the bundle that `bundle` names for it. */
async function armBy(
  reader: Reader,
  members: readonly MemberRow[],
  deployment: string,
  bundle: (member: MemberRow) => string | null,
  sinceMs: number,
): Promise<Arm> {
  let arm: Counted = nothing
  for (const [manifest, group] of Map.groupBy(members, bundle)) {
    if (manifest === null) continue
    const devices = group.map((member) => member.device)
    const counted = await countedSince(reader, { devices, deployment, manifest }, sinceMs)
    arm = {
      devices: arm.devices + counted.devices,
      inferences: arm.inferences + counted.inferences,
      errors: arm.errors + counted.errors,
      latency: mergeLatency(arm.latency, counted.latency),
    }
  }
  return arm
}

const nothing: Counted = { devices: 0, inferences: 0, errors: 0, latency: { bins: [], count: 0, sumUs: 0 } }
