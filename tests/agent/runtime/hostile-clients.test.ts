// Applications that are many, slow, greedy or broken: they get a clear answer or none, and take nothing from the others.

import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { aScaleModel } from '../../builders/onnx.ts'
import { ask, readAnswer } from './a-crowd.ts'
import { type ARuntime, anInfer, aServing, aWorld, post, reportedNow, type World } from './a-runtime.ts'

const bodyBytesMax = 1_048_576
const patience = { timeout: 120_000, interval: 20 }
let world: World
let runtime: ARuntime
let infer: string
const sockets: Socket[] = []

beforeAll(async () => {
  world = await aWorld()
  runtime = await aServing(world, [await world.bundle({ model: aScaleModel() })], { bodyBytesMax })
  infer = `${world.url}/v2/models/demo/infer`
})
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  // Whatever they did, it is the same process, and it is well.
  expect(runtime.exits).toEqual([])
})
afterAll(() => world[Symbol.asyncDispose]())

const isWell = async () => {
  const { status, text } = await ask(infer, [1, 2])
  expect(status).toBe(200)
  expect(readAnswer(text).y).toEqual([2, 4])
}

type Raw = { socket: Socket; received: () => string; ended: Promise<void> }

async function aConnection(): Promise<Raw> {
  const socket = connect(world.socket.port, '127.0.0.1')
  sockets.push(socket)
  let text = ''
  // Being cut off is what some of them are here for.
  socket.on('error', () => undefined)
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('data', (piece) => {
    text += String(piece)
  })
  await once(socket, 'connect')
  return { socket, received: () => text, ended }
}

