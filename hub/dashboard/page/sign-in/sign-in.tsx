// Signing in with a token, or with the one-time code of a link.

import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, answer, api, type Session } from '../api.ts'
import { navigate } from '../router.ts'

type Credential = { token: string } | { code: string }

type SignInProps = {
  address: URL
  /** A session ended by itself. */
  isEnded: boolean
  onSession: (session: Session) => void
}

export function SignIn({ address, isEnded, onSession }: SignInProps) {
  const code = address.pathname === '/sign-in' ? address.hash.slice(1) : ''
  const [isBusy, setBusy] = useState(code !== '')
  const [fault, setFault] = useState<ApiError>()
  const field = useRef<HTMLInputElement>(null)

  const signIn = async (credential: Credential) => {
    setBusy(true)
    setFault(undefined)
    try {
      const { session } = await answer(api.POST('/v1/session', { body: credential }))
      if (address.pathname === '/sign-in') navigate('/', { replace: true })
      if (session !== null) onSession(session)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      setFault(error)
      setBusy(false)
    }
  }
  useEffect(() => {
    document.title = 'Sign in · Roost'
    if (code === '') return
    // out of the address and the history: it was good for once
    navigate('/sign-in', { replace: true })
    void signIn({ code })
  }, [])
  useEffect(() => {
    if (!isBusy) field.current?.focus()
  }, [isBusy])

  return (
    <main class="alone">
      <h1 class="brand">Roost</h1>
      <form
        class="card stack"
        onSubmit={(event) => {
          event.preventDefault()
          const token = field.current?.value.trim() ?? ''
          if (token !== '') void signIn({ token })
        }}
      >
        <h2>Sign in</h2>
        <label for="token">Token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          placeholder="roost_…"
          aria-describedby={fault === undefined ? 'token-hint' : 'token-fault'}
          aria-invalid={fault !== undefined}
          disabled={isBusy}
          required
        />
        {fault === undefined ? (
          <p id="token-hint" class="quiet">
            {isEnded
              ? 'You were signed out: the session ended, or its token expired or was revoked.'
              : 'An admin makes tokens. The hub printed the first one when it started for the first time.'}
          </p>
        ) : (
          <p id="token-fault" class="fault" role="alert">
            {fault.problem.title}: {fault.problem.detail}
          </p>
        )}
        <button type="submit" class="primary" disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  )
}
