// What approvers have said of the stages, in order.

import { Time } from '../parts/time.tsx'
import type { RolloutDetail } from './words.ts'

export function Approvals({ rollout: { approvals } }: { rollout: RolloutDetail }) {
  return (
    <ul class="plain-list">
      {approvals.map(({ approver, name, decision, stage, comment, at, void: isVoid }) => (
        <li key={`${approver} ${at} ${stage}`} class={isVoid ? 'quiet' : undefined}>
          <b title={approver}>
            <bdi>{name}</bdi>
          </b>{' '}
          {decision === 'approve' ? 'approved' : 'rejected'} stage {stage} <Time at={at} form="full" />
          {comment !== '' && (
            <>
              : <bdi>{comment}</bdi>
            </>
          )}
          {isVoid && ' (counts no more)'}
        </li>
      ))}
    </ul>
  )
}
