// The page begins here: who is signed in, then what the address asks for.

import { render } from 'preact'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { ApiError, answer, api, listenForSignOut, type Session } from './api.ts'
import { ErrorState } from './parts/error-state.tsx'
import { Shell } from './parts/shell.tsx'
import { useAddress } from './router.ts'
import { SessionContext } from './session.ts'
import { SignIn } from './sign-in/sign-in.tsx'
import { startTheme } from './theme.ts'

type State =
  | { kind: 'asking' }
  /** `isEnded`: somebody was, and did not sign out. */
  | { kind: 'nobody'; isEnded: boolean }
  | { kind: 'somebody'; session: Session }
  | { kind: 'failed'; error: ApiError }

const nobody: State = { kind: 'nobody', isEnded: false }

function App() {
  const [state, setState] = useState<State>({ kind: 'asking' })
  const address = useAddress()
  const ask = useCallback(() => {
    setState({ kind: 'asking' })
    answer(api.GET('/v1/session')).then(
      ({ session }) => setState(session === null ? nobody : { kind: 'somebody', session }),
      (error: unknown) => {
        if (error instanceof ApiError) setState({ kind: 'failed', error })
        else throw error
      },
    )
  }, [])
  useEffect(() => {
    listenForSignOut(() =>
      setState((before) => (before.kind === 'somebody' ? { kind: 'nobody', isEnded: true } : before)),
    )
    ask()
  }, [ask])

  // a code in the address is meant for who opens it, whoever was signed in before
  const isInvited = address.pathname === '/sign-in' && address.hash.length > 1
  if (state.kind === 'asking') return <p class="quiet starting">Loading…</p>
  if (state.kind === 'failed') {
    return (
      <main class="alone">
        <ErrorState error={state.error} retry={ask} />
      </main>
    )
  }
  if (state.kind === 'nobody' || isInvited) {
    const isEnded = state.kind === 'nobody' && state.isEnded
    return (
      <SignIn address={address} isEnded={isEnded} onSession={(session) => setState({ kind: 'somebody', session })} />
    )
  }
  return (
    <SessionContext.Provider value={state.session}>
      <Shell address={address} onSignedOut={() => setState(nobody)} />
    </SessionContext.Provider>
  )
}

startTheme()
const place = document.getElementById('page')
if (place === null) throw new Error('index.html has no place for the page')
render(<App />, place)
