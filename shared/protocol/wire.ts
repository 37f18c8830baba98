// CBOR (RFC 8949) on the wire, checked on arrival: bytes in, a typed message or a reason out.

import { addExtension, Encoder, type Options } from 'cbor-x'
import type { z } from 'zod'

// Plain RFC 8949 maps, no cbor-x records or tags of its own, so that any CBOR library can read them. Integers of 64 bits
// are read as numbers: that is how other libraries write the time, where cbor-x itself takes a float (its types do not
// know the option). Beyond 2^53 they are no safe integers, which the schemas refuse.
const options: Options & { int64AsNumber: boolean } = {
  useRecords: false,
  mapsAsObjects: true,
  tagUint8Array: false,
  variableMapSize: true,
  int64AsNumber: true,
}
const codec = new Encoder(options)

/** Tags under which a few bytes cost very much: a bignum of a megabyte takes cbor-x minutes (2, 3), references stand for
 *  what came before again and again (6, 28, 29, 51), an object is made by a function's name (27). No message of ours has
 *  any. */
const costlyTags = [2, 3, 6, 27, 28, 29, 51]
/** cbor-x wants a class for each tag. Nothing is of this one, so nothing is written with them. */
class Unwritten {}
for (const tag of costlyTags) addExtension({ Class: Unwritten, tag, encode: refuseTag, decode: refuseTag })

function refuseTag(): never {
  throw new Error(`a tag of ${costlyTags.join(', ')}`)
}

export const encode = (message: unknown): Uint8Array => codec.encode(message)

export type Decoded<T> = { ok: true; message: T } | { ok: false; reason: string }

/** Decodes and validates; unknown fields are dropped, anything else that does not fit is a reason, never an exception. */
export function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): Decoded<T> {
  let raw: unknown
  try {
    raw = codec.decode(bytes)
  } catch (error) {
    return { ok: false, reason: `not CBOR: ${error instanceof Error ? error.message : String(error)}` }
  }
  const parsed = schema.safeParse(raw)
  if (parsed.success) return { ok: true, message: parsed.data }
  const issue = parsed.error.issues[0]
  if (issue === undefined) return { ok: false, reason: 'invalid' }
  return { ok: false, reason: [...(issue.path.length > 0 ? [issue.path.join('.')] : []), issue.message].join(': ') }
}
