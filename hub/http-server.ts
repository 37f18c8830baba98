// The socket of the API: plain or TLS, opened and closed here.

import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type Http2Bindings, type HttpBindings } from '@hono/node-server'
import type { Routes } from './app.ts'
import type { Hub } from './hub.ts'

/** A model of 512 MiB over 1.2 Mbit/s; over less it is sent in pieces. */
const requestMsMax = 3_600_000
/** An idle connection is kept so long: longer than proxies keep theirs to a hub (nginx and most load balancers: 60 s), or
 *  they send a request into one that is just being closed. */
const idleMsMax = 75_000
/** How long a client may go on sending what was refused: some megabytes over a slow link, or from a machine that stands still
 *  for a while (nginx: lingering_time). */
const lingerMs = 30_000
/** Requests get this long to end when the hub stops. */
const stopMs = 5_000

export type HttpServer = { port: number; close(): Promise<void> }

/** @throws the error of listen(2): a port in use, an address that is not ours */
export async function startHttpServer(hub: Hub, app: Routes): Promise<HttpServer> {
  const answer = async (request: Request, env: HttpBindings | Http2Bindings) => {
    const response = await app.fetch(request, env)
    if (isCutShort(env.incoming)) {
      response.headers.set('connection', 'close')
      linger(env.incoming)
    }
    return response
  }
  const listener = getRequestListener(answer, { overrideGlobalObjects: false })
  const options = { requestTimeout: requestMsMax, keepAliveTimeout: idleMsMax }
  const serve: (...args: Parameters<typeof listener>) => void = (incoming, outgoing) => {
    listener(incoming, outgoing).catch((error: unknown) => {
      hub.log.error({ err: error }, 'an answer was cut short')
      outgoing.destroy()
    })
  }
  const server: Server =
    hub.tls === undefined ? createHttpServer(options, serve) : createHttpsServer({ ...options, ...hub.tls }, serve)
  const { httpHost, httpPort } = hub.config
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(httpPort, httpHost, () => {
      server.off('error', reject)
      resolve()
    })
  })
  server.on('error', (error) => hub.log.error({ err: error }, 'HTTP listener failed to accept'))
  return { port: portOf(server.address()), close: () => stop(server) }
}

/** Answered before its body had come, an upload that is refused as a rule: the connection ends with the answer, and a
 *  client that is not told would send its next request into it. */
const isCutShort = ({ complete, headers }: HttpBindings['incoming'] | Http2Bindings['incoming']): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0)

/** What still comes is thrown away for a while after the answer: closed at once, the connection would be reset, and a client
 *  that sends all before it reads would never see why (RFC 9112 §9.6). */
function linger(incoming: HttpBindings['incoming'] | Http2Bindings['incoming']): void {
  const { socket } = incoming
  let lingers = false
  // what Node calls when the answer has left
  socket.destroySoon = () => {
    if (lingers) return
    lingers = true
    socket.end()
    // whoever reads the body for the routes would hold it up
    incoming.removeAllListeners('data')
    incoming.on('data', () => undefined).resume()
    const timer = setTimeout(() => socket.destroy(), lingerMs)
    socket.once('close', () => clearTimeout(timer))
    incoming.once('end', () => socket.destroy())
  }
}

async function stop(server: Server): Promise<void> {
  const ended = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const timer = setTimeout(() => server.closeAllConnections(), stopMs)
  await ended
  clearTimeout(timer)
}

function portOf(address: string | AddressInfo | null): number {
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return address.port
}
