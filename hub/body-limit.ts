// How long a body may be that is not an upload. Hono's own limit makes a new Request out of the present one, which fails
// with what its Node adapter hands out: every DELETE and every body sent in chunks was answered with 500.

import type { MiddlewareHandler } from 'hono'
import { Problem } from './problem.ts'

/** Lets bodies through up to `bytesMax`, declared or not; multipart forms and what `isStreamed` names, whose routes read
 *  them piece by piece under limits of their own, as they are.
 *  @throws Problem too-large */
export function limitBody(
  bytesMax: number,
  isStreamed: (method: string, path: string) => boolean = () => false,
): MiddlewareHandler {
  const tooLarge = () => new Problem(413, 'too-large', 'Too large', `a body may have ${bytesMax} bytes`)
  return async (c, next) => {
    const { raw } = c.req
    if (raw.body === null || raw.headers.get('content-type')?.startsWith('multipart/')) return next()
    if (isStreamed(c.req.method, c.req.path)) return next()
    const declared = raw.headers.get('content-length')
    // With both headers the length does not count (RFC 9112 §6.3).
    if (declared !== null && !raw.headers.has('transfer-encoding')) {
      if (Number(declared) > bytesMax) throw tooLarge()
      return next()
    }
    const pieces: Uint8Array[] = []
    let sizeBytes = 0
    for await (const piece of raw.body) {
      sizeBytes += piece.length
      if (sizeBytes > bytesMax) throw tooLarge()
      pieces.push(piece)
    }
    const { method, headers, signal, url } = raw
    const body = sizeBytes === 0 ? null : Buffer.concat(pieces)
    c.req.raw = new Request(url, { method, headers, signal, body })
    return next()
  }
}
