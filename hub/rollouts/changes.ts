// What the audit log says of rollouts that are written down, started, approved and superseded.

import type { Change } from '../governance/audit.ts'
import type { PreparedRollout } from './start.ts'
import type { RolloutRow } from './store.ts'

/** `expected`: refuses where the rollout is at another revision. */
export type Caller = { actor: string; requestId?: string | undefined; expected?: number | undefined }

/** `also`: of the approval that made it begin. */
export type Beginner = Caller & { also?: unknown }

export const changeOf = ({ id }: Pick<RolloutRow, 'id'>, verb: string, { actor, requestId }: Caller): Change => ({
  actor,
  action: `rollout.${verb}`,
  subject: `rollout:${id}`,
  requestId,
})

export function createChange(row: PreparedRollout['rollout'], devices: number, by: Caller): Change {
  const { model, version, deployment, group_name: group, query, plan, state } = row
  return { ...changeOf(row, 'create', by), after: { state, model, version, deployment, group, query, devices, plan } }
}

export function startChanges({ rollout, members, supersedes }: PreparedRollout, by: Beginner): Change[] {
  const { id, model, version, deployment, group_name: group, query, plan } = rollout
  const after = { model, version, deployment, group, query, devices: members.length, plan }
  return [
    ...supersedes.map((older) => ({
      ...changeOf({ id: older }, 'supersede', by),
      after: { state: 'superseded', by: id },
    })),
    ...(by.also === undefined ? [] : [{ ...changeOf(rollout, 'approve', by), after: by.also }]),
    { ...changeOf(rollout, 'start', by), after },
  ]
}
