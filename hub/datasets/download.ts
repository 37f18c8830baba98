// The bytes of a snapshot, whole or a range of them.

import type { Context } from 'hono'
import type { HubEnv } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { readRange } from '../registry/blob-route.ts'
import type { Snapshot } from './snapshots.ts'
import type { Format } from './table.ts'

/** How each format travels, both ways. */
export const mediaTypes: Readonly<Record<Format, string>> = {
  csv: 'text/csv',
  'json-lines': 'application/x-ndjson',
  parquet: 'application/vnd.apache.parquet',
}
const extensions: Readonly<Record<Format, string>> = { csv: 'csv', 'json-lines': 'jsonl', parquet: 'parquet' }

/** @throws Problem range-not-satisfiable */
export function sendSnapshot(c: Context<HubEnv>, { blobs }: Hub, snapshot: Snapshot) {
  const { digest, sizeBytes, format, dataset, version } = snapshot
  const etag = `"${digest}"`
  if (c.req.header('if-none-match') === etag) return c.body(null, 304, { etag })
  const range = readRange(c.req.header('range'), sizeBytes)
  if (range === 'unsatisfiable') {
    throw new Problem(416, 'range-not-satisfiable', 'No such range', `the snapshot has ${sizeBytes} bytes`, {
      field: 'Range',
      headers: { 'content-range': `bytes */${sizeBytes}` },
    })
  }
  const { offset, length } = range ?? { offset: 0, length: sizeBytes }
  const headers = {
    'accept-ranges': 'bytes',
    'content-type': mediaTypes[format],
    'content-disposition': `attachment; filename="${dataset}-${version}.${extensions[format]}"`,
    'content-length': String(length),
    'x-content-type-options': 'nosniff',
    etag,
  }
  const body = ReadableStream.from(blobs.open(digest, offset, length))
  if (range === undefined) return c.body(body, 200, headers)
  const last = offset + length - 1
  return c.body(body, 206, { ...headers, 'content-range': `bytes ${offset}-${last}/${sizeBytes}` })
}
