// Lists that come in pages, read to their end, or so far that one can say what is missing.

import type { z } from 'zod'
import type { Client } from './client.ts'

const pageSize = 200
/** Rows that a list reads at most: more than a person reads, as many as a rollout may have devices. */
const rowsMax = 100_000

export type Listed<T> = {
  items: T[]
  /** There are further ones, which were not asked for. */
  more: boolean
}

/** @param path may have a query of its own
 *  @param max how many items to read at most */
export async function readPages<P extends { next: string | null }, T>(
  client: Client,
  path: string,
  page: z.ZodType<P>,
  itemsOf: (page: P) => readonly T[],
  max = rowsMax,
): Promise<Listed<T>> {
  const items: T[] = []
  for (let cursor = ''; ; ) {
    const limit = Math.min(pageSize, max - items.length)
    const query = `${path.includes('?') ? '&' : '?'}limit=${limit}${cursor === '' ? '' : `&cursor=${cursor}`}`
    const found = await client.get(`${path}${query}`, page)
    items.push(...itemsOf(found))
    if (found.next === null) return { items, more: false }
    if (items.length >= max) return { items, more: true }
    cursor = found.next
  }
}

/** What a list says below itself where it is not whole. */
export const andMore = ({ items, more }: Listed<unknown>, how: string): string[] =>
  more ? [`only ${items.length} are shown; ${how}`] : []
