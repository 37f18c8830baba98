// Idempotency-Key: a POST that is sent again with the same key gets the first answer and does nothing twice
// (draft-ietf-httpapi-idempotency-key-header). Only answers that succeeded are kept, for a day; an answer marked
// `Cache-Control: no-store` holds a secret and is remembered without its body.

import { createHash } from 'node:crypto'
import type { Context, MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { Problem } from '../problem.ts'
import { type Database, jsonColumn } from '../storage/database.ts'
import { isStreamedBody } from '../streamed-bodies.ts'
import { actorOf, type HubEnv } from './access.ts'

const answersKeptMs = 86_400_000
/** An answer longer than this is remembered without its body. */
export const answerBytesMax = 65_536
/** Keys of one caller that are remembered; with a new one more it waits until the oldest is a day old. */
export const keysMax = 10_000
const headersKept = ['content-type', 'location', 'etag']

const Key = z.string().regex(/^[\x21-\x7e]{1,128}$/)
const Answer = z.object({
  fingerprint: z.string(),
  status: z.number().nullable(),
  headers: jsonColumn(z.record(z.string(), z.string())).nullable(),
  body: z.string().nullable(),
})

export const answerOnce: MiddlewareHandler<HubEnv> = async (c, next) => {
  const header = c.req.header('idempotency-key')
  if (c.req.method !== 'POST' || header === undefined) return next()
  const key = Key.safeParse(header)
  if (!key.success) {
    throw new Problem(
      422,
      'invalid-request',
      'The request does not fit its schema',
      'use 1 to 128 printable characters',
      {
        field: 'Idempotency-Key',
      },
    )
  }
  const { database, clock } = c.get('hub')
  const id = [actorOf(c.get('principal')), key.data]
  const fingerprint = await fingerprintOf(c)
  const [, reserved] = await database.write([
    { sql: 'DELETE FROM idempotency_keys WHERE created_at < ?', args: [clock() - answersKeptMs] },
    {
      sql: `INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) SELECT ?1, ?2, ?3, ?4
        WHERE (SELECT count(*) FROM idempotency_keys WHERE principal = ?1) < ${keysMax} ON CONFLICT DO NOTHING`,
      args: [...id, fingerprint, clock()],
    },
  ])
  if (reserved === 0) return repeatAnswer(database, id, fingerprint)
  let answered = false
  try {
    await next()
    answered = c.error === undefined && c.res.ok
  } finally {
    await (answered ? keepAnswer(database, id, c.res) : release(database, id))
  }
  return undefined
}

/** At start: what was being answered when the hub died was not answered. */
export async function forgetUnanswered(database: Database): Promise<void> {
  await database.write([{ sql: 'DELETE FROM idempotency_keys WHERE status IS NULL' }])
}

async function fingerprintOf(c: Context<HubEnv>): Promise<string> {
  const { search } = new URL(c.req.url)
  const hash = createHash('sha256').update(`${c.req.method} ${c.req.path}${search}\n`)
  // what an upload is to become is said in headers (tus), there is no body
  for (const name of ['upload-length', 'upload-metadata']) hash.update(`${c.req.header(name) ?? ''}\n`)
  // an upload is never held in memory: there path and query have to do
  const multipart = c.req.header('content-type')?.startsWith('multipart/') ?? false
  if (!multipart && !isStreamedBody(c.req.method, c.req.path)) hash.update(await c.req.text())
  return hash.digest('hex')
}

async function repeatAnswer(database: Database, id: string[], fingerprint: string): Promise<Response> {
  const answer = await database.first(
    Answer,
    'SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE principal = ? AND key = ?',
    id,
  )
  if (answer !== undefined && answer.fingerprint !== fingerprint) {
    throw new Problem(422, 'idempotency-key-reused', 'Key used before', 'another request was sent with this key', {
      field: 'Idempotency-Key',
    })
  }
  if (answer === undefined && (await isFull(database, id))) {
    const detail = `${keysMax} keys of yours are remembered, each for a day: send this without one, or wait`
    throw new Problem(429, 'too-many-keys', 'Too many keys', detail, { field: 'Idempotency-Key' })
  }
  if (answer === undefined || answer.status === null) {
    throw new Problem(409, 'in-progress', 'Still working', 'the first request with this key is still being answered')
  }
  if (answer.body === null) {
    const location = answer.headers?.location ?? ''
    throw new Problem(
      409,
      'answered-already',
      'Done already',
      `it was done; its answer is not kept ${location}`.trim(),
      {
        members: { location },
      },
    )
  }
  return new Response(answer.body, {
    status: answer.status,
    headers: { ...answer.headers, 'idempotency-replayed': 'true' },
  })
}

async function isFull(database: Database, [principal = '']: string[]): Promise<boolean> {
  const sql = 'SELECT count(*) AS n FROM idempotency_keys WHERE principal = ?'
  return ((await database.first(z.object({ n: z.number() }), sql, [principal]))?.n ?? 0) >= keysMax
}

async function keepAnswer(database: Database, [principal = '', key = '']: string[], answer: Response): Promise<void> {
  const headers = Object.fromEntries(
    headersKept.flatMap((name) => [[name, answer.headers.get(name)]]).filter(([, value]) => value),
  )
  const secret = answer.headers.get('cache-control')?.includes('no-store') ?? false
  const body = secret ? null : await answer.clone().text()
  await database.write([
    {
      sql: 'UPDATE idempotency_keys SET status = ?, headers = ?, body = ? WHERE principal = ? AND key = ?',
      args: [
        answer.status,
        JSON.stringify(headers),
        body === null || body.length > answerBytesMax ? null : body,
        principal,
        key,
      ],
    },
  ])
}

async function release(database: Database, id: string[]): Promise<void> {
  await database.write([{ sql: 'DELETE FROM idempotency_keys WHERE principal = ? AND key = ?', args: id }])
}
