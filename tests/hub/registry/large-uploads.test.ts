// Large uploads against a real hub: memory stays flat, the limit cuts, a client that goes away leaves nothing.

import { mkdtempSync, rmSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { aHubProcess, type HubProcess } from '../../builders/hub-process.ts'
import { aScaleModel } from '../../builders/onnx.ts'
import { readAs } from '../a-hub.ts'

const mebibyte = 1_048_576
const largeBytes = 500_000_000
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-large-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A whole ONNX file of `sizeBytes`: a small model whose documentation is very long (ModelProto.doc_string). */
function* aLargeModel(sizeBytes: number): Generator<Uint8Array> {
  yield aScaleModel()
  // beside the field's tag and its length, which are five bytes together, six from 2^28 on
  let left = sizeBytes - aScaleModel().length - (sizeBytes < 2 ** 28 ? 5 : 6)
  yield Uint8Array.from([0x32, ...varint(left)])
  const piece = new Uint8Array(mebibyte).fill(0x61)
  for (; left > 0; left -= piece.length) yield piece.subarray(0, Math.min(left, piece.length))
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))]
}

function* asPart(model: Iterable<Uint8Array>): Generator<Uint8Array> {
  yield Buffer.from('--b\r\ncontent-disposition: form-data; name="model"; filename="m.onnx"\r\n\r\n')
  yield* model
  yield Buffer.from('\r\n--b--\r\n')
}

const send = (hub: HubProcess, body: Iterable<Uint8Array>, signal?: AbortSignal) =>
  fetch(`${hub.url}/v1/models/large/versions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${hub.adminToken}`, 'content-type': 'multipart/form-data; boundary=b' },
    body: ReadableStream.from(body),
    duplex: 'half',
    ...(signal === undefined ? {} : { signal }),
  } as RequestInit)

/** Highest resident memory so far, bytes. */
async function peakMemory(pid: number): Promise<number> {
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

async function filesOf(hub: HubProcess): Promise<string[]> {
  const entries = await readdir(join(hub.folder, 'blobs'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

test('500 MB pass through a hub that grows by less than a third of that', async () => {
  await using hub = await aHubProcess({ folder })
  // a first, small one: what registering needs at all is loaded
  expect((await send(hub, asPart(aLargeModel(mebibyte)))).status).toBe(201)
  const before = await peakMemory(hub.pid)
  const response = await send(hub, asPart(aLargeModel(largeBytes)))
  const version = await readAs(VersionDocument, response)
  expect(version).toMatchObject({
    version: 2,
    state: 'released',
    files: [{ role: 'model', sizeBytes: largeBytes }],
  })
  const grown = (await peakMemory(hub.pid)) - before
  console.log(`the hub grew by ${Math.round(grown / mebibyte)} MiB`)
  expect(grown).toBeLessThan(largeBytes / 3)
  const blob = await fetch(`${hub.url}/v1/blobs/${version.files[0]?.sha256}`, {
    headers: { authorization: `Bearer ${hub.adminToken}`, range: `bytes=${largeBytes - 10}-` },
  })
  expect([blob.status, await blob.text()]).toEqual([206, 'aaaaaaaaaa'])
})

const field = (number: number, payload: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.from([...varint(8 * number + 2), ...varint(payload.length)]), payload])

/** A file that starts as ONNX does (IR 8, opset 17) and whose graph is `parts`, as many times as fit into 20 MB. */
function aBomb(part: (i: number) => Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let i = 0, left = 20_000_000; left > 0; left -= parts.at(-1)?.length ?? 0) parts.push(part(i))
  return Buffer.concat([
    Uint8Array.from([0x08, 8]),
    field(8, Uint8Array.from([0x10, 17])),
    field(7, Buffer.concat(parts)),
  ])
}

test('files made to fill the memory of whoever reads them are refused, and do not', async () => {
  const name = (i: number) => Buffer.from(`value-${i}-`.padEnd(1000, 'x'))
  const dimensions = field(1, new Uint8Array(20_000_000).fill(1))
  const bombs: Record<string, Uint8Array> = {
    'values of long names': aBomb((i) => field(1, Buffer.concat([field(2, name(i)), field(4, Buffer.from('Relu'))]))),
    'one node that takes everything': aBomb(() => field(1, Buffer.alloc(3_000_000, field(1, Buffer.from('x'))))),
    'nodes without end': aBomb(() => Buffer.alloc(100_000, field(1, new Uint8Array(0)))),
    'described values without end': aBomb(() => Buffer.alloc(100_000, field(13, new Uint8Array(0)))),
    'inputs without end': aBomb(() => Buffer.alloc(100_000, field(11, new Uint8Array(0)))),
    'weights without end': aBomb(() => Buffer.alloc(100_000, field(5, Uint8Array.from([0x08, 0])))),
    'a weight of 20 million dimensions': aBomb(() => field(5, dimensions)),
  }
  await using hub = await aHubProcess({ folder })
  expect((await send(hub, asPart(aLargeModel(mebibyte)))).status).toBe(201)
  const before = await peakMemory(hub.pid)
  for (const [what, bytes] of Object.entries(bombs)) {
    const response = await send(hub, asPart([bytes]))
    expect([what, response.status, await response.json()]).toMatchObject([what, 422, { code: 'too-complex' }])
  }
  const grown = (await peakMemory(hub.pid)) - before
  console.log(`the hub grew by ${Math.round(grown / mebibyte)} MiB over ${Object.keys(bombs).length} bombs`)
  expect(grown).toBeLessThan(300 * mebibyte)
})

test('an upload over the limit is cut there and its sender is told, though it would send for ever', async () => {
  await using hub = await aHubProcess({ folder, environment: { ROOST_UPLOAD_BYTES_MAX: String(mebibyte) } })
  let sent = 0
  function* endless(): Generator<Uint8Array> {
    for (;;) {
      sent += 65_536
      yield new Uint8Array(65_536)
    }
  }
  const response = await send(hub, asPart(endless()))
  expect([response.status, await response.json()]).toMatchObject([413, { code: 'too-large', field: 'model' }])
  // what lies in socket buffers on the way is sent too
  expect(sent).toBeLessThan(64 * mebibyte)
  expect(await filesOf(hub)).toEqual([])
  expect((await fetch(`${hub.url}/healthz`)).status).toBe(200)
})

test('a client that goes away half way leaves nothing', async () => {
  await using hub = await aHubProcess({ folder })
  const gone = new AbortController()
  function* half(): Generator<Uint8Array> {
    for (let i = 0; i < 40; i++) yield new Uint8Array(65_536)
    gone.abort()
  }
  await expect(send(hub, asPart(half()), gone.signal)).rejects.toThrow()
  await expect.poll(() => filesOf(hub)).toEqual([])
  expect(hub.output()).not.toContain('"level":50')
  expect((await send(hub, asPart(aLargeModel(mebibyte)))).status).toBe(201)
})
