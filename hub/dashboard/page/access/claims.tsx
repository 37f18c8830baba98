// Claims: with one a gateway becomes a device of the fleet. So many uses, until then, with those labels.

import { useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink, useMayAudit } from '../parts/audit-link.tsx'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import type { Tone } from '../parts/tone.ts'
import { useResource } from '../resource.ts'
import { useMay } from '../session.ts'
import { FormDialog } from './form-dialog.tsx'
import { labelsIn } from './roles.ts'

type Claim = components['schemas']['Claim']

/** The most that the hub gives at once; older ones are asked for when they are wanted. */
const pageRows = 200

const states: Record<Claim['state'], { title: string; tone: Tone }> = {
  open: { title: 'Open', tone: 'good' },
  'used-up': { title: 'Used up', tone: 'idle' },
  expired: { title: 'Expired', tone: 'idle' },
  revoked: { title: 'Revoked', tone: 'idle' },
}

export function Claims() {
  const mayChange = useMay()('operator', 'claims')
  const mayAudit = useMayAudit()
  const [pagesWanted, setPages] = useState(1)
  const [isMaking, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Claim>()
  const [said, setSaid] = useState('')
  const { value, error, refresh } = useResource(`claims ${pagesWanted}`, (signal) => claimsOf(pagesWanted, signal), [
    'access',
  ])
  if (value === undefined) {
    return error === undefined ? (
      <Loading rows={6} what="Claims are loading" />
    ) : (
      <ErrorState error={error} retry={refresh} />
    )
  }
  const revoke = async ({ id }: Claim) => {
    await answer(api.DELETE('/v1/claims/{id}', { params: { path: { id } } }))
    setSaid('The claim is revoked: no further device enrols with it.')
    refresh()
  }
  const open = value.claims.filter(({ state }) => state === 'open').length
  return (
    <>
      <div class="bar-of-actions">
        <p>
          {counted(open, 'open claim')}
          <span class="quiet">
            {' '}
            of {counted(value.claims.length, 'claim')}
            {value.hasMore ? ', the newest' : ''}
          </span>
        </p>
        {mayChange && (
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            New claim
          </button>
        )}
      </div>
      <p role="status" class="said">
        {said}
      </p>
      {value.claims.length === 0 ? (
        <EmptyState title="No claims yet">
          <p>A gateway shows the token of a claim once, when it enrols.</p>
        </EmptyState>
      ) : (
        <DataTable
          label={`Claims, ${counted(value.claims.length, 'row')}`}
          columns={columnsOf(mayChange ? setRevoking : undefined, mayAudit)}
          count={value.claims.length}
          rowAt={(index) => value.claims[index]}
          keyOf={({ id }) => id}
        />
      )}
      {value.hasMore && (
        <button type="button" onClick={() => setPages(pagesWanted + 1)}>
          Older claims
        </button>
      )}
      {isMaking && (
        <NewClaim
          onClose={() => {
            setMaking(false)
            refresh()
          }}
        />
      )}
      {revoking !== undefined && (
        <ConfirmDialog
          title="Revoke the claim?"
          action="Revoke"
          isDanger
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          <p>
            No further device enrols with it. The {counted(revoking.uses, 'device that has', 'devices that have')} stay.
          </p>
        </ConfirmDialog>
      )}
    </>
  )
}

async function claimsOf(pages: number, signal: AbortSignal): Promise<{ claims: Claim[]; hasMore: boolean }> {
  const claims: Claim[] = []
  let cursor: string | null = null
  for (let page = 0; page < pages; page++) {
    const query: { limit: number; cursor?: string } = { limit: pageRows, ...(cursor !== null && { cursor }) }
    const told: { claims: Claim[]; next: string | null } = await answer(
      api.GET('/v1/claims', { params: { query }, signal }),
    )
    claims.push(...told.claims)
    cursor = told.next
    if (cursor === null) break
  }
  return { claims, hasMore: cursor !== null }
}

const labelText = (labels: Record<string, string>): string =>
  Object.entries(labels)
    .map(([key, value]) => `${key} = ${value}`)
    .join(', ')

const columnsOf = (onRevoke: ((claim: Claim) => void) | undefined, mayAudit: boolean): Column<Claim>[] => [
  { key: 'id', title: 'Claim', width: 'minmax(104px, 1fr)', cell: ({ id }) => <span class="mono">{id}</span> },
  {
    key: 'state',
    title: 'State',
    width: 'minmax(96px, 1fr)',
    cell: ({ state }) => <StateDot tone={states[state].tone}>{states[state].title}</StateDot>,
  },
  {
    key: 'used',
    title: 'Devices',
    width: 'minmax(72px, .8fr)',
    isNumber: true,
    cell: ({ uses, usesMax }) => `${grouped(uses)} of ${grouped(usesMax)}`,
  },
  {
    key: 'labels',
    title: 'Labels',
    width: 'minmax(0, 1.6fr)',
    isWideOnly: true,
    cell: ({ labels }) => <span title={labelText(labels)}>{labelText(labels) || '–'}</span>,
  },
  {
    key: 'expires',
    title: 'Expires',
    width: 'minmax(0, 1fr)',
    isWideOnly: true,
    cell: ({ expiresAt }) => <Time at={expiresAt} />,
  },
  {
    key: 'by',
    title: 'Made by',
    width: 'minmax(0, 1fr)',
    isWideOnly: true,
    cell: ({ createdBy }) => <Actor actor={createdBy} />,
  },
  ...(mayAudit ? [logColumn] : []),
  {
    key: 'revoke',
    title: 'Action',
    width: '80px',
    cell: (claim) =>
      onRevoke !== undefined &&
      claim.state === 'open' && (
        <button type="button" class="plain small" aria-label={`Revoke ${claim.id}`} onClick={() => onRevoke(claim)}>
          Revoke
        </button>
      ),
  },
]

const logColumn: Column<Claim> = {
  key: 'audit',
  title: 'Log',
  width: '64px',
  isWideOnly: true,
  cell: ({ id }) => <AuditLink subject={`claim:${id}`} />,
}

function NewClaim({ onClose }: { onClose: () => void }) {
  const make = async (form: FormData) => {
    const labels = labelsIn(String(form.get('labels') ?? ''))
    if (labels === undefined) {
      throw new ApiError({ title: 'Labels', detail: 'give them as key = value, with commas between' }, undefined)
    }
    const body = { uses: Number(form.get('uses')), expiresInHours: Number(form.get('hours')), labels }
    const { token } = await answer(api.POST('/v1/claims', { body }))
    return { secret: token, what: 'The claim is made' }
  }
  return (
    <FormDialog title="New claim" action="Make the claim" onMake={make} onClose={onClose}>
      <div class="columns">
        <div>
          <label for="claim-uses">Devices that may enrol with it</label>
          <input id="claim-uses" name="uses" type="number" min={1} max={100_000} defaultValue="1" required />
        </div>
        <div>
          <label for="claim-hours">Hours until it expires</label>
          <input id="claim-hours" name="hours" type="number" min={1} max={8_760} defaultValue="24" required />
        </div>
      </div>
      <div>
        <label for="claim-labels">Labels of every device that enrols with it</label>
        <input id="claim-labels" name="labels" class="mono" placeholder="site = north, line = 3" autocomplete="off" />
      </div>
      <p class="quiet">
        On the gateway: <code>roost-agent enrol</code> asks for the token that is shown next.
      </p>
    </FormDialog>
  )
}
