// JSON that comes in, as bytes of a stranger: strict UTF-8, and 64-bit integers kept whole where a model takes them.

import { isUtf8 } from 'node:buffer'

/** Not JSON, in words for the sender. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
}

/** Sixteen digits or more that are not the end of a fraction: only such a number can lie beyond 2^53. */
const longInteger = /(?<![\d.])\d{16,}/

/** Parses a JSON text. `exactIntegers`: integers beyond 2^53 become bigints instead of the nearest double.
 *  @throws JsonError */
export function parseJson(bytes: Buffer, exactIntegers: boolean): unknown {
  if (!isUtf8(bytes)) throw new JsonError('the body is not UTF-8')
  const text = bytes.toString('utf8')
  try {
    return exactIntegers && longInteger.test(text) ? JSON.parse(text, keepInteger) : JSON.parse(text)
  } catch (error) {
    throw new JsonError(`the body is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** A reviver: with the number's own text at hand (ECMAScript "JSON.parse source text access"), no digit is lost. */
function keepInteger(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value
  const source = context?.source
  return source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value
}
