// UUIDs of names: the same name has the same UUID, on every hub and after every restart.

import { createHash } from 'node:crypto'

/** RFC 9562's namespace for URLs: the names here are paths. */
const urlNamespace = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')

/** RFC 9562, version 5. */
export function nameUuid(name: string): string {
  const bytes = createHash('sha1').update(urlNamespace).update(name).digest().subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x50
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return uuidText(bytes.toString('hex'))
}

/** @param hex 32 hexadecimal digits */
export const uuidText = (hex: string): string =>
  [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
