// Who is signed in, and what they may do: an action that would be refused is not shown.

import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Session } from './api.ts'

export const SessionContext = createContext<Session | undefined>(undefined)

/** @throws outside of the signed-in page */
export function useSession(): Session {
  const session = useContext(SessionContext)
  if (session === undefined) throw new Error('nobody is signed in here')
  return session
}

/** `const may = useMay(); may('operator', 'devices')`: the area is the part of the path after /v1/. */
export function useMay(): (scope: string, area: string) => boolean {
  const { scopes } = useSession()
  return (scope, area) => scopes.includes(scope) || scopes.includes(`${scope}:${area}`)
}
