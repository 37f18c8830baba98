// A file on its way to a client: whole or a range of it, streamed, and as nothing that a browser would run.

import type { Context } from 'hono'
import type { HubEnv } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { Problem } from '../../problem.ts'
import { readRange } from '../../registry/blob-route.ts'
import type { ArtifactRow } from '../artifacts/store.ts'

/** @throws Problem range-not-satisfiable */
export function sendFile(
  hub: Pick<Hub, 'blobs'>,
  c: Context<HubEnv>,
  { path, sha256, size_bytes }: ArtifactRow,
): Response {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const headers = {
    'content-type': contentType(name),
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(name)}`,
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
  }
  const range = readRange(c.req.header('range'), size_bytes)
  if (range === 'unsatisfiable') {
    throw new Problem(416, 'range-not-satisfiable', 'No such range', `the file has ${size_bytes} bytes`, {
      headers: { 'content-range': `bytes */${size_bytes}` },
    })
  }
  const { offset, length } = range ?? { offset: 0, length: size_bytes }
  const body = ReadableStream.from(hub.blobs.open(sha256, offset, length))
  const answer = { ...headers, 'content-length': String(length) }
  if (range === undefined) return c.body(body, 200, answer)
  return c.body(body, 206, { ...answer, 'content-range': `bytes ${offset}-${offset + length - 1}/${size_bytes}` })
}

function contentType(name: string): string {
  if (name === 'MLmodel' || /\.(txt|log|md|ya?ml|csv|tsv|py|cfg|conf|ini)$/i.test(name))
    return 'text/plain; charset=utf-8'
  if (/\.json$/i.test(name)) return 'application/json'
  return 'application/octet-stream'
}
