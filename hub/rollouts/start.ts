// What is stored when a rollout starts: who is in it, as the group is now, frozen.

import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import type { FleetLink } from './looks.ts'
import type { NewRollout } from './plan/plan.ts'
import { prepareDraw } from './plan/preview.ts'
import { rolloutId } from './plan/rollout-id.ts'
import type { StartStory } from './plan/start-story.ts'
import type { NewMember, NewRolloutRow } from './statements.ts'
import { attemptsOf, type RolloutRow, rolloutById } from './store.ts'

/** Of the devices that are left out, so many are named in the history. */
const skippedMax = 1_000

export type PreparedRollout = {
  rollout: NewRolloutRow
  members: NewMember[]
  /** Rollouts that hold some of the devices and end for this one. */
  supersedes: string[]
  /** What the history says of the start. */
  story: StartStory
}

/** As it was asked for; `draft` is left out where nobody thinks of one. */
export type WantedRollout = Omit<NewRollout, 'draft'> & Partial<Pick<NewRollout, 'draft'>>

/** Who starts it. `mayTouch` throws where they may not touch the model. */
export type Starter = { actor: string; requestId?: string | undefined; mayTouch?: (model: string) => void }

/** @param stored what was written down before: a draft that starts, or what was approved
 *  @throws Problem as `prepareDraw` does, and where a rollout has the id that was asked for */
export async function prepareRollout(
  hub: Hub,
  tx: Reader,
  wanted: WantedRollout,
  { actor, mayTouch = () => undefined }: Starter,
  { isConnected }: Pick<FleetLink, 'isConnected'>,
  stored?: Pick<RolloutRow, 'id' | 'state' | 'created_by' | 'started_by'>,
): Promise<PreparedRollout> {
  if (stored === undefined && wanted.id !== undefined && (await rolloutById(tx, wanted.id)) !== undefined) {
    const detail = `there is a rollout ${wanted.id}; leave the id out, or try the plan dry once more`
    throw new Problem(409, 'rollout-exists', 'The id is taken', detail, { field: 'id' })
  }
  const id = stored?.id ?? wanted.id ?? rolloutId(hub)
  const nowMs = hub.clock()
  const asker = {
    starters: stored === undefined ? [actor] : [...new Set([stored.created_by, stored.started_by ?? actor])],
    approvedStages: stored?.state === 'awaiting_approval' ? 1 : 0,
    mayTouch,
    isConnected: (device: string) => isConnected(device),
  }
  const { plan, membership, drawn, warnings } = await prepareDraw(tx, id, wanted, asker, nowMs)
  const { group, deployment, targets, before, skipped, supersedes } = membership
  const profiles = new Map(membership.candidates.map(({ device, profile }) => [device, profile]))
  const attempts = await attemptsOf(
    tx,
    deployment,
    drawn.map(({ device }) => device),
  )
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
      const target = targets.get(profiles.get(member.device) ?? '')?.digest ?? ''
      const attempt = attempts.get(`${member.device}/${target}`) ?? 0
      return { ...member, target, previous: before.get(member.device) ?? null, attempt }
    }),
    supersedes,
    story: {
      query: group.query,
      devices: drawn.length,
      skipped: skipped.slice(0, skippedMax),
      skippedCount: skipped.length,
      supersedes,
      warnings,
    },
  }
}
