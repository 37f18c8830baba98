// The rollout as it is being written, kept by the browser's tab: a reload, or a look at another page, loses nothing.

import { useCallback, useEffect, useState } from 'preact/hooks'

export type Draft = {
  model: string
  /** As it is chosen; empty: none yet. */
  version: string
  group: string
  /** Empty: the model's name. */
  deployment: string
  supersede: boolean
  /** Undefined: what the hub proposes for so many devices. */
  text: string | undefined
  /** Of the dry runs, so that each shows the same draw, which is the one that is started. */
  id: string | undefined
  /** The rollout whose plan is still to be fetched. */
  from: string
}
type Kept = { begun: string; who: string; draft: Draft }

const key = 'roost-rollout-draft'
const textLengthMax = 200_000
const fresh: Draft = {
  model: '',
  version: '',
  group: '',
  deployment: '',
  supersede: false,
  text: undefined,
  id: undefined,
  from: '',
}

/** The draft of this tab; a link that names a model, a version, a group or a rollout to begin from begins a new one.
 *  @param who the token that is signed in: a draft is shown to nobody else */
export function useDraft(address: URL, who: string) {
  const begun = begunBy(address)
  const [draft, setDraft] = useState<Draft>(() => {
    const kept = remembered(who)
    return kept !== undefined && (begun === '' || kept.begun === begun) ? kept.draft : fromAddress(address)
  })
  const [isForgotten, setForgotten] = useState(false)
  useEffect(() => {
    if (!isForgotten) remember({ begun, who, draft })
  }, [begun, who, draft, isForgotten])
  const change = useCallback((part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part })), [])
  const forget = useCallback(() => {
    setForgotten(true)
    remember(undefined)
  }, [])
  const startAnew = useCallback(() => setDraft(fresh), [])
  return { draft, change, forget, startAnew }
}

const begunBy = (address: URL): string =>
  ['from', 'model', 'version', 'group']
    .map((name) => address.searchParams.get(name) ?? '')
    .join('|')
    .replace(/^\|+$/, '')

function fromAddress({ searchParams }: URL): Draft {
  const given = (name: string) => searchParams.get(name) ?? ''
  return { ...fresh, model: given('model'), version: given('version'), group: given('group'), from: given('from') }
}

function remember(kept: Kept | undefined): void {
  try {
    if (kept === undefined) sessionStorage.removeItem(key)
    else if ((kept.draft.text?.length ?? 0) <= textLengthMax) sessionStorage.setItem(key, JSON.stringify(kept))
  } catch {
    // a browser that keeps nothing loses it with the page
  }
}

function remembered(who: string): Kept | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    return isKept(kept) && kept.who === who ? { ...kept, draft: { ...fresh, ...kept.draft } } : undefined
  } catch {
    return undefined
  }
}

const isKept = (value: unknown): value is Kept =>
  typeof value === 'object' && value !== null && 'draft' in value && 'who' in value && 'begun' in value
