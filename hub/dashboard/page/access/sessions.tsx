// Who is signed in to the dashboard: one's own browsers, for an admin everybody's. Each can be signed out.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { useMay, useSession } from '../session.ts'

type Open = { id: string; token: string; name: string; startedAt: string; expiresAt: string; current: boolean }

export function Sessions() {
  const { models } = useSession()
  const seesAll = useMay()('admin', 'tokens') && models === null
  const [ending, setEnding] = useState<Open>()
  const [said, setSaid] = useState('')
  const { value, error, refresh } = useResource(
    'sessions',
    (signal) => answer(api.GET('/v1/sessions', { params: { query: { of: seesAll ? 'all' : 'me' } }, signal })),
    ['access'],
  )
  if (value === undefined) {
    return error === undefined ? (
      <Loading rows={3} what="Sessions are loading" />
    ) : (
      <ErrorState error={error} retry={refresh} />
    )
  }
  const end = async ({ id, name }: Open) => {
    await answer(api.DELETE('/v1/sessions/{id}', { params: { path: { id } } }))
    setSaid(`A browser of “${name}” is signed out.`)
    refresh()
  }
  return (
    <>
      <p class="quiet">
        {seesAll ? 'All browsers that are signed in' : 'Browsers that are signed in with your token'}. A session ends
        after twelve hours, and with its token.
      </p>
      <p role="status" class="said">
        {said}
      </p>
      <ul class="card sessions">
        {value.sessions.map((session) => (
          <li key={session.id}>
            <span>
              {seesAll ? <a href={`/access?token=${session.token}`}>{session.name}</a> : session.name}
              {session.current && <small class="quiet"> this browser</small>}
            </span>
            <span>
              signed in <Time at={session.startedAt} />, until <Time at={session.expiresAt} form="full" />
            </span>
            {session.current ? (
              <span class="quiet">Sign out above</span>
            ) : (
              <button type="button" class="plain small" onClick={() => setEnding(session)}>
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
      {ending !== undefined && (
        <ConfirmDialog
          title={`Sign out a browser of “${ending.name}”?`}
          action="Sign it out"
          onConfirm={() => end(ending)}
          onClose={() => setEnding(undefined)}
        >
          <p>
            It began <Time at={ending.startedAt} />. The token stays valid: who has it can sign in again.
          </p>
        </ConfirmDialog>
      )}
    </>
  )
}
