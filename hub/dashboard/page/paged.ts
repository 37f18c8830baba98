// A list of any length, page by page as a table comes to it: the pages in sight are asked for, one after the other, since
// each names where the next begins.

import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ApiError } from './api.ts'
import { useLive } from './live.ts'

/** The most that the hub gives at once. */
export const pageRows = 200
const gatherMs = 1_000
const retryMs = 5_000

export type ListPage<T> = { items: T[]; next: string | null }
type Loaded<T> = { pages: T[][]; cursors: (string | null)[] }

export type Paged<T> = {
  rowAt: (index: number) => T | undefined
  onVisible: (first: number, last: number) => void
  /** How many there are; undefined until the last page is there. */
  end: number | undefined
  /** How many there are at least: those that are loaded, and one more where there are more. */
  known: number
  error: ApiError | undefined
}

/** `key` names what is asked for: another key asks anew. `load` gives `pageRows` rows from a cursor on, or those that are
 *  left; where there was no answer, it is asked again. `topics`: see /v1/live. */
export function usePaged<T>(
  key: string,
  load: (cursor: string | null) => Promise<ListPage<T>>,
  topics: readonly string[],
): Paged<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ pages: [], cursors: [null] })
  const [error, setError] = useState<ApiError>()
  const current = useRef(loaded)
  const visible = useRef({ first: 0, last: 0 })
  const isAsking = useRef(false)
  // a key that comes back is another turn: an answer that was still on its way is not for it
  const turn = useMemo(() => ({}), [key])
  const asked = useRef<object | undefined>(undefined)
  const latest = useRef(load)
  latest.current = load

  const loadPage = useCallback(
    async (page: number) => {
      const cursor = current.current.cursors[page]
      if (cursor === undefined) return
      const { items, next } = await latest.current(cursor)
      if (asked.current !== turn) return
      const pages = [...current.current.pages]
      const cursors = [...current.current.cursors]
      pages[page] = items
      if (next === null) {
        pages.length = page + 1
        cursors.length = page + 1
      } else cursors[page + 1] = next
      current.current = { pages, cursors }
      setLoaded(current.current)
      setError(undefined)
    },
    [turn],
  )
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const later = (afterMs: number, run: () => Promise<void>) => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      void run()
    }, afterMs)
  }
  const fill = useCallback(
    async (again: boolean) => {
      if (isAsking.current && asked.current === turn) return
      isAsking.current = true
      asked.current = turn
      try {
        const { first, last } = visible.current
        if (again) {
          const until = Math.min(Math.floor(last / pageRows), current.current.pages.length - 1)
          for (let page = Math.floor(first / pageRows); page <= until && asked.current === turn; page++)
            await loadPage(page)
        }
        while (asked.current === turn) {
          const { pages, cursors } = current.current
          const isThere = pages.length * pageRows > visible.current.last
          if ((isThere && pages.length > 0) || pages.length >= cursors.length) break
          await loadPage(pages.length)
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error
        if (asked.current !== turn) return
        setError(error)
        if (error.status === undefined) later(retryMs, () => fill(true))
      } finally {
        if (asked.current === turn) isAsking.current = false
      }
    },
    [turn, loadPage],
  )
  // before the effects of the table, which tells what is in sight: it would go on where the last key's pages end
  useLayoutEffect(() => {
    current.current = { pages: [], cursors: [null] }
    setLoaded(current.current)
    setError(undefined)
    isAsking.current = false
    void fill(false)
    return () => {
      asked.current = undefined
      clearTimeout(timer.current)
      timer.current = undefined
    }
  }, [fill])
  useLive(topics, () => later(gatherMs, () => fill(true)))
  const onVisible = useCallback(
    (first: number, last: number) => {
      visible.current = { first, last }
      void fill(false)
    },
    [fill],
  )
  const isWhole = loaded.pages.length > 0 && loaded.cursors.length === loaded.pages.length
  const count = loaded.pages.reduce((sum, page) => sum + page.length, 0)
  return {
    rowAt: (index) => loaded.pages[Math.floor(index / pageRows)]?.[index % pageRows],
    onVisible,
    end: isWhole ? count : undefined,
    known: loaded.pages.length > 0 && !isWhole ? count + 1 : count,
    error,
  }
}
