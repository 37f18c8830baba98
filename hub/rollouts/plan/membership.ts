// Who would be in a rollout now: the group as it is, without those that no variant fits or that another rollout holds.
// Read in the same way by a start and by a dry run.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import type { DeviceRow } from '../../fleet/devices.ts'
import { type GroupRow, membersOfGroup } from '../../fleet/groups.ts'
import { notReleased } from '../../fleet/not-released.ts'
import { notFound, Problem } from '../../problem.ts'
import { assertRollable } from '../../promotion/guards.ts'
import { releasedVersion } from '../../registry/store.ts'
import type { Reader } from '../../storage/database.ts'
import { asideAmong, holdersOf, modelsIn, wantedOf } from '../store.ts'
import type { Candidate } from './draw.ts'
import type { NewRollout } from './plan.ts'

/** Devices of one rollout; a larger group is refused. */
const devicesMax = 100_000

export type Target = { digest: Digest; manifest: Manifest }
/** `kind`: no variant for its profile, or another rollout (`by`) is at it. */
export type Skipped = { device: string; profile: string } & ({ kind: 'profile' } | { kind: 'held'; by: string })

export type Membership = {
  group: GroupRow
  deployment: string
  candidates: (Candidate & { timezone: string | undefined })[]
  skipped: Skipped[]
  /** The bundle for each profile that some variant of the version fits. */
  targets: ReadonlyMap<string, Target>
  /** What is wanted in the deployment of each device, and proven there. */
  before: ReadonlyMap<string, Digest>
  /** Active rollouts that hold some of the devices, and would end for this one. */
  supersedes: string[]
}

/** Who asks. `mayTouch` throws where they may not touch the model. `isConnected`: whether the device is there now. */
export type Asker = {
  /** Who writes and starts it, and so approves none of it. */
  starters: readonly string[]
  /** Of so many stages the approvals are there. */
  approvedStages: number
  mayTouch: (model: string) => void
  isConnected: (device: string) => boolean
}

/** @throws Problem not-found, empty-group, group-too-large, approval-revoked, stage-too-low, held-by-another; what
 *  `notReleased` says;
 *  what `mayTouch` does of a model that would be replaced */
export async function membershipOf(
  reader: Reader,
  wanted: Pick<NewRollout, 'model' | 'version' | 'group' | 'deployment' | 'supersede'>,
  { mayTouch, isConnected }: Pick<Asker, 'mayTouch' | 'isConnected'>,
  nowMs: number,
): Promise<Membership> {
  const found = await membersOfGroup(reader, wanted.group)
  if (found === undefined) throw notFound('group', wanted.group)
  const { group, devices } = found
  const deployment = wanted.deployment ?? wanted.model
  if (devices.length === 0) {
    throw new Problem(409, 'empty-group', 'Nobody is in the group', `no device fits ${group.query}`, { field: 'group' })
  }
  if (devices.length > devicesMax) {
    throw new Problem(409, 'group-too-large', 'The group is too large', `a rollout may have ${devicesMax} devices`)
  }
  const ids = devices.map(({ id }) => id)
  for (const model of await modelsIn(reader, deployment, ids)) mayTouch(model)
  await assertRollable(reader, wanted.model, wanted.version)
  const targets = await targetsByProfile(reader, wanted, devices)
  if (targets.size === 0) throw await notReleased(reader, wanted, [...new Set(devices.map(({ profile }) => profile))])
  const holders = new Map((await holdersOf(reader, deployment, ids)).map(({ device, rollout }) => [device, rollout]))
  const skipped = devices.flatMap(({ id, profile }): Skipped[] => {
    if (!targets.has(profile)) return [{ device: id, profile, kind: 'profile' }]
    const by = wanted.supersede ? undefined : holders.get(id)
    return by === undefined ? [] : [{ device: id, profile, kind: 'held', by }]
  })
  const left = new Set(skipped.map(({ device }) => device))
  const members = devices.filter(({ id }) => !left.has(id))
  if (members.length === 0) throw heldByAnother(skipped, deployment)
  const memberIds = members.map(({ id }) => id)
  const before = await wantedOf(reader, deployment, memberIds)
  const aside = await asideAmong(reader, memberIds, nowMs)
  return {
    group,
    deployment,
    candidates: members.map(({ id, profile, labels }) => {
      const previous = before.get(id)
      return {
        device: id,
        profile,
        labels,
        standing: aside.has(id) ? 'aside' : isConnected(id) ? 'present' : 'away',
        replaces: previous !== undefined && previous !== targets.get(profile)?.digest,
        timezone: labels.timezone,
      }
    }),
    skipped,
    targets,
    before,
    supersedes: wanted.supersede ? [...new Set(memberIds.flatMap((id) => holders.get(id) ?? []))] : [],
  }
}

/** The bundle for each profile that some variant of the version fits. */
export async function targetsByProfile(
  reader: Reader,
  { model, version }: Pick<NewRollout, 'model' | 'version'>,
  devices: readonly Pick<DeviceRow, 'profile'>[],
): Promise<Map<string, Target>> {
  const targets = new Map<string, Target>()
  for (const profile of new Set(devices.map(({ profile }) => profile))) {
    const released = await releasedVersion(reader, model, version, profile)
    if (released !== undefined) targets.set(profile, released)
  }
  return targets
}

function heldByAnother(skipped: readonly Skipped[], deployment: string): Problem {
  const rollouts = [...new Set(skipped.flatMap((one) => (one.kind === 'held' ? [one.by] : [])))]
  const held = skipped.filter(({ kind }) => kind === 'held').length
  return new Problem(
    409,
    'held-by-another',
    'Another rollout is active on these devices',
    `${rollouts.join(', ')} holds ${held} of them for deployment ${deployment}, and no other is left; wait, abort it, or say supersede`,
    { members: { rollouts } },
  )
}
