// What of a value gets into the audit log: JSON of bounded length, without secrets. A log that cannot be edited
// must never learn what somebody will want to remove from it.

import { createHash } from 'node:crypto'

/** Longest JSON of a value, in UTF-16 units; of a longer one its start, length and sha256 are kept. */
export const valueLengthMax = 8192
const startKept = 1024
/** Longest actor, subject or request id. */
export const textLengthMax = 512
/** Deeper values are named, not shown. */
const depthMax = 16

const blank = '[secret]'
const secretName = /secret|password|passwd|passphrase|authorization|credential|private_?key|api_?key|^token$/i
/** Tokens and claims of Roost wherever they stand in a text, and private keys. */
const secretText = /roost_[0-9A-Za-z]{40,}|roostclaim_[0-9a-f]+_[\w-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY-----/

/** JSON of `value`, or null where there is none. A long one becomes `{ truncated: true, length, sha256, start }`. */
export function recordedValue(value: unknown): string | null {
  if (value === undefined) return null
  const json = JSON.stringify(withoutSecrets(value, 0)) ?? 'null'
  if (json.length <= valueLengthMax) return json
  const sha256 = createHash('sha256').update(json).digest('hex')
  // the cut may halve a surrogate pair
  const start = json.slice(0, startKept).toWellFormed()
  return JSON.stringify({ truncated: true, length: json.length, sha256, start })
}

/** Text as the database gives it back: no half surrogates, no control characters; a long one ends in … and its sha256. */
export function recordedText(text: string): string {
  const plain = clean(text.toWellFormed().replaceAll(/\p{Cc}/gu, '\ufffd'))
  if (plain.length <= textLengthMax) return plain
  const sha256 = createHash('sha256').update(text).digest('hex')
  return `${plain.slice(0, textLengthMax - sha256.length - 1).toWellFormed()}…${sha256}`
}

function withoutSecrets(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return clean(value.toWellFormed())
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return value
  if (value instanceof Date) return value.toJSON()
  if (ArrayBuffer.isView(value)) return { bytes: value.byteLength }
  if (depth >= depthMax) return '[deeper]'
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1))
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      clean(name.toWellFormed()),
      secretName.test(name) && item !== null && typeof item !== 'boolean' ? blank : withoutSecrets(item, depth + 1),
    ]),
  )
}

const clean = (text: string): string => (secretText.test(text) ? blank : text)
