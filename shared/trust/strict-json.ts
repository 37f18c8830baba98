// JSON as signed documents carry it: no two parsers may read it differently.
// JSON.parse alone takes the last of two equal keys and repairs broken UTF-8; both are refused here.

import type { z } from 'zod'
import { TrustError } from './error.ts'

/** Documents are three levels deep; this is far more and still cheap. */
export const depthMax = 32

/** Bytes of JSON in UTF-8, checked against a schema; fields the schema does not know are dropped.
 *  @throws TrustError `malformed`: broken UTF-8, a byte order mark, not JSON, a key twice in one object,
 *  a key `__proto__`, nesting beyond `depthMax`, or not of the schema */
export function parseStrictJson<T>(bytes: Uint8Array, schema: z.ZodType<T>): T {
  const text = decodeUtf8(bytes)
  const parsed = schema.safeParse(parseText(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new TrustError('malformed', issue === undefined ? 'invalid' : `${issue.path.join('.')}: ${issue.message}`)
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw new TrustError('malformed', 'not UTF-8', { cause })
  }
}

function parseText(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new TrustError('malformed', 'not JSON', { cause })
  }
  checkKeys(text)
  return value
}

/** Walks text that JSON.parse has accepted, so brackets match and strings end. */
function checkKeys(text: string): void {
  const open: (Set<unknown> | undefined)[] = [] // one entry per open bracket: the keys of an object, undefined for an array
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (char === '{' || char === '[') {
      open.push(char === '{' ? new Set() : undefined)
      if (open.length > depthMax) throw new TrustError('malformed', `nested deeper than ${depthMax}`)
    } else if (char === '}' || char === ']') {
      open.pop()
    } else if (char === '"') {
      const end = stringEnd(text, at)
      if (isFollowedByColon(text, end)) noteKey(open.at(-1), JSON.parse(text.slice(at, end)))
      at = end - 1
    }
  }
}

function noteKey(keys: Set<unknown> | undefined, key: unknown): void {
  if (keys === undefined || keys.has(key) || key === '__proto__')
    throw new TrustError('malformed', `the key ${JSON.stringify(key)} stands twice or may not be used`)
  keys.add(key)
}

/** Index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let at = start + 1
  while (text.charAt(at) !== '"') at += text.charAt(at) === '\\' ? 2 : 1
  return at + 1
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from
  while (' \t\r\n'.includes(text.charAt(at)) && at < text.length) at++
  return text.charAt(at) === ':'
}
