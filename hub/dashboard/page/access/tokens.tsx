// Tokens: what each may do, who made it, when it was used last; making one, and ending one.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { useMay, useSession } from '../session.ts'
import { NewToken } from './new-token.tsx'
import { isValid, roleWords, tokenState } from './roles.ts'

type Token = components['schemas']['Token']

/** `chosen`: the id of the token that is shown whole. */
export function Tokens({ chosen }: { chosen: string | undefined }) {
  const [isMaking, setMaking] = useState(false)
  const [revoking, setRevoking] = useState<Token>()
  const [said, setSaid] = useState('')
  const [withEnded, setWithEnded] = useState(false)
  const { value, error, refresh } = useResource('tokens', (signal) => answer(api.GET('/v1/tokens', { signal })), [
    'access',
  ])
  const mayMake = useMayMake()
  if (value === undefined) {
    return error === undefined ? (
      <Loading rows={6} what="Tokens are loading" />
    ) : (
      <ErrorState error={error} retry={refresh} />
    )
  }
  const valid = value.tokens.filter((token) => isValid(token, Date.now()))
  const shown = withEnded ? value.tokens : valid
  const whole = value.tokens.find(({ id }) => id === chosen)
  const revoke = async ({ id, name }: Token) => {
    await answer(api.DELETE('/v1/tokens/{id}', { params: { path: { id } } }))
    setSaid(`“${name}” is revoked: whoever used it is signed out.`)
    refresh()
  }
  return (
    <>
      <div class="bar-of-actions">
        <p>
          {counted(valid.length, 'valid token')}
          {value.tokens.length > valid.length && (
            <span class="quiet">
              , {counted(value.tokens.length - valid.length, 'revoked or expired', 'revoked or expired')}
            </span>
          )}
        </p>
        {value.tokens.length > valid.length && (
          <label class="check">
            <input
              type="checkbox"
              checked={withEnded}
              onChange={({ currentTarget }) => setWithEnded(currentTarget.checked)}
            />
            Show them
          </label>
        )}
        {mayMake && (
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            New token
          </button>
        )}
      </div>
      <p role="status" class="said">
        {said}
      </p>
      {whole !== undefined && <TokenCard token={whole} onRevoke={() => setRevoking(whole)} />}
      <DataTable
        label={`Tokens, ${counted(shown.length, 'row')}`}
        columns={columnsOf(setRevoking)}
        count={shown.length}
        rowAt={(index) => shown[index]}
        keyOf={({ id }) => id}
        hrefOf={({ id }) => `/access?token=${id}`}
      />
      {isMaking && (
        <NewToken
          onClose={() => {
            setMaking(false)
            refresh()
          }}
        />
      )}
      {revoking !== undefined && (
        <ConfirmDialog
          title={`Revoke “${revoking.name}”?`}
          action="Revoke"
          isDanger
          onConfirm={() => revoke(revoking)}
          onClose={() => setRevoking(undefined)}
        >
          <p>
            Whoever uses it is refused from the next request on, and browsers that signed in with it are signed out. It
            cannot be taken back.
          </p>
        </ConfirmDialog>
      )}
    </>
  )
}

const columnsOf = (onRevoke: (token: Token) => void): Column<Token>[] => [
  {
    key: 'name',
    title: 'Name',
    width: 'minmax(0, 1.6fr)',
    cell: ({ id, name }) => (
      <a href={`/access?token=${id}`} title={name}>
        {name}
      </a>
    ),
  },
  { key: 'role', title: 'Role', width: 'minmax(72px, .8fr)', cell: ({ role }) => role },
  {
    key: 'state',
    title: 'State',
    width: 'minmax(112px, 1fr)',
    isWideOnly: true,
    cell: (token) => <State token={token} />,
  },
  {
    key: 'narrowed',
    title: 'Only',
    width: 'minmax(0, 1.6fr)',
    isWideOnly: true,
    cell: (token) => <Only token={token} />,
  },
  {
    key: 'used',
    title: 'Last used',
    width: 'minmax(0, 1fr)',
    isWideOnly: true,
    cell: ({ lastUsedAt }) => (lastUsedAt === null ? <span class="quiet">never</span> : <Time at={lastUsedAt} />),
  },
  {
    key: 'expires',
    title: 'Expires',
    width: 'minmax(0, 1fr)',
    isWideOnly: true,
    cell: ({ expiresAt }) => (expiresAt === null ? <span class="quiet">never</span> : <Time at={expiresAt} />),
  },
  {
    key: 'by',
    title: 'Made by',
    width: 'minmax(0, 1.2fr)',
    isWideOnly: true,
    cell: ({ createdBy }) => <Actor actor={createdBy} />,
  },
  {
    key: 'revoke',
    title: 'Action',
    width: '80px',
    cell: (token) => token.revokedAt === null && <RevokeButton token={token} onRevoke={onRevoke} />,
  },
]

function RevokeButton({ token, onRevoke }: { token: Token; onRevoke: (token: Token) => void }) {
  const { token: own } = useSession()
  const isOwn = token.id === own
  return (
    <button
      type="button"
      class="plain small"
      disabled={isOwn}
      title={isOwn ? 'You are signed in with it' : undefined}
      aria-label={`Revoke ${token.name}`}
      onClick={() => onRevoke(token)}
    >
      Revoke
    </button>
  )
}

function State({ token }: { token: Token }) {
  const { title, tone } = tokenState(token, Date.now())
  return <StateDot tone={tone}>{title}</StateDot>
}

function Only({ token: { scopes, models } }: { token: Token }) {
  const text = [scopes?.join(', '), models === null ? undefined : `models ${models.join(', ')}`]
    .filter((part) => part !== undefined)
    .join('; ')
  return text === '' ? <span class="quiet">all of its role</span> : <span title={text}>{text}</span>
}

function TokenCard({ token, onRevoke }: { token: Token; onRevoke: () => void }) {
  const { id, name, role, scopes, models, createdBy, createdAt, expiresAt, revokedAt, lastUsedAt } = token
  const { token: own } = useSession()
  return (
    <section class="card stack" aria-labelledby="token-card">
      <div class="title">
        <h2 id="token-card">{name}</h2>
        <State token={token} />
        <button type="button" class="plain small" onClick={() => setQuery('token', undefined)}>
          Close
        </button>
      </div>
      <Facts
        facts={[
          ['Id', <span class="mono">token:{id}</span>],
          ['Role', `${role}: may ${roleWords.find((known) => known.role === role)?.may ?? ''}`],
          ['Only scopes', scopes?.join(', ')],
          ['Only models', models?.join(', ')],
          [
            'Made',
            <>
              <Time at={createdAt} form="full" /> by <Actor actor={createdBy} />
            </>,
          ],
          ['Last used', lastUsedAt === null ? 'never' : <Time at={lastUsedAt} />],
          ['Expires', expiresAt === null ? 'never' : <Time at={expiresAt} form="full" />],
          ['Revoked', revokedAt === null ? null : <Time at={revokedAt} form="full" />],
        ]}
      />
      <div class="row">
        <AuditLink actor={`token:${id}`}>What it did</AuditLink>
        <AuditLink subject={`token:${id}`}>Who made and ended it</AuditLink>
        {revokedAt === null && id !== own && (
          <button type="button" onClick={onRevoke}>
            Revoke
          </button>
        )}
      </div>
    </section>
  )
}

/** A token that is narrowed makes no others. */
function useMayMake(): boolean {
  const { models } = useSession()
  const may = useMay()
  const everything = ['viewer', 'ci', 'operator', 'approver', 'admin']
  return models === null && everything.every((scope) => may(scope, ''))
}
