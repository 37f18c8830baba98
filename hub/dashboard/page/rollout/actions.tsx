// The buttons of a rollout: each says what it will do to how many devices before it is asked for, and what became of it.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { useMay } from '../session.ts'
import { type Offer, type Operation, offersFor } from './may-be-done.ts'
import { inWords, type RolloutDetail } from './words.ts'

export function Actions({ rollout, onDone }: { rollout: RolloutDetail; onDone: () => void }) {
  const may = useMay()
  const [asked, setAsked] = useState<Offer>()
  const [said, setSaid] = useState('')
  const offers = offersFor(rollout, { operate: may('operator', 'rollouts'), approve: may('approver', 'rollouts') })
  return (
    <>
      {offers.length > 0 && (
        <div class="row actions" role="group" aria-label="What may be done">
          {offers.map((offer) => (
            <button
              key={offer.operation}
              type="button"
              class={offer.isPrimary ? 'primary' : undefined}
              onClick={() => setAsked(offer)}
            >
              {offer.action}
            </button>
          ))}
        </div>
      )}
      <p class="quiet said" role="status">
        {said}
      </p>
      {asked !== undefined && (
        <Asking
          rollout={rollout}
          offer={asked}
          onClose={() => setAsked(undefined)}
          onDone={(after) => {
            setSaid(`Done: the rollout is ${inWords(after.state)}.`)
            onDone()
          }}
        />
      )}
    </>
  )
}

type AskingProps = {
  rollout: RolloutDetail
  offer: Offer
  onClose: () => void
  onDone: (after: RolloutDetail) => void
}

function Asking({ rollout, offer, onClose, onDone }: AskingProps) {
  const [reason, setReason] = useState('')
  const { operation, action, isDanger, consequences } = offer
  const { label, max } = noteOf(operation)
  return (
    <ConfirmDialog
      title={`${action}: ${rollout.model} ${rollout.version} to ${rollout.group}?`}
      action={action}
      isDanger={isDanger}
      onClose={onClose}
      onConfirm={async () => onDone(await ask(rollout, offer, reason.trim()))}
    >
      <ul class="plain-list">
        {consequences.map((what) => (
          <li key={what}>{what}</li>
        ))}
      </ul>
      {max > 0 && (
        <label>
          {label}
          <textarea
            rows={2}
            maxLength={max}
            value={reason}
            onInput={({ currentTarget }) => setReason(currentTarget.value)}
          />
        </label>
      )}
    </ConfirmDialog>
  )
}

const noteOf = (operation: Operation): { label: string; max: number } => {
  if (operation === 'start') return { label: '', max: 0 }
  return operation === 'approve' || operation === 'reject'
    ? { label: 'Comment, for the record', max: 2_000 }
    : { label: 'Reason, for the history', max: 500 }
}

function ask({ id }: RolloutDetail, { operation, stage }: Offer, note: string): Promise<RolloutDetail> {
  const named = stage === undefined ? {} : { stage }
  if (operation === 'start') return answer(api.POST('/v1/rollouts/{id}/start', { params: { path: { id } } }))
  if (operation === 'approve' || operation === 'reject') {
    const body = { decision: operation, comment: note, ...named }
    return answer(api.POST('/v1/rollouts/{id}/approvals', { params: { path: { id } }, body }))
  }
  const params = { path: { id, operation } }
  // with a stage a rollback would take back that one alone; resume names none
  const body = { reason: note, ...(operation === 'release' || operation === 'advance' ? named : {}) }
  return answer(api.POST('/v1/rollouts/{id}/{operation}', { params, body }))
}
