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

/** `key` names what is asked for: another key asks anew. `topics`: see /v1/live. `everyMs`: changes that come within this
 *  time are asked for together. A question that is on its way is waited for: where changes never end, answers come, too. */
export function useResource<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  topics: readonly string[] = [],
  everyMs = gatherMs,
): Resource<T> & { refresh: () => void } {
  const [held, setHeld] = useState<{ key: string; resource: Resource<T> }>({ key, resource: loading })
  const latest = useRef(load)
  latest.current = load
  const running = useRef<AbortController | undefined>(undefined)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const isChanged = useRef(false)

  const ask = useCallback(() => {
    running.current?.abort()
    const control = new AbortController()
    running.current = control
    clearTimeout(timer.current)
    timer.current = undefined
    isChanged.current = false
    const askLater = (afterMs: number) => {
      timer.current ??= setTimeout(ask, afterMs)
    }
    const settle = () => {
      if (control.signal.aborted) return
      running.current = undefined
      if (isChanged.current) askLater(everyMs)
    }
    latest
      .current(control.signal)
      .then(
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
          if (told.status === undefined) askLater(retryMs)
        },
      )
      .finally(settle)
  }, [key, everyMs])
  useEffect(() => {
    ask()
    return () => {
      running.current?.abort()
      running.current = undefined
      clearTimeout(timer.current)
      timer.current = undefined
    }
  }, [ask])
  const askSoon = useCallback(() => {
    if (running.current !== undefined) isChanged.current = true
    else timer.current ??= setTimeout(ask, everyMs)
  }, [ask, everyMs])
  useLive(topics, askSoon)
  const { isLive } = useConnection()
  const wasLive = useRef(isLive)
  useEffect(() => {
    // what changed meanwhile was not heard
    if (isLive && !wasLive.current) {
      clearTimeout(timer.current)
      timer.current = undefined
      askSoon()
    }
    wasLive.current = isLive
  }, [isLive, askSoon])
  const resource = held.key === key ? held.resource : loading
  return { ...resource, refresh: ask }
}

const loading = { state: 'loading', value: undefined, error: undefined } as const

const toApiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError({ title: 'Something broke in this page', detail: String(error) }, 0)
