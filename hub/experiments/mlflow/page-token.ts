// Pages of lists that people turn: a token says how many rows came before. (Runs, of which there are many, have tokens
// that hold their place: run-search.ts.)

import { invalidParameter } from './error.ts'

/** @throws MlflowError INVALID_PARAMETER_VALUE */
export function offsetOf(token: string | undefined): number {
  if (token === undefined || token === '') return 0
  const text = Buffer.from(token, 'base64url').toString()
  if (/^after:\d{1,9}$/.test(text)) return Number(text.slice('after:'.length))
  throw invalidParameter('Invalid page token: take it from the page before')
}

/** The first `limit` of the rows, and the token of the next page where one more was found. */
export function page<T>(
  rows: readonly T[],
  limit: number,
  offset: number,
): { items: T[]; next: { next_page_token?: string } } {
  const next =
    rows.length > limit ? { next_page_token: Buffer.from(`after:${offset + limit}`).toString('base64url') } : {}
  return { items: rows.slice(0, limit), next }
}
