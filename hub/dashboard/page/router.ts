// Which address is shown. Links are plain links; those to the page's own addresses are followed without loading anew.

import { useEffect, useState } from 'preact/hooks'

const changed = 'roost:address'

/** Shows another of the page's addresses. */
export function navigate(to: string, { replace = false } = {}): void {
  if (replace) history.replaceState(history.state, '', to)
  else {
    stopStaying()
    // where one was, for the way back: what is shown then is not there at once, so the browser cannot know
    history.replaceState({ top: scrollY }, '')
    history.pushState(null, '', to)
  }
  dispatchEvent(new Event(changed))
}

/** The present address, path and query. */
export function useAddress(): URL {
  const [href, setHref] = useState(location.href)
  useEffect(() => {
    const follow = () => setHref(location.href)
    const back = ({ state }: PopStateEvent) => {
      follow()
      stayAt(topOf(state))
    }
    const click = (event: MouseEvent) => {
      const to = ownLink(event)
      if (to === undefined) return
      event.preventDefault()
      navigate(to)
      scrollTo(0, 0)
    }
    addEventListener('popstate', back)
    addEventListener(changed, follow)
    document.addEventListener('click', click)
    return () => {
      removeEventListener('popstate', back)
      removeEventListener(changed, follow)
      document.removeEventListener('click', click)
    }
  }, [])
  return new URL(href)
}

const topOf = (state: unknown): number =>
  typeof state === 'object' && state !== null && 'top' in state && typeof state.top === 'number' ? state.top : 0

/** So long what was there may take to come back; whoever scrolls meanwhile is left where they are. */
const comeBackMsMax = 15_000

let stopStaying: () => void = () => undefined

/** Stays at `top`, or as near as what is there allows, while what is above and below comes. */
function stayAt(top: number): void {
  stopStaying()
  const grown = new ResizeObserver(() => scrollTo(0, top))
  const late = setTimeout(() => stopStaying(), comeBackMsMax)
  const own = ['wheel', 'touchmove', 'keydown', 'pointerdown'] as const
  const stop = () => {
    grown.disconnect()
    clearTimeout(late)
    for (const kind of own) removeEventListener(kind, stop)
  }
  stopStaying = stop
  for (const kind of own) addEventListener(kind, stop, { passive: true })
  grown.observe(document.body)
}

/** Changes one value of the query, in place: the way back leads to the page before, not to the filter before. */
export function setQuery(name: string, value: string | undefined): void {
  const url = new URL(location.href)
  if (value === undefined || value === '') url.searchParams.delete(name)
  else url.searchParams.set(name, value)
  navigate(url.pathname + url.search, { replace: true })
}

/** Where a click leads within the page; undefined where the browser is to follow it. */
function ownLink(event: MouseEvent): string | undefined {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return undefined
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (link === null || link.target !== '' || link.origin !== location.origin || link.hasAttribute('download'))
    return undefined
  if (/^\/(v1|api|assets|metrics)\b/.test(link.pathname)) return undefined
  if (link.hash !== '' && link.pathname === location.pathname) return undefined
  return link.pathname + link.search + link.hash
}

/** `/devices/:id` against `/devices/d-1` is { id: 'd-1' }; undefined where it does not fit. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/')
  const given = path.replace(/(.)\/$/, '$1').split('/')
  if (wanted.length !== given.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [n, part] of wanted.entries()) {
    const value = given[n] ?? ''
    if (part.startsWith(':')) parameters[part.slice(1)] = decoded(value)
    else if (part !== value) return undefined
  }
  return parameters
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