const head = (length: number, path = '/v2/models/demo/infer') =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${length}\r\n\r\n`
const body = JSON.stringify(anInfer([[1, 2]]))
const answersIn = (text: string) => text.split('"data":[2,4]').length - 1

describe('many', () => {
  test('a thousand connections at a time, each kept and asked over: all are answered', async () => {
    const agents = Array.from({ length: 1000 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(agents.map((agent, i) => ask(infer, [i, round], agent)))
      expect(answers.filter(({ status }) => status !== 200)).toEqual([])
      expect(answers.map(({ text }) => readAnswer(text).y)).toEqual(agents.map((_, i) => [2 * i, 2 * round]))
    }
    for (const agent of agents) agent.destroy()
  })

  test('a thousand that connect and say nothing do not keep the next one waiting', async () => {
    await Promise.all(Array.from({ length: 1000 }, aConnection))
    await isWell()
  })

  test('requests sent without waiting for answers are answered in their order', async () => {
    const { socket, received } = await aConnection()
    socket.write((head(body.length) + body).repeat(50))
    await vi.waitFor(() => expect(answersIn(received())).toBe(50), patience)
    expect(received().match(/HTTP\/1\.1 200 OK/g)).toHaveLength(50)
  })
})

describe('slow', () => {
  test('a request that comes byte by byte is answered, and the others meanwhile', async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, aConnection))
    const request = head(body.length) + body
    for (let at = 0; at < request.length; at++) {
      for (const { socket } of slow) socket.write(request.slice(at, at + 1))
      if (at % 40 === 0) await isWell()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await vi.waitFor(() => expect(slow.filter(({ received }) => answersIn(received()) !== 1)).toEqual([]), patience)
  })

  test('one that asks and asks and never reads costs no more memory than its buffers', async () => {
    const { socket } = await aConnection()
    socket.pause()
    const rows = Array.from({ length: 500 }, () => [0.123456789, 0.987654321])
    const large = JSON.stringify(anInfer(rows))
    const flood = Buffer.from((head(large.length) + large).repeat(20))
    let sent = 0
    // Until the runtime reads no further: its answers are not taken.
    while (socket.write(flood) || sent < 400) {
      sent += 1
      if (sent > 2000) expect.fail('it goes on reading what it cannot answer')
      await new Promise((resolve) => setImmediate(resolve))
      if (socket.writableLength > 16 * flood.length) break
    }
    await isWell()
  })
})

describe('greedy', () => {
  test('a body is taken up to the last byte allowed, and answered with 413 beyond, said or not', async () => {
    const spaces = (length: number) => ' '.repeat(length - body.length) + body
    expect(await post(infer, spaces(bodyBytesMax))).toMatchObject({ status: 200 })
    for (const length of [bodyBytesMax + 1, 2 * bodyBytesMax, 3 * bodyBytesMax]) {
      expect(await post(infer, spaces(length))).toMatchObject({
        status: 413,
        body: { error: `a body may be at most ${bodyBytesMax} bytes` },
      })
      const chunked = await fetch(infer, {
        method: 'POST',
        body: ReadableStream.from([Buffer.from(spaces(length))]),
        duplex: 'half',
      })
      expect(chunked.status).toBe(413)
      await chunked.body?.cancel()
    }
  })

  test('a body without end is cut off', async () => {
    const chunk = Buffer.from(`4000\r\n${' '.repeat(0x4000)}\r\n`)
    const answer = async () => {
      const { socket, received, ended } = await aConnection()
      socket.write('POST /v2/models/demo/infer HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n')
      const writing = setInterval(() => socket.write(chunk), 1)
      await ended
      clearInterval(writing)
      return received()
    }
    // the answer is lost to one who happens to write just when it is cut off
    await vi.waitFor(async () => expect(await answer()).toMatch(/^HTTP\/1\.1 413 [\s\S]*connection: close/i), patience)
    await isWell()
  })

  test('a length that nobody has is refused before its first byte', async () => {
    const { socket, received } = await aConnection()
    socket.write(head(10_000_000_000))
    await vi.waitFor(() => expect(received()).toMatch(/^HTTP\/1\.1 413 /), patience)
  })

  test('bodies held back by many are not held without bound; when they are gone all is well', async () => {
    const held: Raw[] = []
    const hold = async () => {
      const connection = await aConnection()
      held.push(connection)
      connection.socket.write(head(bodyBytesMax) + ' '.repeat(bodyBytesMax - 1))
    }
    await Promise.all(Array.from({ length: 40 }, hold))
    const refused = () => post(infer, ' '.repeat(bodyBytesMax - body.length) + body)
    await vi.waitFor(async () => {
      const { status } = await refused()
      // those that came at once were refused together, and left room
      if (status !== 503) await hold()
      expect(status).toBe(503)
    }, patience)
    for (const { socket } of held) socket.destroy()
    // what they had sent before they went may still be on its way
    await vi.waitFor(async () => expect((await refused()).status).toBe(200), patience)
    await vi.waitFor(isWell, patience)
  })

  test('a large body that nobody asked for does not keep its sender from the answer', async () => {
    const large = 'x'.repeat(4 * bodyBytesMax)
    for (let n = 0; n < 20; n++) {
      expect((await post(`${world.url}/v2/models/none/infer`, large)).status).toBe(404)
      expect((await post(`${world.url}/v2`, large)).status).toBe(405)
      expect((await post(infer, large, { 'content-encoding': 'gzip' })).status).toBe(415)
    }
  })
})

describe('broken', () => {
  const broken: [string, string, RegExp][] = [
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a head without end', `GET /v2 HTTP/1.1\r\nx: ${'y'.repeat(70_000)}`, /^HTTP\/1\.1 431 /],
    ['two lengths', `${head(5).trimEnd()}\r\ncontent-length: 6\r\n\r\nhello`, /^HTTP\/1\.1 400 /],
    ['a length and chunks', `${head(5).trimEnd()}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`, /^HTTP\/1\.1 400 /],
    [
      'a chunk of no size',
      'POST /v2/models/demo/infer HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    ['a path that is none', 'GET http:// HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 404 /],
    ['a method nobody knows', 'PROPFIND /v2/models/demo/infer HTTP/1.1\r\nhost: a\r\n\r\n', /^HTTP\/1\.1 405 /],
    ['HTTP/1.0', 'GET /v2/health/live HTTP/1.0\r\n\r\n', /^HTTP\/1\.1 200 [\s\S]*connection: close/i],
  ]
  test.each(broken)('%s', async (_, text, answer) => {
    const { socket, received, ended } = await aConnection()
    socket.write(text, 'latin1')
    await vi.waitFor(() => expect(received()).toMatch(answer), patience)
    socket.end()
    await ended
    await isWell()
  })

  test('what was begun and dropped is not counted, and leaves nothing behind', async () => {
    await reportedNow(world, runtime)
    runtime.windows.length = 0
    for (let n = 0; n < 50; n++) {
      const { socket, ended } = await aConnection()
      socket.write(head(body.length) + body.slice(0, n))
      socket.destroy()
      await ended
    }
    await isWell()
    runtime.process.reportNow()
    await vi.waitFor(() => expect(runtime.windows).toHaveLength(1), patience)
    expect(runtime.windows[0]?.counts).toEqual({ ok: 1, error: 0, refused: 0 })
  })

  test('one who leaves before the answer is counted like any other', async () => {
    await reportedNow(world, runtime)
    runtime.windows.length = 0
    for (let n = 0; n < 20; n++) {
      const { socket, ended } = await aConnection()
      await new Promise((resolve) => socket.write(head(body.length) + body, resolve))
      socket.end()
      await ended
    }
    runtime.process.reportNow()
    await vi.waitFor(() => expect(runtime.windows[0]?.counts).toEqual({ ok: 20, error: 0, refused: 0 }), patience)
  })
})
