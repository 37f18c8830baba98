// What the hub says of the rollout as it stands in the draft: asked a moment after each change, the question before it
// given up.

import { useEffect, useRef, useState } from 'preact/hooks'
import { type ApiError, answer, api } from '../api.ts'
import type { components, paths } from '../api-types.d.ts'
import { type Resource, useResource } from '../resource.ts'

export type Preview = components['schemas']['RolloutPreview']
export type Wish = {
  model: string
  version: number
  group: string
  deployment?: string
  supersede?: true
  plan?: object
}
export type DryRun = {
  /** The last answer, which may be of a wish before this one. */
  preview: Preview | undefined
  /** Of this very wish. */
  refusal: ApiError | undefined
  isAsking: boolean
  askAgain: () => void
}

const settleMs = 400

/** @param wish undefined: nothing to ask yet
 *  @param id of the draw to be shown, once there is one */
export function useDryRun(
  wish: Wish | undefined,
  id: string | undefined,
  onId: (id: string | undefined) => void,
): DryRun {
  const key = wish === undefined ? '' : JSON.stringify(wish)
  const settled = useSettled(key, settleMs)
  const resource: Resource<Preview | undefined> & { refresh: () => void } = useResource(settled, async (signal) => {
    if (settled === '') return undefined
    const asked: Wish = JSON.parse(settled)
    return ask(asked, id, 0, signal)
  })
  const last = useRef<Preview | undefined>(undefined)
  if (resource.state === 'ready' && resource.value !== undefined) last.current = resource.value
  if (key === '') last.current = undefined
  const { error } = resource
  useEffect(() => {
    if (last.current !== undefined && last.current.id !== id) onId(last.current.id)
    // a rollout of the id has been started from elsewhere
    if (error?.problem.code === 'rollout-exists') onId(undefined)
  })
  return {
    preview: last.current,
    refusal: settled === key ? error : undefined,
    isAsking: settled !== key || resource.state === 'loading',
    askAgain: resource.refresh,
  }
}

/** @param members so many devices are named */
export const ask = (wish: Wish, id: string | undefined, members: number, signal?: AbortSignal): Promise<Preview> =>
  answer(
    api.POST('/v1/rollouts/plan', {
      params: { query: { members } },
      body: bodyOf(wish, id),
      ...(signal === undefined ? {} : { signal }),
    }),
  )

type Body = paths['/v1/rollouts/plan']['post']['requestBody']['content']['application/json']

/** What is asked of the hub. The plan is whatever the text says: whether it is one is for the hub to say. */
export const bodyOf = (wish: Wish, id: string | undefined): Body =>
  ({ ...wish, ...(id === undefined ? {} : { id }) }) as Body

function useSettled(value: string, afterMs: number): string {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs)
    return () => clearTimeout(timer)
  }, [value, afterMs])
  return settled
}
