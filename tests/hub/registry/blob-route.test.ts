// Blobs over HTTP: whole, by any range, and to a device only what it is assigned.

import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import type { Hub } from '../../../hub/hub.ts'
import { allowedAgainMs, readRange } from '../../../hub/registry/blob-route.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { aHub } from '../a-hub.ts'
import { doubling } from './an-upload.ts'

const seed = 20261124
const content = new Uint8Array(150_000).map((_, i) => (i * 7) >> 2)
const sha256 = createHash('sha256').update(content).digest('hex')
const assigned = 'd-1'

async function aStore(parts: Partial<Hub> = {}) {
  const hub = await aHub({
    parts: {
      authenticateDevice: async (_, secret) => secret === 'right',
      mayReadBlob: async (device, blob) => device === assigned && blob === sha256,
      ...parts,
    },
  })
  await hub.blobs.put([content], { bytesMax: 1e6 })
  const app = createApp(hub, [registryRoutes(hub, createRegistrar(hub, doubling))])
  const viewer = `Bearer ${await hub.tokenOf('viewer')}`
  const get = (headers: Record<string, string> = {}, name = sha256, method = 'GET') =>
    app.request(`/v1/blobs/${name}`, { method, headers: { authorization: viewer, ...headers } })
  return { hub, get, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() }
}

const basic = (device: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${device}:${secret}`).toString('base64')}`,
})

test('a blob comes whole, with its name as ETag, and not again to who has it', async () => {
  await using store = await aStore()
  const whole = await store.get()
  expect([whole.status, whole.headers.get('etag'), whole.headers.get('content-length')]).toEqual([
    200,
    `"${sha256}"`,
    '150000',
  ])
  expect(await whole.bytes()).toEqual(content)
  expect((await store.get({ 'if-none-match': `"${sha256}"` })).status).toBe(304)
  const head = await store.get({}, sha256, 'HEAD')
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '150000', ''])
})

test('any range gives what slice gives', async () => {
  await using store = await aStore()
  const pair = fc.tuple(fc.nat(149_999), fc.nat(200_000))
  await fc.assert(
    fc.asyncProperty(pair, async ([first, length]) => {
      const last = first + length
      const response = await store.get({ range: `bytes=${first}-${last}` })
      const wanted = content.slice(first, last + 1)
      expect(response.status).toBe(206)
      expect(response.headers.get('content-range')).toBe(`bytes ${first}-${first + wanted.length - 1}/150000`)
      expect(Buffer.from(await response.bytes()).equals(wanted)).toBe(true)
    }),
    { seed, numRuns: 50 },
  )
})

test.each([
  ['bytes=0-0', { offset: 0, length: 1 }],
  ['bytes=99-', { offset: 99, length: 1 }],
  ['bytes=-1', { offset: 99, length: 1 }],
  ['bytes=-500', { offset: 0, length: 100 }],
  ['bytes=50-1000', { offset: 50, length: 50 }],
  ['bytes=100-', 'unsatisfiable'],
  ['bytes=100-200', 'unsatisfiable'],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=5-4', undefined],
  ['bytes=-', undefined],
  ['bytes=0-1,5-6', undefined],
  ['bytes=a-b', undefined],
  ['lines=0-1', undefined],
  [`bytes=0-${'9'.repeat(40)}`, undefined],
  [undefined, undefined],
])('%s of 100 bytes', (header, range) => {
  expect(readRange(header, 100)).toEqual(range)
})

test('a range past the end is told the size', async () => {
  await using store = await aStore()
  const response = await store.get({ range: 'bytes=150000-' })
  expect([response.status, response.headers.get('content-range')]).toEqual([416, 'bytes */150000'])
})

describe('a device', () => {
  test('gets a blob it is assigned, and cannot tell another from one that is not there', async () => {
    await using store = await aStore()
    const other = await store.hub.blobs.put([Buffer.from('of another model')], { bytesMax: 100 })
    expect((await store.get(basic(assigned, 'right'))).status).toBe(200)
    const answers = [
      await store.get(basic(assigned, 'right'), other.sha256),
      await store.get(basic(assigned, 'right'), '0'.repeat(64)),
      await store.get(basic('d-2', 'right')),
    ]
    const documents = await Promise.all(
      answers.map(async (answer) => ({ ...JSON.parse(await answer.text()), requestId: '', detail: '' })),
    )
    expect(documents).toEqual(Array(3).fill(expect.objectContaining({ status: 404, code: 'not-found' })))
    expect(new Set(documents.map((document) => JSON.stringify(document))).size).toBe(1)
  })

  test('that is revoked or given another bundle while it reads gets no further', async () => {
    let allowed = true
    let now = 1_000_000
    await using store = await aStore({ mayReadBlob: async () => allowed, clock: () => now })
    const [device, person] = [await store.get(basic(assigned, 'right')), await store.get()]
    const read = async (response: Response) => {
      const sizes: number[] = []
      try {
        for await (const piece of response.body ?? []) {
          sizes.push(piece.length)
          allowed = false
          now += allowedAgainMs
        }
      } catch {
        return { whole: false, pieces: sizes.length }
      }
      return { whole: sizes.reduce((sum, size) => sum + size, 0) === content.length, pieces: sizes.length }
    }
    const cut = await read(device)
    expect(cut.whole).toBe(false)
    // what had been read ahead when it was taken away
    expect(cut.pieces).toBeLessThanOrEqual(2)
    expect((await read(person)).whole).toBe(true)
  })

  test('with another secret gets nothing', async () => {
    await using store = await aStore()
    expect((await store.get(basic(assigned, 'wrong'))).status).toBe(401)
  })
})

test.each(['..%2f..%2fhub.db', 'A'.repeat(64), 'abc', `${'a'.repeat(63)}g`])('%s names no blob', async (name) => {
  await using store = await aStore()
  expect((await store.get({}, name)).status).toBe(404)
})
