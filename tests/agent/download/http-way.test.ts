// Blobs over HTTP from servers that answer rightly, wrongly, too much, too little or not at all.

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import { DownloadError } from '@roost/agent/download/error.ts'
import { BlobHttp } from '@roost/agent/download/http-way.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aBlob, never } from './builders.ts'

const { content, file } = aBlob(20 * chunkBytes + 99)
const end = content.length - 1

type Answer = (request: IncomingMessage, response: ServerResponse) => void
let folder = ''
let server: Server | undefined
let http: BlobHttp | undefined
let requests: IncomingMessage[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roost-http-'))
  requests = []
})
afterEach(async () => {
  await http?.close()
  server?.closeAllConnections()
  server?.close()
  await rm(folder, { recursive: true })
})

async function serve(answer: Answer, secret = () => 's3cret'): Promise<BlobHttp> {
  server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const address: AddressInfo | string | null = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  http = new BlobHttp({ hubUrl: `http://127.0.0.1:${address.port}`, device: 'd-42', secret })
  return http
}

/** Fetches into a fresh store; what is there beforehand is as `present` says. */
async function fetchBlob(http: BlobHttp, present: readonly number[] = [], signal = never): Promise<string> {
  const store = await BlobStore.open(folder, 1e9)
  const blob = await store.begin(file)
  for (const index of present) await blob.put(index, chunkAt(index))
  try {
    await http.fetch(blob, signal)
    await store.complete(blob)
    return 'done'
  } catch (error) {
    await store.close(blob)
    if (error instanceof DownloadError) return `${error.code}: ${error.message}`
    throw error
  }
}

const chunkAt = (index: number) => content.subarray(index * chunkBytes, (index + 1) * chunkBytes)
const rangeOf = (request: IncomingMessage): [number, number] => {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
  return [Number(first), Number(last)]
}
const headOf = (first: number, last: number) => ({ 'content-range': `bytes ${first}-${last}/${content.length}` })
const rightly: Answer = (request, response) => {
  const [first, last] = rangeOf(request)
  response.writeHead(206, headOf(first, last)).end(content.subarray(first, last + 1))
}

async function expectWhole(): Promise<void> {
  expect((await readFile(join(folder, file.sha256))).equals(content)).toBe(true)
  expect(await readdir(folder)).toEqual([file.sha256])
}

describe('a hub that answers rightly', () => {
  test('is asked for the range, by the device, with its present secret', async () => {
    let secret = 'old'
    const http = await serve(rightly, () => secret)
    secret = 'new'
    expect(await fetchBlob(http)).toBe('done')
    await expectWhole()
    expect(requests.map(({ method, url, headers }) => [method, url, headers.range, headers.authorization])).toEqual([
      ['GET', `/v1/blobs/${file.sha256}`, `bytes=0-${end}`, `Basic ${Buffer.from('d-42:new').toString('base64')}`],
    ])
  })

  test('is asked only for what is missing, run by run', async () => {
    const http = await serve(rightly)
    const present = [0, 1, 5, 6, 7, 20]
    expect(await fetchBlob(http, present)).toBe('done')
    await expectWhole()
    expect(requests.map(({ headers }) => headers.range)).toEqual([
      `bytes=${2 * chunkBytes}-${5 * chunkBytes - 1}`,
      `bytes=${8 * chunkBytes}-${20 * chunkBytes - 1}`,
    ])
  })

  test('may give the whole blob instead: what comes before the run is skipped', async () => {
    const http = await serve((_, response) => response.writeHead(200).end(content))
    expect(await fetchBlob(http, [0, 1, 2, 9])).toBe('done')
    await expectWhole()
  })

  test('may send it in pieces of any size', async () => {
    const http = await serve((request, response) => {
      const [first, last] = rangeOf(request)
      response.writeHead(206, headOf(first, last))
      for (let at = first; at <= last; at += 7919) response.write(content.subarray(at, Math.min(at + 7919, last + 1)))
      response.end()
    })
    expect(await fetchBlob(http)).toBe('done')
    await expectWhole()
  })
})

