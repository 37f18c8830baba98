// What must hold before a rollout starts, and who is in it: the group as it is now, frozen.

import type { DeviceRow } from '../fleet/devices.ts'
import { membersOfGroup } from '../fleet/groups.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import { releasedVersion } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import type { FleetLink } from './engine.ts'
import { defaultPlanFor } from './plan/default-plan.ts'
import { type Candidate, drawStages } from './plan/draw.ts'
import type { NewRollout } from './plan/plan.ts'
import type { NewMember, NewRolloutRow } from './statements.ts'
import { asideAmong, attemptsOf, holdersOf, modelsIn, wantedOf } from './store.ts'

/** Devices of one rollout; a larger group is refused. */
const devicesMax = 100_000

export type PreparedRollout = {
  rollout: NewRolloutRow
  members: NewMember[]
  /** Rollouts that hold some of the devices and end for this one. */
  supersedes: string[]
  /** What the history says of the start. */
  story: unknown
}

/** As it was asked for; `draft` is left out where nobody thinks of one. */
export type WantedRollout = Omit<NewRollout, 'draft'> & Partial<Pick<NewRollout, 'draft'>>

/** Who starts it. `mayTouch` throws where they may not touch the model. */
export type Starter = { actor: string; requestId?: string | undefined; mayTouch?: (model: string) => void }

/** @param id of a draft that starts; else it gets one
 *  @throws Problem not-found, approval-revoked, stage-too-low, empty-stage, not-released, held-by-another; what `mayTouch`
 *  does of a model that would be replaced */
export async function prepareRollout(
  hub: Hub,
  tx: Reader,
  wanted: WantedRollout,
  { actor, mayTouch = () => undefined }: Starter,
  fleet: FleetLink,
  id = rolloutId(hub),
): Promise<PreparedRollout> {
  const found = await membersOfGroup(tx, wanted.group)
  if (found === undefined) throw notFound('group', wanted.group)
  const { group, devices } = found
  const deployment = wanted.deployment ?? wanted.model
  if (devices.length === 0) {
    throw new Problem(409, 'empty-group', 'Nobody is in the group', `no device fits ${group.query}`, { field: 'group' })
  }
  if (devices.length > devicesMax) {
    throw new Problem(409, 'group-too-large', 'The group is too large', `a rollout may have ${devicesMax} devices`)
  }

  const members = devices.map(({ id }) => id)
  for (const model of await modelsIn(tx, deployment, members)) mayTouch(model)
  await assertRollable(tx, wanted.model, wanted.version)
  const targets = await targetsByProfile(tx, wanted, devices)
  const fitting = devices.filter(({ profile }) => targets.has(profile))
  const skipped = devices.filter(({ profile }) => !targets.has(profile)).map(({ id, profile }) => ({ id, profile }))
  if (fitting.length === 0) {
    const detail = `${wanted.model} ${wanted.version} does not exist, awaits its signature, or has no variant for the profiles of this group`
    throw new Problem(409, 'not-released', 'No signed version for these devices', detail, { field: 'version' })
  }

  const ids = fitting.map(({ id }) => id)
  const supersedes = await holders(tx, deployment, ids, wanted.supersede)
  const plan = wanted.plan ?? defaultPlanFor(fitting.length)
  const before = await wantedOf(tx, deployment, ids)
  const aside = await asideAmong(tx, ids, hub.clock())
  const profiles = new Map(fitting.map(({ id, profile }) => [id, profile]))
  const candidates = fitting.map(({ id, profile, labels }): Candidate => {
    const previous = before.get(id)
    const replaces = previous !== undefined && previous !== targets.get(profile)
    const standing = aside.has(id) ? 'aside' : fleet.isConnected(id) ? 'present' : 'away'
    return { device: id, profile, labels, standing, replaces }
  })
  const drawn = drawStages(id, candidates, plan.stages)
  if ('refused' in drawn) {
    throw new Problem(422, drawn.refused, 'The plan cannot be met', drawn.detail, { field: `plan.${drawn.field}` })
  }
  const targetOf = (device: string) => targets.get(profiles.get(device) ?? '') ?? ''
  const attempts = await attemptsOf(tx, deployment, ids)
  const nowMs = hub.clock()
  return {
    rollout: {
      id,
      model: wanted.model,
      version: wanted.version,
      deployment,
      group_name: group.name,
      query: group.query,
      plan,
      state: 'running',
      reason: `started by ${actor}`,
      supersede: wanted.supersede,
      created_by: actor,
      created_at: nowMs,
      started_by: actor,
      started_at: nowMs,
    },
    members: drawn.map((member) => {
      const target = targetOf(member.device)
      const attempt = attempts.get(`${member.device}/${target}`) ?? 0
      return { ...member, target, previous: before.get(member.device) ?? null, attempt }
    }),
    supersedes,
    story: { query: group.query, devices: drawn.length, skipped: skipped.slice(0, 1000), supersedes },
  }
}

/** The bundle for each profile that some variant of the version fits. */
export async function targetsByProfile(
  tx: Reader,
  { model, version }: Pick<NewRollout, 'model' | 'version'>,
  devices: readonly DeviceRow[],
): Promise<Map<string, string>> {
  const targets = new Map<string, string>()
  for (const profile of new Set(devices.map(({ profile }) => profile))) {
    const released = await releasedVersion(tx, model, version, profile)
    if (released !== undefined) targets.set(profile, released.digest)
  }
  return targets
}

async function holders(
  tx: Reader,
  deployment: string,
  devices: readonly string[],
  supersede: boolean,
): Promise<string[]> {
  const held = await holdersOf(tx, deployment, devices)
  const rollouts = [...new Set(held.map(({ rollout }) => rollout))]
  if (rollouts.length > 0 && !supersede) {
    throw new Problem(
      409,
      'held-by-another',
      'Another rollout is active on these devices',
      `${rollouts.join(', ')} holds ${held.length} of them for deployment ${deployment}; wait, abort it, or say supersede`,
      { members: { rollouts } },
    )
  }
  return rollouts
}

/** Rises with time, so that newest first is by id; 40 random bits tell apart what starts in one millisecond. */
function rolloutId({ clock, random }: Hub): string {
  const time = clock().toString(36).padStart(9, '0')
  return `r-${time}-${Buffer.from(random(5)).toString('hex')}`
}
