// CBOR (RFC 8949) on the wire, checked on arrival: bytes in, a typed message or a reason out.

import { Encoder } from 'cbor-x'
import type { z } from 'zod'

// Plain RFC 8949 maps, no cbor-x records or tags of its own, so that any CBOR library can read them.
const codec = new Encoder({ useRecords: false, mapsAsObjects: true, tagUint8Array: false, variableMapSize: true })

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
  return { ok: false, reason: issue === undefined ? 'invalid' : `${issue.path.join('.')}: ${issue.message}` }
}
