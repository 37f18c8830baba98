// The devices of a rollout, page by page, as a table comes to them.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { type Paged, pageRows, usePaged } from '../paged.ts'

export type RolloutDevice = components['schemas']['RolloutDevice']
export type MemberFilter = { stage: string | undefined; state: ProgressState | undefined; device: string }

/** `total`: of those that fit; undefined until the first page is there. */
export function useMembers(
  id: string,
  { stage, state, device }: MemberFilter,
): Paged<RolloutDevice> & { total: number | undefined } {
  const key = JSON.stringify([id, stage, state, device])
  const [total, setTotal] = useState<{ key: string; count: number }>()
  const load = async (cursor: string | null) => {
    const query = {
      limit: pageRows,
      ...(stage !== undefined && { stage }),
      ...(state !== undefined && { state }),
      ...(device !== '' && { device }),
      ...(cursor !== null && { cursor }),
    }
    const body = await answer(api.GET('/v1/rollouts/{id}/devices', { params: { path: { id }, query } }))
    setTotal({ key, count: body.total })
    return { items: body.devices, next: body.next }
  }
  return { ...usePaged(key, load, [`rollout:${id}`]), total: total?.key === key ? total.count : undefined }
}
