// Bodies over a real socket, in every way HTTP lets them be sent: what is short passes, what is long is cut at the limit.

import { once } from 'node:events'
import { Agent, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { bodyBytesMax, createApp } from '../../hub/app.ts'
import { startHttpServer } from '../../hub/http-server.ts'
import { aHub } from './a-hub.ts'

async function aServer() {
  const hub = await aHub({ environment: { ROOST_HTTP_PORT: '0' } })
  const server = await startHttpServer(hub, createApp(hub, []))
  onTestFinished(async () => {
    await server.close()
    await hub[Symbol.asyncDispose]()
  })
  const token = await hub.tokenOf('admin')
  /** Sends the pieces; with a length where one is told, in chunks where none is. */
  const send = async (
    method: string,
    path: string,
    pieces: readonly (string | Uint8Array)[],
    headers: Record<string, string | number> = {},
  ) => {
    const request = httpRequest(`http://127.0.0.1:${server.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
      agent: false,
    })
    request.on('error', () => undefined)
    const answered = once(request, 'response')
    for (const piece of pieces) request.write(piece)
    request.end()
    const [response] = await answered
    let text = ''
    for await (const piece of response) text += String(piece)
    request.destroy()
    return { status: Number(response.statusCode), text }
  }
  return { send, port: server.port }
}

const aToken = (name: string) => JSON.stringify({ name, role: 'viewer' })

test('a body comes through with its length, in chunks, and in chunks of one byte', async () => {
  const { send } = await aServer()
  const body = aToken('somebody')
  const sent = [
    await send('POST', '/v1/tokens', [body], { 'content-length': body.length }),
    await send('POST', '/v1/tokens', [body]),
    await send('POST', '/v1/tokens', [...body]),
  ]
  for (const { status, text } of sent) expect([status, JSON.parse(text)]).toMatchObject([201, { name: 'somebody' }])
})

test('a DELETE needs no body, no length and no type', async () => {
  const { send } = await aServer()
  const { text } = await send('POST', '/v1/tokens', [aToken('short-lived')])
  const path = `/v1/tokens/${JSON.parse(text).id}`
  expect((await send('DELETE', path, [], { 'transfer-encoding': 'chunked' })).status).toBe(204)
  expect((await send('DELETE', path, [])).status).toBe(204)
})

test('one byte over the limit is refused, declared or not; the longest is read', async () => {
  const { send } = await aServer()
  const longest = Buffer.alloc(bodyBytesMax, ' ')
  longest.write(aToken('patient'))
  const over = Buffer.alloc(bodyBytesMax + 1, ' ')
  expect((await send('POST', '/v1/tokens', [longest], { 'content-length': longest.length })).status).toBe(201)
  expect((await send('POST', '/v1/tokens', [longest])).status).toBe(201)
  expect((await send('POST', '/v1/tokens', [over], { 'content-length': over.length })).status).toBe(413)
  expect((await send('POST', '/v1/tokens', [over])).status).toBe(413)
})

test('who keeps connections can go on after a body that was refused on its way', async () => {
  const { port } = await aServer()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  onTestFinished(() => agent.destroy())
  const send = async (method: string, path: string, body?: Uint8Array) => {
    const headers = {
      'content-type': 'application/json',
      ...(body === undefined ? {} : { 'content-length': body.length }),
    }
    const request = httpRequest({ port, path, method, agent, headers })
    const answered = once(request, 'response')
    request.end(body)
    const [response] = await answered
    for await (const _ of response);
    return [response.statusCode, response.headers.connection]
  }
  for (let n = 0; n < 20; n++) {
    expect(await send('POST', '/v1/tokens', Buffer.alloc(bodyBytesMax + 1, 'x'))).toEqual([413, 'close'])
    expect(await send('GET', '/healthz')).toEqual([200, 'keep-alive'])
    expect(await send('POST', '/v1/tokens', Buffer.from('{}'))).toEqual([401, expect.any(String)])
  }
})

test('a client that sends all before it reads gets its answer, though it was refused long before', async () => {
  const { port } = await aServer()
  const length = 8 * bodyBytesMax
  const kinds = ['application/json', 'multipart/form-data; boundary=b']
  for (let n = 0; n < 20; n++) {
    const socket = connect(port, '127.0.0.1')
    onTestFinished(() => void socket.destroy())
    let failed: Error | undefined
    socket.on('error', (error) => {
      failed = error
    })
    const type = kinds[n % kinds.length]
    socket.write(
      `POST /v1/models/m/versions HTTP/1.1\r\nHost: h\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`,
    )
    await new Promise<void>((resolve) => socket.write(Buffer.alloc(length, 'x'), () => resolve()))
    let text = ''
    for await (const piece of socket) text += String(piece)
    expect(failed).toBeUndefined()
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d .*"code":"(unauthorized|too-large|not-found)"/s)
  }
})
