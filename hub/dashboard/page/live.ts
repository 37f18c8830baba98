// What the hub says has changed. One stream for the whole page, of the topics that what is shown needs.

import { useEffect, useRef, useState } from 'preact/hooks'
import { askSession } from './api.ts'

type Listener = { topics: readonly string[]; onChange: () => void }
export type Connection = { isLive: boolean; lastHeardMs: number }

/** The hub beats every 15 s; after two missed ones the line counts as dead. */
const silenceMsMax = 40_000
const retryMs = 3_000

const listeners = new Set<Listener>()
const watchers = new Set<() => void>()
const revisions = new Map<string, string>()
let connection: Connection = { isLive: true, lastHeardMs: Date.now() }
let source: EventSource | undefined
let listenedTo = ''
let openedAtMs = 0
let pending: ReturnType<typeof setTimeout> | undefined

/** Calls `onChange` whenever one of the topics has another revision. */
export function useLive(topics: readonly string[], onChange: () => void): void {
  const latest = useRef(onChange)
  latest.current = onChange
  const key = topics.join()
  useEffect(() => {
    if (key === '') return
    const listener: Listener = { topics: key.split(','), onChange: () => latest.current() }
    listeners.add(listener)
    plan(50)
    return () => {
      listeners.delete(listener)
      plan(50)
    }
  }, [key])
}

/** Whether news arrive, and when the last did. */
export function useConnection(): Connection {
  const [, again] = useState(0)
  useEffect(() => {
    const watch = () => again((n) => n + 1)
    watchers.add(watch)
    return () => void watchers.delete(watch)
  }, [])
  return connection
}

function plan(afterMs: number): void {
  clearTimeout(pending)
  pending = setTimeout(connect, afterMs)
}

function connect(): void {
  const topics = [...new Set([...listeners].flatMap((listener) => listener.topics))].sort().join()
  if (!isHidden() && topics === listenedTo && source !== undefined && source.readyState !== EventSource.CLOSED) return
  source?.close()
  source = undefined
  if (isHidden()) {
    listenedTo = ''
    // what is shown now may be old by then: whatever is heard first when somebody looks is news
    for (const topic of topics.split(',')) revisions.set(topic, revisions.get(topic) ?? '')
    return
  }
  listenedTo = topics
  if (topics === '') {
    if (!connection.isLive) void knock()
    return
  }
  openedAtMs = Date.now()
  const opened = new EventSource(`/v1/live?topics=${encodeURIComponent(topics)}`)
  source = opened
  opened.onopen = heard
  opened.addEventListener('beat', heard)
  opened.onmessage = ({ data }) => {
    heard()
    const { topic, revision }: { topic: string; revision: string } = JSON.parse(String(data))
    const known = revisions.get(topic)
    revisions.set(topic, revision)
    if (known === undefined || known === revision) return
    for (const listener of listeners) if (listener.topics.includes(topic)) listener.onChange()
  }
  opened.onerror = () => {
    if (source !== opened) return
    say({ ...connection, isLive: false })
    // the hub ends it with the session, which is over at once then, and not when the browser has tried again
    void askSession()
    // it gives up for good where it was refused
    if (opened.readyState === EventSource.CLOSED) plan(retryMs)
  }
}

/** Where no news are awaited, asking shows that the hub is there again. */
async function knock(): Promise<void> {
  const isThere = await askSession()
  if (listenedTo !== '') return
  if (isThere) heard()
  else plan(retryMs)
}

function heard(): void {
  say({ isLive: true, lastHeardMs: Date.now() })
}

function say(next: Connection): void {
  const isNews = next.isLive !== connection.isLive
  connection = next
  if (isNews) for (const watch of watchers) watch()
}

/** A browser makes six connections to a hub over HTTP/1.1, for all of its tabs together, and a stream holds one: a tab that
 *  nobody looks at has none. */
const isHidden = () => document.visibilityState === 'hidden'

document.addEventListener('visibilitychange', () => plan(0))

setInterval(() => {
  if (listenedTo === '' || Date.now() - Math.max(connection.lastHeardMs, openedAtMs) < silenceMsMax) return
  say({ ...connection, isLive: false })
  source?.close()
  source = undefined
  plan(0)
}, 5_000)
