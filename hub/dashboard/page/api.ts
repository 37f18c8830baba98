// The typed client of the hub's own API, and what went wrong as its problem documents say it.

import createClient from 'openapi-fetch'
import type { components, paths } from './api-types.d.ts'

export type Problem = components['schemas']['Problem']
export type Session = NonNullable<components['schemas']['Session']>
export type Device = components['schemas']['Device']

/** What the hub refuses, or that it cannot be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly problem: Partial<Problem> & { title: string; detail: string }
  /** Undefined where there was no answer. */
  readonly status: number | undefined

  constructor(problem: ApiError['problem'], status: number | undefined) {
    super(`${problem.title}: ${problem.detail}`)
    this.problem = problem
    this.status = status
  }
}

/** Calls whoever listens for the end of the session. */
let onSignedOut: () => void = () => undefined
export const listenForSignOut = (listener: () => void): void => {
  onSignedOut = listener
}

/** The browser's other tabs have the same session: they are told that it may be over, and ask. */
const otherTabs = new BroadcastChannel('roost-session')
otherTabs.onmessage = () => void askSession()

export async function signOut(): Promise<void> {
  await answer(client.DELETE('/v1/session'))
  otherTabs.postMessage('over')
}

// the header tells the hub that its own page asks
const client = createClient<paths>({
  headers: { 'x-roost-page': '1' },
  fetch: async (request) => {
    try {
      return await fetch(request)
    } catch {
      throw new ApiError({ title: 'No answer', detail: 'The hub cannot be reached. This page tries again.' }, undefined)
    }
  },
})
export const api = client

/** The data of an answer: `await answer(api.GET('/v1/devices'))`.
 *  @throws ApiError */
export async function answer<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  const { data, error, response } = await asked
  if (response.ok) {
    // what is answered without a body has the type undefined
    return data as T
  }
  if (response.status === 401) onSignedOut()
  throw new ApiError(
    isProblem(error) ? error : { title: 'An answer that makes no sense', detail: `HTTP ${response.status}` },
    response.status,
  )
}

/** Tells whoever listens where nobody is signed in any more.
 *  @returns whether the hub answered */
export async function askSession(): Promise<boolean> {
  try {
    const { session } = await answer(client.GET('/v1/session'))
    if (session === null) onSignedOut()
    return true
  } catch (error) {
    // no answer: nothing is known of the session
    if (error instanceof ApiError) return error.status !== undefined
    throw error
  }
}

const isProblem = (value: unknown): value is Problem =>
  typeof value === 'object' && value !== null && 'title' in value && 'detail' in value
