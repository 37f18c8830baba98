// Uploads and idempotency keys against a hub that is killed and a network that cuts.

import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { uploadFile } from '../../../hub/cli/upload.ts'
import { SnapshotDocument } from '../../../hub/datasets/documents.ts'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { aHubProcess } from '../../builders/hub-process.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { readAs } from '../a-hub.ts'
import { roost } from '../cli/roost.ts'
import { aCuttingProxy } from './a-cutting-proxy.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-uploads-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('an upload that is cut again and again, by the network and by kill -9 of the hub, ends with the right digest', async () => {
  const data = join(folder, 'hub')
  // lines of a CSV file, so that it can be a snapshot afterwards
  const file = Buffer.from(
    `a\n${randomBytes(6 * 1_048_576)
      .toString('hex')
      .replaceAll(/.{63}/g, '$&\n')}\n`,
  )
  const digest = createHash('sha256').update(file).digest('hex')
  const hubs = [await aHubProcess({ folder: data })]
  const token = hubs[0]?.adminToken ?? ''
  let connections = 0
  let kills = 0
  // every connection is cut until the hub was killed twice, then every second one, each time somewhere else
  const cutAfter = () => {
    connections += 1
    if (kills === 2 && connections % 2 === 0) return 0
    return 100_000 + ((connections * 7_919_117) % 6_000_000)
  }
  await using proxy = await aCuttingProxy(hubs[0]?.url ?? '', cutAfter)
  try {
    let isOver = false
    // while a hub starts, however long that takes, the client's tries are not used up
    let started = Promise.resolve()
    const uploading = uploadFile({ url: proxy.url, token }, new Blob([file]), async (ms) => {
      await delay(Math.min(ms, 300))
      await started
    })
    const over = () => {
      isOver = true
    }
    uploading.then(over, over)
    for (; kills < 2; kills += 1) {
      const before = proxy.cuts()
      while (proxy.cuts() === before && !isOver) await delay(5)
      await hubs.at(-1)?.kill()
      started = aHubProcess({ folder: data }).then((next) => {
        hubs.push(next)
        proxy.to(next.url)
      })
      await started
    }
    const id = await uploading
    expect(proxy.cuts()).toBeGreaterThanOrEqual(2)
    const hub = hubs.at(-1)
    const headers = { authorization: `Bearer ${token}` }
    const head = await fetch(`${hub?.url}/v1/uploads/${id}`, { method: 'HEAD', headers })
    expect(head.headers.get('repr-digest')).toBe(`sha-256=:${Buffer.from(digest, 'hex').toString('base64')}:`)
    const push = await fetch(`${hub?.url}/v1/datasets/cut/snapshots?upload=${id}&format=csv`, {
      method: 'POST',
      headers,
    })
    expect(await readAs(SnapshotDocument, push)).toMatchObject({ digest, sizeBytes: file.length })
    const blob = await fetch(`${hub?.url}/v1/blobs/${digest}`, { headers })
    expect(
      createHash('sha256')
        .update(Buffer.from(await blob.arrayBuffer()))
        .digest('hex'),
    ).toBe(digest)
  } finally {
    for (const hub of hubs) await hub[Symbol.asyncDispose]()
  }
})

test('a request that is repeated with its key after kill -9 gets the first answer, and nothing is done twice', async () => {
  const data = join(folder, 'hub')
  let token = ''
  const ask = (url: string, path: string, headers: Record<string, string>, body?: string | FormData) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { body }),
    })
  const requests = {
    upload: (url: string) =>
      ask(url, '/v1/uploads', { 'idempotency-key': 'u', 'tus-resumable': '1.0.0', 'upload-length': '7' }),
    snapshot: (url: string) =>
      ask(url, '/v1/datasets/kept/snapshots', { 'idempotency-key': 's', 'content-type': 'text/csv' }, 'a\n1\n'),
    version: (url: string) => {
      const form = new FormData()
      form.set('model', new Blob([aScaleModel()]))
      return ask(url, '/v1/models/kept/versions', { 'idempotency-key': 'v' }, form)
    },
  }
  const answers = async (url: string) => {
    const got: { status: number; location: string | null; replayed: string | null; body: string }[] = []
    for (const request of Object.values(requests)) {
      const response = await request(url)
      const { status, headers } = response
      const replayed = headers.get('idempotency-replayed')
      got.push({ status, location: headers.get('location'), replayed, body: await response.text() })
    }
    return got
  }
  let first: Awaited<ReturnType<typeof answers>>
  {
    await using hub = await aHubProcess({ folder: data })
    token = hub.adminToken ?? ''
    first = await answers(hub.url)
    expect(first.map(({ status, replayed }) => [status, replayed])).toEqual([201, 201, 201].map((ok) => [ok, null]))
    await hub.kill()
  }
  await using hub = await aHubProcess({ folder: data })
  expect(await answers(hub.url)).toEqual(first.map((answer) => ({ ...answer, replayed: 'true' })))
  // the same key with another request is no repeat
  expect((await ask(hub.url, '/v1/datasets/other/snapshots', { 'idempotency-key': 's' }, 'a\n')).status).toBe(422)
})

test('roost model push sends a large file in pieces, and the version is made of it', async () => {
  await using hub = await aHubProcess({ folder: join(folder, 'hub') })
  const file = join(folder, 'large.onnx')
  // a long documentation: ModelProto.doc_string, field 6
  const text = Buffer.alloc(17 * 1_048_576, 'a')
  const length = [
    (text.length & 127) | 128,
    ((text.length >> 7) & 127) | 128,
    ((text.length >> 14) & 127) | 128,
    text.length >> 21,
  ]
  writeFileSync(file, Buffer.concat([aScaleModel(), Buffer.from([0x32, ...length]), text]))
  const ran = await roost({ url: hub.url, token: hub.adminToken ?? '' }, 'model', 'push', 'large', file, '--json')
  expect(ran.stderr).toBe('')
  const version = VersionDocument.parse(JSON.parse(ran.stdout))
  expect(version).toMatchObject({ version: 1, files: [{ role: 'model' }] })
  expect(version.files[0]?.sizeBytes).toBeGreaterThan(17 * 1_048_576)
})