describe('a hub that does not', () => {
  const spoiled = Buffer.from(content)
  spoiled[7 * chunkBytes + 5] = (spoiled[7 * chunkBytes + 5] ?? 0) ^ 1
  const status =
    (code: number, headers = {}): Answer =>
    (_, response) =>
      response.writeHead(code, headers).end('{"detail":"no"}')

  test.each<[string, Answer, string]>([
    ['does not know the device', status(401), 'http: the hub answered 401'],
    ['does not know the blob', status(404), 'http: the hub answered 404'],
    ['is broken', status(500), 'http: the hub answered 500'],
    ['sends elsewhere, where the secret must not go', status(302, { location: '/x' }), 'http: the hub answered 302'],
    ['gives another range', status(206, headOf(1, end + 1)), 'http: another range than asked for'],
    ['gives a range without saying which', status(206), 'http: another range than asked for'],
    ['hangs up at once', (_, response) => response.destroy(), 'http: the hub cannot be reached'],
    ['says little', (_, response) => response.writeHead(200).end('hello'), 'http: the answer ended early'],
  ])('%s: fails by its name, and writes nothing', async (_, answer, fault) => {
    expect(await fetchBlob(await serve(answer))).toBe(fault)
    expect((await stat(join(folder, `${file.sha256}.part`))).size).toBe(0)
    expect(requests.length).toBe(1)
  })

  test('spoils a chunk: what came before it is kept, the chunk and what follows are not', async () => {
    const http = await serve((_, response) => response.writeHead(200).end(spoiled))
    expect(await fetchBlob(http)).toBe('http: chunk 7 is not what the manifest says')
    expect((await stat(join(folder, `${file.sha256}.part`))).size).toBe(7 * chunkBytes)
  })

  test('breaks off: what came is kept, and the next try asks for the rest', async () => {
    const http = await serve((request, response) => {
      const [first, last] = rangeOf(request)
      const cut = requests.length < 4 ? first + 5 * chunkBytes + 100 : last + 1
      response.writeHead(206, { ...headOf(first, last), 'content-length': last - first + 1 })
      response.write(content.subarray(first, cut), () => (cut > last ? response.end() : response.destroy()))
    })
    for (const _ of [1, 2, 3]) expect(await fetchBlob(http)).toBe('http: the answer broke off')
    expect(await fetchBlob(http)).toBe('done')
    await expectWhole()
    // What had come may be lost with the connection, but never all of it twice: each request begins further on.
    const starts = requests.map((request) => rangeOf(request)[0])
    expect(starts).toEqual([...new Set(starts)].sort((a, b) => a - b))
    expect(starts.every((start) => start % chunkBytes === 0)).toBe(true)
  })

  test('never ends: nothing is read past the range, and nothing written past the blob', async () => {
    let written = 0
    const http = await serve((request, response) => {
      const [first, last] = rangeOf(request)
      response.writeHead(206, headOf(first, last))
      response.write(content.subarray(first, last + 1))
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536
      }
      response.on('drain', more)
      more()
    })
    expect(await fetchBlob(http)).toBe('done')
    await expectWhole()
    expect((await stat(join(folder, file.sha256))).size).toBe(content.length)
    expect(written).toBeLessThan(64 * 1_048_576)
  })

  test('says nothing: an abort ends the waiting', async () => {
    const abort = new AbortController()
    const http = await serve(() => setTimeout(() => abort.abort(new Error('enough')), 10))
    await expect(fetchBlob(http, [], abort.signal)).rejects.toThrow('enough')
  })

  test('stops in the middle: an abort ends that too', async () => {
    const abort = new AbortController()
    const http = await serve((_, response) => {
      response.writeHead(200).write(content.subarray(0, 3 * chunkBytes))
      setTimeout(() => abort.abort(new Error('enough')), 50)
    })
    await expect(fetchBlob(http, [], abort.signal)).rejects.toThrow('enough')
  })

  test('is not there', async () => {
    const http = await serve(rightly)
    server?.close()
    expect(await fetchBlob(http)).toBe('http: the hub cannot be reached')
  })
})
