// Who did something, by the name of the token; what the audit log calls it is in the title. Names are asked for once,
// those that are shown together in one question.

import { useEffect, useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'

const gatherMs = 20
/** As many as the hub answers at a time. */
const askedMax = 100
const keptMax = 2_000

const names = new Map<string, string | null>()
const listeners = new Set<() => void>()
let wanted = new Set<string>()

/** `actor`: `token:Ab3dEf9h`, `hub`, `claim:…`, `device:…` */
export function Actor({ actor }: { actor: string }) {
  const name = useName(actor)
  return (
    <bdi class="actor" title={actor}>
      {name ?? (actor === 'hub' ? 'the hub' : actor)}
    </bdi>
  )
}

const mention = /(token:[0-9A-Za-z]{8})\b/

/** A text of the hub in which tokens stand by their ids, with their names instead. */
export const WithNames = ({ text }: { text: string }) => (
  <span>
    {text.split(mention).map((part, n) => (n % 2 === 0 ? part : <Actor key={`${n} ${part}`} actor={part} />))}
  </span>
)

/** Undefined until it is known, and where it has none. */
export function useName(actor: string): string | undefined {
  const [, again] = useState(0)
  useEffect(() => {
    if (!actor.startsWith('token:') || names.has(actor)) return
    const listen = () => again((n) => n + 1)
    listeners.add(listen)
    want(actor)
    return () => void listeners.delete(listen)
  }, [actor])
  return names.get(actor) ?? undefined
}

function want(actor: string): void {
  if (wanted.size === 0) setTimeout(() => void askAll(), gatherMs)
  wanted.add(actor)
}

async function askAll(): Promise<void> {
  const asked = [...wanted]
  wanted = new Set()
  if (names.size > keptMax) names.clear()
  for (let at = 0; at < asked.length; at += askedMax) {
    const actors = asked.slice(at, at + askedMax)
    try {
      const told = await answer(api.GET('/v1/actors', { params: { query: { actors: actors.join() } } }))
      for (const actor of actors) names.set(actor, told.names[actor] ?? null)
    } catch (error) {
      // what is shown then is the id, which is right, too
      if (!(error instanceof ApiError)) throw error
    }
  }
  for (const listen of listeners) listen()
}
