// What is around every page: where one can go, who one is, light or dark, and whether the news still arrive.

import type { ComponentType } from 'preact'
import { useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, signOut } from '../api.ts'
import { useConnection } from '../live.ts'
import { type Page, type PageProps, pages } from '../pages.ts'
import { matchPath, navigate } from '../router.ts'
import { useMay, useSession } from '../session.ts'
import { type Theme, themes, useTheme } from '../theme.ts'
import { EmptyState } from './empty-state.tsx'
import { ErrorState } from './error-state.tsx'
import { Loading } from './loading.tsx'
import { Time } from './time.tsx'

export function Shell({ address, onSignedOut }: { address: URL; onSignedOut: () => void }) {
  const session = useSession()
  const may = useMay()
  const main = useRef<HTMLElement>(null)
  const seen = pages.filter(({ scope }) => scope === undefined || may(...scope))
  const home = seen.find(({ nav }) => nav !== undefined)?.path ?? '/reference'
  const path = address.pathname
  const isNowhere = path === '/' || path === '/sign-in'
  useLayoutEffect(() => {
    if (isNowhere) navigate(home, { replace: true })
  }, [isNowhere, home])
  const found = pages
    .map((page) => ({ page, parameters: matchPath(page.path, path) }))
    .find(({ parameters }) => parameters)
  const isAllowed = found !== undefined && seen.includes(found.page)
  const title = found === undefined ? 'Not found' : isAllowed ? found.page.title : 'Not allowed'
  const named = isAllowed ? Object.values(found.parameters ?? {}).join(' ') : ''
  useEffect(() => {
    document.title = [named, title, 'Roost'].filter((part) => part !== '').join(' · ')
  }, [named, title])
  const nav = useRef<HTMLElement>(null)
  useEffect(() => {
    // where the links do not all fit beside each other
    const link = nav.current?.querySelector<HTMLElement>('[aria-current]')
    if (nav.current !== null && link) nav.current.scrollLeft = link.offsetLeft - nav.current.clientWidth / 2
  }, [path])
  const [isStuck, setStuck] = useState(false)
  useEffect(() => setStuck(false), [path])
  const leave = async () => {
    try {
      await signOut()
      onSignedOut()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      setStuck(true)
    }
  }
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header>
        <a class="brand" href={home}>
          Roost
        </a>
        <nav aria-label="Pages" ref={nav}>
          {seen
            .filter(({ nav }) => nav !== undefined)
            .map(({ nav, path: to }) => (
              <a
                key={to}
                href={to}
                aria-current={path === to ? 'page' : path.startsWith(`${to}/`) ? 'true' : undefined}
              >
                {nav}
              </a>
            ))}
        </nav>
        <div class="me">
          <ThemeSwitch />
          <span class="who" title={`Role ${session.role}`}>
            {session.name}
            <small>{session.role}</small>
          </span>
          <button type="button" class="plain" onClick={() => void leave()}>
            Sign out
          </button>
        </div>
      </header>
      <Offline />
      {isStuck && (
        <p class="banner" role="alert">
          You are still signed in, since the hub did not answer. Sign out again when it does.
        </p>
      )}
      {session.models !== null && (
        <p class="banner">
          This token is for {session.models.join(', ')} only: what is of other models is left out here, and out of every
          number and sentence.
        </p>
      )}
      <main id="main" ref={main} tabIndex={-1}>
        {isNowhere ? null : found?.parameters === undefined ? (
          <EmptyState title="Not found">
            <p>There is nothing at {path}.</p>
          </EmptyState>
        ) : !isAllowed ? (
          <EmptyState title="Not allowed">
            <p>
              The token “{session.name}” may not see this page: it needs the scope {found.page.scope?.join(':')}.
            </p>
          </EmptyState>
        ) : (
          <Shown key={found.page.path} page={found.page} parameters={found.parameters} address={address} />
        )}
      </main>
      <footer>
        <a href="/reference">HTTP reference</a>
      </footer>
    </div>
  )
}

/** A page, loaded first where it is lazy. One that breaks says so, and leaves the rest alone. */
function Shown({ page, ...props }: { page: Page } & PageProps) {
  const [loaded, setLoaded] = useState<{ component: ComponentType<PageProps> }>()
  const [failed, setFailed] = useState(false)
  const [broken] = useErrorBoundary()
  useEffect(() => {
    if (page.isLazy !== true) return
    const load = page.component as () => Promise<ComponentType<PageProps>>
    load().then(
      (component) => setLoaded({ component }),
      () => setFailed(true),
    )
  }, [page])
  if (failed) return <NotLoaded />
  if (broken !== undefined) {
    const told = { title: 'Something broke in this page', detail: String(broken) }
    return <ErrorState error={new ApiError(told, 0)} retry={() => location.reload()} />
  }
  if (page.isLazy === true) return loaded === undefined ? <Loading rows={6} /> : <loaded.component {...props} />
  const Eager = page.component as ComponentType<PageProps>
  return <Eager {...props} />
}

/** Browsers remember that a script did not come: only a new page asks for it again, which is done when the hub is back. */
function NotLoaded() {
  const { isLive } = useConnection()
  const wasLive = useRef(isLive)
  useEffect(() => {
    if (isLive && !wasLive.current) location.reload()
    wasLive.current = isLive
  }, [isLive])
  const detail = 'The hub may have been upgraded, or the line is down. Load it anew.'
  const error = new ApiError({ title: 'This page could not be loaded', detail }, 0)
  return <ErrorState error={error} retry={() => location.reload()} />
}

const themeNames: Record<Theme, string> = { auto: 'Auto', light: 'Light', dark: 'Dark' }

function ThemeSwitch() {
  const [theme, setTheme] = useTheme()
  return (
    <select
      class="plain"
      aria-label="Theme"
      value={theme}
      onChange={({ currentTarget }) => setTheme(themes.find((name) => name === currentTarget.value) ?? 'auto')}
    >
      {themes.map((name) => (
        <option key={name} value={name}>
          {themeNames[name]}
        </option>
      ))}
    </select>
  )
}

function Offline() {
  const { isLive, lastHeardMs } = useConnection()
  return (
    <div role="status">
      {!isLive && (
        <p class="banner">
          No connection to the hub. What is shown was so <Time at={new Date(lastHeardMs).toISOString()} />.
        </p>
      )}
    </div>
  )
}
