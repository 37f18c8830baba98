// What can be chosen: models, groups, and the labels that queries may use.

import { answer, api } from '../api.ts'
import type { LabelValues } from '../parts/label-query.tsx'

export type Inventory = {
  models: string[]
  groups: { name: string; query: string }[]
  labels: LabelValues
}

/** The most that the hub gives at once, and how often it is asked for more. */
const limit = 200
const pagesMax = 10

export async function inventory(signal: AbortSignal): Promise<Inventory> {
  const models = await all(async (cursor) => {
    const { models, next } = await answer(api.GET('/v1/models', { params: { query: { limit, ...cursor } }, signal }))
    return { items: models.map(({ name }) => name), next }
  })
  const groups = await all(async (cursor) => {
    const { groups, next } = await answer(api.GET('/v1/groups', { params: { query: { limit, ...cursor } }, signal }))
    return { items: groups, next }
  })
  const { labels } = await answer(api.GET('/v1/fleet', { params: { query: { query: 'all' } }, signal }))
  return { models, groups, labels }
}

async function all<T>(
  page: (cursor: { cursor?: string }) => Promise<{ items: T[]; next: string | null }>,
): Promise<T[]> {
  const found: T[] = []
  let cursor: { cursor?: string } = {}
  for (let n = 0; n < pagesMax; n++) {
    const { items, next } = await page(cursor)
    found.push(...items)
    if (next === null) break
    cursor = { cursor: next }
  }
  return found
}
