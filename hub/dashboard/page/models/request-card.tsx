// A request for approval: what is asked, who has answered, and the buttons for who may answer or take an answer back.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor, WithNames } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useMay, useSession } from '../session.ts'
import { RequestDot } from './stages.tsx'

type Request = components['schemas']['PromotionRequest']
type Approval = Request['approvals'][number]
type Dialog = { do: 'approve' | 'reject' } | { do: 'revoke'; approval: Approval }

export function RequestCard({ request, onDone }: { request: Request; onDone: (text: string) => void }) {
  const may = useMay()
  const me = `token:${useSession().token}`
  const [dialog, setDialog] = useState<Dialog>()
  const isOpen = request.state === 'open'
  const mayAnswer = may('approver', 'promotion-requests')
  const mayRevoke = ({ approver, decision, revoked }: Approval) =>
    mayAnswer &&
    revoked === null &&
    decision === 'approve' &&
    (isOpen || request.state === 'approved') &&
    (approver === me || may('admin', 'promotion-requests'))
  return (
    <section class={isOpen ? 'card stack waits' : 'card stack'} aria-labelledby={request.id}>
      <div class="title spread">
        <div class="title">
          <h2 id={request.id}>
            From {request.from} to {request.to}
          </h2>
          <RequestDot state={request.state} />
        </div>
        {isOpen && mayAnswer && (
          <div class="row wrap">
            <button type="button" onClick={() => setDialog({ do: 'reject' })}>
              Reject…
            </button>
            <button type="button" class="primary" onClick={() => setDialog({ do: 'approve' })}>
              Approve…
            </button>
          </div>
        )}
      </div>
      <p>
        <Actor actor={request.requestedBy} /> asked <Time at={request.requestedAt} />
        {request.comment !== '' && (
          <>
            : <bdi>{request.comment}</bdi>
          </>
        )}
        . {request.approved} of {counted(request.needed, 'approval')}
        {isOpen ? (
          <>
            ; it expires <Time at={request.expiresAt} />
          </>
        ) : (
          request.closedAt !== null && (
            <>
              ; closed <Time at={request.closedAt} />
            </>
          )
        )}
        . <AuditLink subject={`promotion-request:${request.id}`}>audit</AuditLink>
      </p>
      {request.reason !== null && (
        <p class="quiet">
          <WithNames text={request.reason} />
        </p>
      )}
      {request.approvals.length > 0 && (
        <ul class="lines">
          {request.approvals.map((approval) => (
            <li key={`${approval.approver} ${approval.at}`}>
              <StateDot tone={approval.revoked !== null ? 'idle' : approval.decision === 'approve' ? 'good' : 'bad'}>
                {approval.decision === 'approve' ? 'approved' : 'rejected'}
              </StateDot>{' '}
              by{' '}
              <b title={approval.approver}>
                <bdi>{approval.name}</bdi>
              </b>{' '}
              <Time at={approval.at} />
              {approval.comment !== '' && (
                <span class="quiet">
                  : <bdi>{approval.comment}</bdi>
                </span>
              )}
              {approval.revoked !== null && (
                <small class="fault block">
                  revoked by <Actor actor={approval.revoked.by} /> <Time at={approval.revoked.at} />:{' '}
                  <bdi>{approval.revoked.reason}</bdi>
                </small>
              )}{' '}
              {mayRevoke(approval) && (
                <button type="button" class="plain" onClick={() => setDialog({ do: 'revoke', approval })}>
                  Revoke…
                </button>
              )}
            </li>
          ))}
        </ul>
      )}
      {dialog !== undefined && (
        <AnswerDialog request={request} dialog={dialog} onDone={onDone} onClose={() => setDialog(undefined)} />
      )}
    </section>
  )
}

const titles = { approve: 'Approve', reject: 'Reject', revoke: 'Revoke an approval of' }
const actions = { approve: 'Approve', reject: 'Reject', revoke: 'Revoke it' }

function AnswerDialog({
  request,
  dialog,
  onDone,
  onClose,
}: {
  request: Request
  dialog: Dialog
  onDone: (text: string) => void
  onClose: () => void
}) {
  const [comment, setComment] = useState('')
  const what = `${request.model} v${request.version}`
  const confirm = async () => {
    const params = { path: { id: request.id } }
    if (dialog.do === 'revoke') {
      const { approver, name } = dialog.approval
      const body = { approver, reason: comment }
      await answer(api.POST('/v1/promotion-requests/{id}/revocations', { params, body }))
      onDone(`The approval of ${name} is revoked.`)
      return
    }
    const after = await answer(
      api.POST('/v1/promotion-requests/{id}/approvals', { params, body: { decision: dialog.do, comment } }),
    )
    onDone(outcome(after, what))
  }
  return (
    <ConfirmDialog
      title={`${titles[dialog.do]} ${what} for ${request.to}`}
      action={actions[dialog.do]}
      isDanger={dialog.do !== 'approve'}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        {dialog.do === 'approve'
          ? `It goes to ${request.to} as soon as ${counted(request.needed, 'approval')} are there.`
          : dialog.do === 'reject'
            ? 'One rejection ends the request.'
            : request.state === 'approved'
              ? `The version returns to ${request.from}, what it displaced comes back, and its rollouts pause. Devices that run it go on running it.`
              : 'It does not count any more, and its giver cannot answer this request again.'}
      </p>
      <label>
        {dialog.do === 'revoke' ? 'Reason' : 'Comment'}
        <textarea
          rows={3}
          value={comment}
          required={dialog.do === 'revoke'}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      </label>
    </ConfirmDialog>
  )
}

function outcome({ state, approved, needed, to }: Request, what: string): string {
  if (state === 'approved') return `${what} is approved and in ${to}.`
  if (state === 'open') return `Your approval counts: ${approved} of ${needed} are there.`
  return `The request is ${state}.`
}
