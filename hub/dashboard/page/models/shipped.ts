// Who shipped a version: who registered, evaluated, approved it and rolled it out, each with where the audit log tells it.

import type { components } from '../api-types.d.ts'

type Schemas = components['schemas']

/** `actors` did `what`; `subject` is what the audit log calls it. */
export type Step = { actors: string[]; what: string; at: string; subject: string; href?: string }

const began = (group: string, end: string): string => `began to roll it out to ${group}, which ${end}`

function rolledOut({ state, group }: Pick<Schemas['Rollout'], 'state' | 'group'>): string {
  if (state === 'completed') return `rolled it out to ${group}`
  if (state === 'rolled_back' || state === 'rolling_back') return began(group, 'was taken back')
  if (state === 'aborted') return began(group, 'was aborted')
  if (state === 'superseded') return began(group, 'another rollout took over')
  return began(group, 'goes on')
}

/** In the order in which it happened, the newest of each kind; of approvals those of the newest request that was granted. */
export function shippedSteps(
  version: Pick<Schemas['Version'], 'model' | 'version' | 'createdBy' | 'createdAt'>,
  evaluations: readonly Pick<Schemas['ListedEvaluation'], 'id' | 'state' | 'createdBy' | 'createdAt'>[],
  requests: readonly Pick<Schemas['PromotionRequest'], 'id' | 'state' | 'to' | 'closedAt' | 'approvals'>[],
  moves: readonly Schemas['VersionPipeline']['moves'][number][],
  rollouts: readonly Pick<Schemas['Rollout'], 'id' | 'group' | 'state' | 'startedBy' | 'createdAt'>[],
): Step[] {
  const steps: Step[] = [
    {
      actors: [version.createdBy],
      what: 'registered it',
      at: version.createdAt,
      subject: `version:${version.model}/${version.version}`,
    },
  ]
  const evaluation = evaluations.find(({ state }) => state === 'succeeded')
  if (evaluation !== undefined) {
    const { id, createdBy, createdAt } = evaluation
    steps.push({ actors: [createdBy], what: 'evaluated it', at: createdAt, subject: `evaluation:${id}` })
  }
  const request = requests.find(({ state }) => state === 'approved')
  const approvers = (request?.approvals ?? []).filter(
    ({ decision, revoked }) => decision === 'approve' && revoked === null,
  )
  if (request !== undefined && approvers.length > 0) {
    steps.push({
      actors: approvers.map(({ approver }) => approver),
      what: `approved it for ${request.to}`,
      at: request.closedAt ?? '',
      subject: `promotion-request:${request.id}`,
    })
  }
  // without an approval somebody, or the hub, moved it
  const move = moves.find(({ to, kind }) => to === 'production' && kind !== 'approved' && kind !== 'restored')
  if (approvers.length === 0 && move !== undefined) {
    steps.push({
      actors: [move.actor],
      what: `moved it to production${move.kind === 'override' ? ' against its gates' : ''}`,
      at: move.at,
      subject: `version:${version.model}/${version.version}`,
    })
  }
  const rollout = rollouts.find(({ state }) => !['draft', 'awaiting_approval', 'rejected'].includes(state))
  if (rollout !== undefined) {
    steps.push({
      actors: rollout.startedBy === null ? [] : [rollout.startedBy],
      what: rolledOut(rollout),
      at: rollout.createdAt,
      subject: `rollout:${rollout.id}`,
      href: `/rollouts/${rollout.id}`,
    })
  }
  return steps.sort((a, b) => a.at.localeCompare(b.at))
}
