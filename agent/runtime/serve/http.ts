// The runtime's HTTP server: who may be asked what, how a body is read, how an answer is written, and how the
// listener is given up without losing a request. Routing is by hand, as its cost adds to every inference.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server as ListeningServer } from 'node:net'

// Not imported: that asks the module for all it names, and so loads a whole client (fetch, web sockets) that nobody here
// uses, which is a tenth of what a start takes.
const { createServer } = process.getBuiltinModule('node:http')

/** Where a request goes. `refused` is told when the request of a known model is not acceptable. */
export type Route = {
  method: 'GET' | 'POST'
  respond: (body: Buffer) => Answer | Promise<Answer>
  refused?: () => void
}
export type Answer = { status: number; text: string }
export type FindRoute = (path: string) => Route | undefined

export type HttpServer = {
  /** Accepts on a socket that was bound elsewhere. May be called again after `release`. */
  listen: (socket: object) => Promise<void>
  /** Stops accepting. Connections that are open live on; each learns with its next answer that it should close, and one on
   *  which nothing is asked for some seconds is closed. */
  release: () => void
  /** Resolves when no connection is left, or closes what is left after `graceMs`. */
  drain: (graceMs: number) => Promise<void>
}

/** Connections that may wait in the kernel's queue while no runtime accepts; beyond that the client's connect waits. */
const backlog = 1024
/** Open connections; one more is closed at once. */
const connectionsMax = 4096
/** Bodies held at a time, in units of the largest one allowed; beyond that the answer is 503. */
const bodiesHeldMax = 8
/** A head or a whole request that takes longer than this to come in is given up (408). */
const headersTimeoutMs = 10_000
const requestTimeoutMs = 60_000
/** How long an idle connection is kept: longer than applications that ask now and then pause, and than a machine that is
 *  busy holds one up, or a request meets a connection that is just being closed. */
const keepAliveTimeoutMs = 75_000
/** How long it is kept once another runtime accepts. */
const releasedIdleMs = 4_000
/** How much of a body that is not wanted is read and thrown away, in units of the largest one allowed: closing before
 *  would reset the connection under a client that is still sending, and it would not get to read the answer. */
const discardFactor = 4

export function createHttpServer(find: FindRoute, options: { bodyBytesMax: number }): HttpServer {
  const { bodyBytesMax } = options
  const discardedBytesMax = bodyBytesMax * discardFactor
  const tooLong = failure(413, `a body may be at most ${bodyBytesMax} bytes`)
  let bytesHeld = 0
  let released = true
  let idling: NodeJS.Timeout | undefined

  const server = createServer(
    {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      noDelay: true,
    },
    (request, response) => {
      respond(request, response).catch((error: unknown) => {
        // Everything expected is an answer by now. Losing the process is the one thing that gets noticed and mended.
        queueMicrotask(() => {
          throw error
        })
      })
    },
  )
  server.maxConnections = connectionsMax

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = find(pathOf(request.url ?? '/'))
    if (route === undefined) return refuse(request, response, failure(404, 'there is no such path or model'))
    if (request.method !== route.method) {
      response.setHeader('allow', route.method)
      return refuse(request, response, failure(405, `use ${route.method}`))
    }
    if (route.method === 'GET') return answer(request, response, await route.respond(noBody))
    const refusal = declaredBytes(request) > discardedBytesMax ? tooLong : refusedEncoding(request)
    if (refusal !== undefined) {
      route.refused?.()
      return refuse(request, response, refusal)
    }
    const body = await readBody(request)
    if (body === 'gone') return
    if (body === 'too-long') {
      route.refused?.()
      return answer(request, response, tooLong)
    }
    if (body === 'busy') return answer(request, response, failure(503, 'too many requests at a time'))
    try {
      answer(request, response, await route.respond(body))
    } finally {
      bytesHeld -= body.length
    }
  }

  /** What it returns counts as held; the caller gives it back. */
  function readBody(request: IncomingMessage): Promise<Buffer | 'too-long' | 'busy' | 'gone'> {
    return new Promise((resolve) => {
      const chunks: Buffer[] = []
      let length = 0
      let refusal: 'too-long' | 'busy' | undefined
      const settle = (outcome: Buffer | 'too-long' | 'busy' | 'gone') => {
        if (!Buffer.isBuffer(outcome) && refusal === undefined) bytesHeld -= length
        request.removeAllListeners('data').removeAllListeners('end').removeAllListeners('close')
        resolve(outcome)
      }
      const refuse = (reason: 'too-long' | 'busy') => {
        bytesHeld -= length
        chunks.length = 0
        refusal = reason
      }
      request.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (refusal !== undefined) {
          if (length > discardedBytesMax) settle(refusal)
          return
        }
        bytesHeld += chunk.length
        chunks.push(chunk)
        if (length > bodyBytesMax) refuse('too-long')
        else if (bytesHeld > bodyBytesMax * bodiesHeldMax) refuse('busy')
      })
      request.on('end', () => settle(refusal ?? (chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks))))
      request.on('close', () => settle('gone'))
    })
  }

  async function refuse(request: IncomingMessage, response: ServerResponse, refusal: Answer): Promise<void> {
    if (declaredBytes(request) <= discardedBytesMax) await discardBody(request, discardedBytesMax)
    answer(request, response, refusal)
  }

  function answer(request: IncomingMessage, response: ServerResponse, { status, text }: Answer): void {
    // A body nobody read would be taken for the next request.
    if (released || !request.complete) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    response.end(text)
  }

  return {
    listen: (socket) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(socket, backlog, () => {
          server.removeListener('error', reject)
          released = false
          clearInterval(idling)
          idling = undefined
          resolve()
        })
      }),
    release() {
      released = true
      // Not http.Server's close: that one also cuts idle connections, on which a request may be on its way.
      if (server.listening) ListeningServer.prototype.close.call(server)
      idling ??= setInterval(() => server.closeIdleConnections(), releasedIdleMs)
    },
    async drain(graceMs) {
      const deadline = performance.now() + graceMs
      while ((await connectionsOf(server)) > 0 && performance.now() < deadline) await pause(drainCheckMs)
      clearInterval(idling)
      server.closeAllConnections()
    },
  }
}

const drainCheckMs = 20
const noBody = Buffer.alloc(0)

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

function connectionsOf(server: ListeningServer): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}

/** 0 where the client does not say, or has none. */
const declaredBytes = (request: IncomingMessage) => Number(request.headers['content-length'] ?? 0)

/** Resolves when the client has sent all, or more than is read, or is gone. */
function discardBody(request: IncomingMessage, bytesMax: number): Promise<void> {
  return new Promise((resolve) => {
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= bytesMax) return
      request.removeAllListeners('data').pause()
      resolve()
    })
    request.once('end', resolve).once('close', resolve)
  })
}

function pathOf(url: string): string {
  const query = url.indexOf('?')
  return query < 0 ? url : url.slice(0, query)
}

/** A body in a form we do not read. A content type is not asked for: common clients send none, or a wrong one. */
function refusedEncoding(request: IncomingMessage): Answer | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity') return failure(415, `the content encoding ${encoding.slice(0, 32)} is not read here`)
  if (request.headers['inference-header-content-length'] !== undefined) {
    return failure(415, 'binary tensors are not read here; send the data as JSON')
  }
  return undefined
}

export const failure = (status: number, error: string): Answer => ({ status, text: JSON.stringify({ error }) })
