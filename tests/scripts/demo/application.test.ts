// The demo's application must not be fooled: anything but the right answer of the version that gave it is a failure.

import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { describe, expect, test } from 'vitest'
import { type Question, startApplication } from '../../../scripts/demo/application.ts'

const questions: Question[] = [
  { body: '{"n":0}', answers: new Map([['1', 0.25]]) },
  { body: '{"n":1}', answers: new Map([['1', 0.75]]) },
]

const answer = (version: string, value: number) =>
  JSON.stringify({ model_version: version, outputs: [{ name: 'probability', data: [value] }] })

/** Lets the application ask until `asked` requests have come in, then ends it. */
async function askServer(listener: (n: number) => RequestListener, asked: number) {
  let requests = 0
  const { promise: enough, resolve } = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      requests += 1
      if (requests >= asked) resolve()
      const body: unknown = JSON.parse(Buffer.concat(pieces).toString())
      listener(Number(Object(body).n))(request, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const application = startApplication({
    url: `http://127.0.0.1:${port}`,
    model: 'motes',
    questions,
    perSecond: 500,
    connections: 2,
  })
  await enough
  const counts = await application.stop()
  server.closeAllConnections()
  server.close()
  return { counts, requests }
}

describe('the application of the demo', () => {
  test('counts every right answer, also where each closes its connection', async () => {
    const { counts, requests } = await askServer(
      (n) => (_, response) => response.setHeader('connection', 'close').end(answer('1', n === 0 ? 0.25 : 0.75)),
      20,
    )
    expect(counts).toMatchObject({ answered: requests, failed: 0, firstFailure: undefined })
    expect(counts.byVersion).toEqual(new Map([['1', requests]]))
  })

  test.each<[string, (n: number) => RequestListener, RegExp]>([
    ['a wrong answer', () => (_, response) => response.end(answer('1', 0.5)), /answered 0.5 where/],
    ['a version it does not know', () => (_, response) => response.end(answer('7', 0.25)), /version 7/],
    ['an error', () => (_, response) => response.writeHead(500).end('oh'), /status 500: oh/],
    ['no JSON', () => (_, response) => response.end('oh'), /JSON/],
    ['a connection that ends', () => (request) => request.socket.destroy(), /hang up|ECONNRESET/],
  ])('counts %s as failed', async (_, listener, reason) => {
    const { counts, requests } = await askServer(listener, 10)
    expect(counts).toMatchObject({ answered: 0, failed: requests })
    expect(counts.firstFailure).toMatch(reason)
  })
})
