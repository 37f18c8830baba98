// Tokens: what they look like, that a wrong one opens nothing, and that none lies anywhere to be found.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { makeFirstToken } from '../../../hub/governance/first-token.ts'
import { findToken, makeToken, tokenId } from '../../../hub/governance/tokens.ts'
import { BytesColumn } from '../../../hub/storage/database.ts'
import { aHub, readAs } from '../a-hub.ts'

const Made = z.object({ token: z.string(), id: z.string(), expiresAt: z.string().nullable() })
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const seed = 20261124

describe('a token', () => {
  test('is roost_, its id, 256 bits and a checksum, whatever the bytes', () => {
    const bytes = fc.uint8Array({ minLength: 64, maxLength: 64 })
    fc.assert(
      fc.property(bytes, (source) => {
        let at = 0
        const random = (length: number) => {
          at += length
          return source.subarray(at - length, at)
        }
        const { token, id } = makeToken(random)
        expect(token).toMatch(/^roost_[0-9A-Za-z]{57}$/)
        expect(tokenId(token)).toBe(id)
        expect(at).toBeGreaterThanOrEqual(32)
      }),
      { seed, numRuns: 500 },
    )
  })

  test('with any one character changed is no token', () => {
    const random = (length: number) => new Uint8Array(length).map((_, i) => 41 * i + length)
    const { token } = makeToken(random)
    const position = fc.integer({ min: 0, max: token.length - 1 })
    const letter = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_')
    fc.assert(
      fc.property(position, letter, (at, other) => {
        fc.pre(token[at] !== other)
        expect(tokenId(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined()
      }),
      { seed, numRuns: 2000 },
    )
  })

  test('is kept only as its sha256, and only itself opens', async () => {
    await using hub = await aHub()
    const token = await hub.tokenOf('operator')
    const row = await hub.database.first(z.object({ sha256: BytesColumn }), 'SELECT sha256 FROM tokens')
    expect(row?.sha256).toEqual(new Uint8Array(createHash('sha256').update(token).digest()))
    expect((await findToken(hub, token))?.role).toBe('operator')
    // another one with the same visible id and a right checksum
    const forged = makeToken((length) => (length === 6 ? idBytesOf(token) : hub.random(length)))
    expect(forged.id).toBe(tokenId(token))
    expect(await findToken(hub, forged.token)).toBeUndefined()
  })
})

/** The six bytes whose base62 is the token's id. */
function idBytesOf(token: string): Uint8Array {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  let number = 0n
  for (const letter of token.slice(6, 14)) number = number * 62n + BigInt(digits.indexOf(letter))
  return Buffer.from(number.toString(16).padStart(12, '0'), 'hex')
}

describe('the token routes', () => {
  test('make one that works, show it once, list it without its secret, revoke it at once', async () => {
    await using hub = await aHub()
    const app = createApp(hub, [])
    const admin = bearer(await hub.tokenOf('admin'))
    const response = await app.request('/v1/tokens', {
      method: 'POST',
      headers: { ...admin, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ci of vision', role: 'viewer' }),
    })
    expect([response.status, response.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { token, id } = await readAs(Made, response)
    expect((await app.request('/v1/openapi.json', { headers: bearer(token) })).status).toBe(200)
    const list = await (await app.request('/v1/tokens', { headers: admin })).text()
    expect(list).toContain('ci of vision')
    expect(list).not.toContain(token.slice(14))
    expect((await app.request(`/v1/tokens/${id}`, { method: 'DELETE', headers: admin })).status).toBe(204)
    expect((await app.request('/v1/openapi.json', { headers: bearer(token) })).status).toBe(401)
    expect((await app.request(`/v1/tokens/${'0'.repeat(8)}`, { method: 'DELETE', headers: admin })).status).toBe(404)
  })

  test('a token ends when it expires', async () => {
    let now = 1_000_000
    await using hub = await aHub({ parts: { clock: () => now } })
    const app = createApp(hub, [])
    const { token } = await readAs(
      Made,
      app.request('/v1/tokens', {
        method: 'POST',
        headers: { ...bearer(await hub.tokenOf('admin')), 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'short', role: 'viewer', expiresInDays: 1 }),
      }),
    )
    const status = async () => (await app.request('/v1/openapi.json', { headers: bearer(token) })).status
    now += 86_400_000 - 1
    expect(await status()).toBe(200)
    now += 1
    expect(await status()).toBe(401)
  })

  test('a typo in a field is told, not ignored', async () => {
    await using hub = await aHub()
    const app = createApp(hub, [])
    const response = await app.request('/v1/tokens', {
      method: 'POST',
      headers: { ...bearer(await hub.tokenOf('admin')), 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'x', role: 'viewer', expireInDays: 1 }),
    })
    expect(await readAs(z.object({ code: z.string(), detail: z.string() }), response)).toMatchObject({
      code: 'invalid-request',
      detail: expect.stringContaining('expireInDays'),
    })
  })
})

test('the first token is made once, and again only when asked for', async () => {
  await using hub = await aHub()
  const first = await makeFirstToken(hub, false)
  expect((await findToken(hub, first ?? ''))?.role).toBe('admin')
  expect(await makeFirstToken(hub, false)).toBeUndefined()
  const second = await makeFirstToken(hub, true)
  expect((await findToken(hub, second ?? ''))?.role).toBe('admin')
  expect(second).not.toBe(first)
})
