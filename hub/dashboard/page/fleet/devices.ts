// The devices of a fleet, page by page, as a table comes to them.

import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import type { DeviceState } from '../../../fleet/device-state.ts'
import { ApiError, answer, api, type Device } from '../api.ts'
import { useLive } from '../live.ts'

/** The most that the hub gives at once. */
const pageRows = 200
const gatherMs = 1_000

type Loaded = { pages: Device[][]; cursors: (string | null)[] }
const nothing: Loaded = { pages: [], cursors: [null] }

export type DevicePages = {
  deviceAt: (index: number) => Device | undefined
  onVisible: (first: number, last: number) => void
  /** Undefined until the last page is there. */
  end: number | undefined
  error: ApiError | undefined
}

export function useDevices(query: string, state: DeviceState | undefined): DevicePages {
  const [loaded, setLoaded] = useState<Loaded>(nothing)
  const [error, setError] = useState<ApiError>()
  const current = useRef(loaded)
  const visible = useRef({ first: 0, last: 0 })
  const isAsking = useRef(false)
  const asked = useRef('')
  const key = `${state ?? ''}|${query}`

  const load = useCallback(
    async (page: number) => {
      const cursor = current.current.cursors[page]
      if (cursor === undefined) return
      const body = await answer(
        api.GET('/v1/devices', {
          params: {
            query: {
              limit: pageRows,
              query: query === '' ? 'all' : query,
              ...(state && { state }),
              ...(cursor !== null && { cursor }),
            },
          },
        }),
      )
      if (asked.current !== key) return
      const pages = [...current.current.pages]
      const cursors = [...current.current.cursors]
      pages[page] = body.devices
      if (body.next === null) {
        pages.length = page + 1
        cursors.length = page + 1
      } else cursors[page + 1] = body.next
      current.current = { pages, cursors }
      setLoaded(current.current)
      setError(undefined)
    },
    [key],
  )
  /** The pages in sight, one after the other, since each names where the next begins. */
  const fill = useCallback(
    async (again: boolean) => {
      if (isAsking.current && asked.current === key) return
      isAsking.current = true
      asked.current = key
      try {
        const { first, last } = visible.current
        if (again) {
          const until = Math.min(Math.floor(last / pageRows), current.current.pages.length - 1)
          for (let page = Math.floor(first / pageRows); page <= until && asked.current === key; page++) await load(page)
        }
        while (asked.current === key) {
          const { pages, cursors } = current.current
          const isThere = pages.length * pageRows > visible.current.last
          if ((isThere && pages.length > 0) || pages.length >= cursors.length) break
          await load(pages.length)
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        if (asked.current === key) setError(error)
      } finally {
        if (asked.current === key) isAsking.current = false
      }
    },
    [key, load],
  )
  useEffect(() => {
    current.current = nothing
    setLoaded(nothing)
    setError(undefined)
    isAsking.current = false
    void fill(false)
  }, [fill])
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useLive(['fleet'], () => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      void fill(true)
    }, gatherMs)
  })
  useEffect(() => () => clearTimeout(timer.current), [])
  const onVisible = useCallback(
    (first: number, last: number) => {
      visible.current = { first, last }
      void fill(false)
    },
    [fill],
  )
  const isWhole = loaded.pages.length > 0 && loaded.cursors.length === loaded.pages.length
  return {
    deviceAt: (index) => loaded.pages[Math.floor(index / pageRows)]?.[index % pageRows],
    onVisible,
    end: isWhole ? loaded.pages.reduce((sum, page) => sum + page.length, 0) : undefined,
    error,
  }
}
