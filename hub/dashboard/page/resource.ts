// What a page shows of the hub: asked for when it is shown, and again when the hub says that it has changed.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from './api.ts'
import { useConnection, useLive } from './live.ts'

export type Resource<T> =
  | { state: 'loading'; value: undefined; error: undefined }
  | { state: 'ready'; value: T; error: undefined }
  /** `value`: what was last known, if anything was. */
  | { state: 'failed'; value: T | undefined; error: ApiError }

/** Changes come in bursts: one question answers them together. */
const gatherMs = 300
const retryMs = 5_000

/** `key` names what is asked for: another key asks anew. `topics`: see /v1/live. */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  topics: readonly string[] = [],
): Resource<T> & { refresh: () => void } {
  const [held, setHeld] = useState<{ key: string; resource: Resource<T> }>({ key, resource: loading })
  const latest = useRef(load)
  latest.current = load
  const running = useRef<AbortController | undefined>(undefined)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)

  const ask = useCallback(() => {
    running.current?.abort()
    const control = new AbortController()
    running.current = control
    latest.current(control.signal).then(
      (value) => {
        if (!control.signal.aborted) setHeld({ key, resource: { state: 'ready', value, error: undefined } })
      },
      (error: unknown) => {
        if (control.signal.aborted) return
        const told = toApiError(error)
        setHeld((before) => ({
          key,
          resource: { state: 'failed', value: before.key === key ? before.resource.value : undefined, error: told },
        }))
        if (told.status === undefined) timer.current = setTimeout(ask, retryMs)
      },
    )
  }, [key])
  useEffect(() => {
    ask()
    return () => {
      running.current?.abort()
      clearTimeout(timer.current)
    }
  }, [ask])
  const askSoon = useCallback(() => {
    clearTimeout(timer.current)
    timer.current = setTimeout(ask, gatherMs)
  }, [ask])
  useLive(topics, askSoon)
  const { isLive } = useConnection()
  const wasLive = useRef(isLive)
  useEffect(() => {
    // what changed meanwhile was not heard
    if (isLive && !wasLive.current) askSoon()
    wasLive.current = isLive
  }, [isLive, askSoon])
  const resource = held.key === key ? held.resource : loading
  return { ...resource, refresh: ask }
}

const loading = { state: 'loading', value: undefined, error: undefined } as const

const toApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError({ title: 'Something broke in this page', detail: String(error) }, 0)
